package unified

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is major, minor and patch, of a server or of the format.
type Version [3]int

// ParseVersion reads "1", "1.2" or "1.2.3", each with an optional suffix after a
// hyphen ("4.9.0-alpha4"), which does not count.
func ParseVersion(s string) (Version, error) {
	var v Version
	numbers, _, _ := strings.Cut(s, "-")
	parts := strings.Split(numbers, ".")
	if len(parts) > len(v) {
		return v, fmt.Errorf("version %q has more than three parts", s)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return v, fmt.Errorf("version %q: %q is no number", s, part)
		}
		v[i] = int(n)
	}
	return v, nil
}

// Compare is negative, zero or positive as v is older than, the same as, or newer
// than w.
func (v Version) Compare(w Version) int {
	for i := range v {
		if c := cmp.Compare(v[i], w[i]); c != 0 {
			return c
		}
	}
	return 0
}

// String returns all three parts.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }
