// Package text makes strings findable by their beginnings, ends and parts, as Queryable Encryption does: a stored string
// has a token for each such part, and as many for no part at all as it takes to hide how long it is.
package text

import (
	"fmt"
	"unicode/utf8"
)

// Limits are the lengths of the parts that queries can look for, in code points.
type Limits struct {
	// MaxLength is the length of the longest string: substrings only.
	MaxLength int
	// MinQuery and MaxQuery are the lengths of the shortest and longest part.
	MinQuery, MaxQuery int
}

// maxTokens bounds the work for one string. The server stores no document with so many tokens.
const maxTokens = 100_000

// padding ends a string that stands for no part. It is no UTF-8: no query looks for it.
const padding = "\xff"

// Parts are those of a string, those that hide its length among them, which are all the same.
type Parts struct {
	Strings []string
	// Padding is how often the last of Strings stands there, which is the string with something behind it.
	Padding int
}

// Len is the number of parts, padding counted.
func (p Parts) Len() int { return len(p.Strings) + max(p.Padding-1, 0) }

// padded is how many bytes a string has at most that is as long when encrypted as one of n bytes: its value's length
// and final zero take 5 bytes, and a cipher of blocks fills up the last one.
func padded(n int) int {
	const overhead, block = 5, 16
	return block*((n+overhead+block)/block) - overhead
}

// bounds are where the code points of a string begin, its end included.
func bounds(s string) []int {
	list := make([]int, 0, len(s)+1)
	for i := range s {
		list = append(list, i)
	}
	return append(list, len(s))
}

// Prefixes returns the beginnings of a folded string. size is how many bytes it had before folding.
func Prefixes(folded string, size int, l Limits) (Parts, error) {
	return affixes(folded, size, l, func(at []int, n int) string { return folded[:at[n]] })
}

// Suffixes returns the ends of a folded string.
func Suffixes(folded string, size int, l Limits) (Parts, error) {
	return affixes(folded, size, l, func(at []int, n int) string { return folded[at[len(at)-1-n]:] })
}

func affixes(folded string, size int, l Limits, part func(at []int, n int) string) (Parts, error) {
	if err := l.check(); err != nil {
		return Parts{}, err
	}
	room := padded(size)
	if room < l.MinQuery {
		return Parts{}, nil
	}
	total := min(room, l.MaxQuery) - l.MinQuery + 1
	if total > maxTokens {
		return Parts{}, tooMany(total)
	}
	at := bounds(folded)
	var p Parts
	for n := l.MinQuery; n <= min(len(at)-1, l.MaxQuery); n++ {
		p.Strings = append(p.Strings, part(at, n))
	}
	return p.fill(folded, total), nil
}

func tooMany(n int) error {
	return fmt.Errorf("the string has %d parts that queries could look for, more than %d: shorten it, or the lengths of the field's queries", n, maxTokens)
}

// fill adds padding up to a number of parts.
func (p Parts) fill(folded string, total int) Parts {
	if p.Padding = total - len(p.Strings); p.Padding > 0 {
		p.Strings = append(p.Strings, folded+padding)
	}
	return p
}

func (l Limits) check() error {
	if l.MinQuery < 1 || l.MaxQuery < l.MinQuery {
		return fmt.Errorf("the lengths of text queries are from %d to %d: the first is at least 1, the second not less than the first", l.MinQuery, l.MaxQuery)
	}
	return nil
}

// Substrings returns the different parts of a folded string. length and size are how many code points and bytes it had
// before folding.
func Substrings(folded string, length, size int, l Limits) (Parts, error) {
	if err := l.check(); err != nil {
		return Parts{}, err
	}
	if length > l.MaxLength {
		return Parts{}, fmt.Errorf("a string with substring queries has at most %d code points in this field, not %d", l.MaxLength, length)
	}
	room := padded(size)
	if room < l.MinQuery {
		return Parts{}, nil
	}
	total := count(min(l.MaxLength, room), l)
	if total > maxTokens {
		return Parts{}, tooMany(total)
	}
	at := bounds(folded)
	seen := make(map[string]struct{})
	var p Parts
	for i := range at {
		for n := l.MinQuery; n <= l.MaxQuery && i+n < len(at); n++ {
			s := folded[at[i]:at[i+n]]
			if _, again := seen[s]; !again {
				seen[s] = struct{}{}
				p.Strings = append(p.Strings, s)
			}
		}
	}
	if len(p.Strings) > total {
		return Parts{}, fmt.Errorf("the string has become longer than %d code points by folding", l.MaxLength)
	}
	return p.fill(folded, total), nil
}

// count is the number of parts of a string of n code points: n-i+1 of each length i.
func count(n int, l Limits) int {
	longest := min(n, l.MaxQuery)
	if longest < l.MinQuery {
		return 0
	}
	return (n - longest + 1 + n - l.MinQuery + 1) * (longest - l.MinQuery + 1) / 2
}

// CheckQuery refuses what a query cannot look for.
func CheckQuery(folded string, l Limits) error {
	if n := utf8.RuneCountInString(folded); n < l.MinQuery || n > l.MaxQuery || n == 0 {
		return fmt.Errorf("queries of this field look for %d to %d code points, not %d", l.MinQuery, l.MaxQuery, n)
	}
	return nil
}

// Valid refuses strings that have no tokens: with bytes that are no UTF-8, or with zeros.
func Valid(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("a string with text queries must be valid UTF-8")
	}
	for i := range len(s) {
		if s[i] == 0 {
			return fmt.Errorf("a string with text queries cannot have zero bytes")
		}
	}
	return nil
}
