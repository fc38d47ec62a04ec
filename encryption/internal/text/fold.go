package text

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Fold makes strings equal that queries should not tell apart: those that only differ in case (by Unicode's simple case
// folding), in diacritics, or in both.
func Fold(s string, cases, diacritics bool) string {
	if !cases && !diacritics {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if cases {
			r = foldCase(r)
		}
		if diacritics {
			if r = withoutDiacritics(r); r == 0 {
				continue
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// newer are letters and marks that came, or changed, after Unicode 13, by which servers and other clients fold. They are
// left as they are.
var newer = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x387, Hi: 0x387, Stride: 1}, {Lo: 0x898, Hi: 0x89f, Stride: 1}, {Lo: 0x8c9, Hi: 0x8d2, Stride: 1}, {Lo: 0xc3c, Hi: 0xc3c, Stride: 1},
		{Lo: 0x1714, Hi: 0x1715, Stride: 1}, {Lo: 0x1abe, Hi: 0x1abe, Stride: 1}, {Lo: 0x1ac1, Hi: 0x1acb, Stride: 1},
		{Lo: 0x1dfa, Hi: 0x1dfc, Stride: 1}, {Lo: 0x2c2f, Hi: 0x2c2f, Stride: 1}, {Lo: 0xa7c0, Hi: 0xa7c0, Stride: 1},
		{Lo: 0xa7d0, Hi: 0xa7d0, Stride: 1}, {Lo: 0xa7d6, Hi: 0xa7d8, Stride: 2},
	},
	R32: []unicode.Range32{
		{Lo: 0x10570, Hi: 0x10595, Stride: 1}, {Lo: 0x10780, Hi: 0x107ba, Stride: 1}, {Lo: 0x10efd, Hi: 0x10eff, Stride: 1},
		{Lo: 0x10f82, Hi: 0x10f85, Stride: 1}, {Lo: 0x11046, Hi: 0x11046, Stride: 1}, {Lo: 0x11070, Hi: 0x11070, Stride: 1},
		{Lo: 0x13447, Hi: 0x13455, Stride: 1}, {Lo: 0x1aff0, Hi: 0x1affe, Stride: 1}, {Lo: 0x1cf00, Hi: 0x1cf46, Stride: 1},
		{Lo: 0x1e030, Hi: 0x1e06d, Stride: 1}, {Lo: 0x1e2ae, Hi: 0x1e2ae, Stride: 1},
	},
}

// foldCase is Unicode's simple case folding (CaseFolding.txt, statuses C and S).
func foldCase(r rune) rune {
	switch {
	case r < 0x80:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	case r == 'İ' || r == 'ı' || unicode.Is(newer, r): // only Turkish folds the first two
		return r
	case 0x13a0 <= r && r <= 0x13f5: // Cherokee folds to its upper case
		return r
	case 0x13f8 <= r && r <= 0x13fd || 0xab70 <= r && r <= 0xabbf:
		return unicode.ToUpper(r)
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// withoutDiacritics removes marks from a letter, and returns 0 for a mark itself.
func withoutDiacritics(r rune) rune {
	if r < 0x80 {
		if r == '^' || r == '`' {
			return 0
		}
		return r
	}
	switch {
	case unicode.Is(newer, r):
		return r
	case unicode.Is(unicode.Diacritic, r):
		return 0
	}
	decomposed := norm.NFD.PropertiesString(string(r)).Decomposition()
	if len(decomposed) == 0 {
		return r
	}
	kept := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Diacritic, r) {
			return -1
		}
		return r
	}, string(decomposed))
	composed := []rune(norm.NFC.String(kept))
	switch len(composed) {
	case 0:
		return 0
	case 1:
		return composed[0]
	}
	return r
}
