package mgx

// Collation says how strings are compared and sorted: by a language's rules, not
// byte by byte. See the server manual, "Collation". Zero fields are left to the
// server, which takes them from the locale.
type Collation struct {
	// Locale is an ICU locale such as "en" or "de@collation=phonebook", or "simple"
	// for comparison byte by byte. It is required.
	Locale string `bson:"locale"`
	// Strength is how fine the comparison is: 1 looks at base letters alone, 2 also
	// at accents, 3 (the usual default) also at case, 4 and 5 at more.
	Strength int `bson:"strength,omitempty"`
	// CaseLevel adds the comparison of case to strengths 1 and 2.
	CaseLevel bool `bson:"caseLevel,omitempty"`
	// CaseFirst sorts "upper" or "lower" case first.
	CaseFirst string `bson:"caseFirst,omitempty"`
	// NumericOrdering compares runs of digits as numbers: "9" before "10".
	NumericOrdering bool `bson:"numericOrdering,omitempty"`
	// Alternate is "shifted" to take spaces and punctuation for less than letters,
	// or "non-ignorable". MaxVariable says which: "punct" or "space".
	Alternate   string `bson:"alternate,omitempty"`
	MaxVariable string `bson:"maxVariable,omitempty"`
	// Normalization checks whether text needs Unicode normalization, and does it.
	Normalization bool `bson:"normalization,omitempty"`
	// Backwards compares accents from the end, as French dictionaries do.
	Backwards bool `bson:"backwards,omitempty"`
}
