package text

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	for _, c := range []struct {
		s, cases, diacritics, both string
	}{
		{"abc XYZ", "abc xyz", "abc XYZ", "abc xyz"},
		{"Crème Brûlée", "crème brûlée", "Creme Brulee", "creme brulee"},
		{"ΌΣΟΣ ς", "όσοσ σ", "ΟΣΟΣ ς", "οσοσ σ"},
		{"ſ µ K", "s μ k", "ſ µ K", "s μ k"},
		{"İı", "İı", "Iı", "Iı"},
		{"a\u0301^`x", "a\u0301^`x", "ax", "ax"},
		{"Ꭰꭰᏸ", "ᎠᎠᏰ", "Ꭰꭰᏸ", "ᎠᎠᏰ"},
		{"Ｘ", "ｘ", "Ｘ", "ｘ"},
		{"ǘ", "ǘ", "u", "u"},
		{"𐕰", "𐕰", "𐕰", "𐕰"},
	} {
		for got, want := range map[string]string{
			"0" + Fold(c.s, false, false): "0" + c.s, "1" + Fold(c.s, true, false): "1" + c.cases,
			"2" + Fold(c.s, false, true): "2" + c.diacritics, "3" + Fold(c.s, true, true): "3" + c.both,
		} {
			if got != want {
				t.Errorf("%q folds to %q, want %q", c.s, got, want)
			}
		}
	}
}

func TestParts(t *testing.T) {
	all := Limits{MaxLength: 100, MinQuery: 1, MaxQuery: 100}
	// Three bytes are encrypted in one block, which has room for 11.
	prefixes, err := Prefixes("aßc", 4, all)
	if want := []string{"a", "aß", "aßc", "aßc\xff"}; err != nil || !slices.Equal(prefixes.Strings, want) || prefixes.Padding != 8 || prefixes.Len() != 11 {
		t.Errorf("prefixes %+v (%v)", prefixes, err)
	}
	suffixes, err := Suffixes("aßc", 4, Limits{MinQuery: 2, MaxQuery: 3})
	if want := []string{"ßc", "aßc"}; err != nil || !slices.Equal(suffixes.Strings, want) || suffixes.Padding != 0 {
		t.Errorf("suffixes %+v (%v)", suffixes, err)
	}
	substrings, err := Substrings("abab", 4, 4, Limits{MaxLength: 4, MinQuery: 1, MaxQuery: 2})
	// Of seven parts, two are there twice, and one three times.
	if want := []string{"a", "ab", "b", "ba", "abab\xff"}; err != nil || !slices.Equal(substrings.Strings, want) || substrings.Padding != 3 {
		t.Errorf("substrings %+v (%v)", substrings, err)
	}
	if short, err := Prefixes("a", 1, Limits{MinQuery: 12, MaxQuery: 20}); err != nil || short.Len() != 0 {
		t.Errorf("a string too short for any query has parts %+v (%v)", short, err)
	}
	if none, err := Prefixes("a", 1, Limits{MinQuery: 3, MaxQuery: 4}); err != nil || none.Len() != 2 || len(none.Strings) != 1 {
		t.Errorf("a string without parts, whose length is hidden, has %+v (%v)", none, err)
	}
}

func TestRefuses(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for name, f := range map[string]func() error{
		"no minimum":    func() error { _, err := Prefixes("a", 1, Limits{MaxQuery: 2}); return err },
		"max below min": func() error { _, err := Suffixes("a", 1, Limits{MinQuery: 3, MaxQuery: 2}); return err },
		"too long": func() error {
			_, err := Substrings("abc", 3, 3, Limits{MaxLength: 2, MinQuery: 1, MaxQuery: 2})
			return err
		},
		"too many": func() error {
			_, err := Substrings(long, 2000, 2000, Limits{MaxLength: 2000, MinQuery: 1, MaxQuery: 2000})
			return err
		},
		"short query": func() error { return CheckQuery("a", Limits{MinQuery: 2, MaxQuery: 3}) },
		"long query":  func() error { return CheckQuery("abcd", Limits{MinQuery: 2, MaxQuery: 3}) },
		"empty query": func() error { return CheckQuery("", Limits{MaxQuery: 3}) },
		"no UTF-8":    func() error { return Valid("a\xff") },
		"a zero byte": func() error { return Valid("a\x00b") },
	} {
		if f() == nil {
			t.Errorf("%s is not refused", name)
		}
	}
}

// FuzzParts looks for strings whose number of parts says more than that of others as long when encrypted.
func FuzzParts(f *testing.F) {
	f.Add("hello", 1, 3, 10)
	f.Add("ǘß", 2, 2, 2)
	f.Fuzz(func(t *testing.T, s string, least, most, longest int) {
		if Valid(s) != nil || longest > 1000 || most > 1000 {
			return
		}
		folded := Fold(s, true, true)
		l := Limits{MaxLength: longest, MinQuery: least, MaxQuery: most}
		p, err := Substrings(folded, utf8.RuneCountInString(s), len(s), l)
		if err != nil {
			return
		}
		if room := padded(len(s)); room >= least && p.Len() != count(min(longest, room), l) {
			t.Fatalf("%q has %d parts", s, p.Len())
		}
	})
}
