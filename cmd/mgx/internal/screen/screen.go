// Package screen writes for people on terminals and for programs in pipes.
package screen

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// IsTerminal says whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colors says when text is coloured.
type Colors string

// The choices of colours. Auto colours text on a terminal, unless NO_COLOR is set
// (https://no-color.org) or TERM is "dumb".
const (
	Auto   Colors = "auto"
	Always Colors = "always"
	Never  Colors = "never"
)

// Style colours text, or leaves it as it is.
type Style struct{ on bool }

// NewStyle returns the style for the stream w.
func (c Colors) NewStyle(w io.Writer, getenv func(string) string) Style {
	switch c {
	case Always:
		return Style{true}
	case Never:
		return Style{false}
	}
	return Style{IsTerminal(w) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

func (s Style) wrap(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold marks headings.
func (s Style) Bold(text string) string { return s.wrap("1", text) }

// Dim marks what matters less.
func (s Style) Dim(text string) string { return s.wrap("2", text) }

// Good marks success.
func (s Style) Good(text string) string { return s.wrap("32", text) }

// Bad marks failure.
func (s Style) Bad(text string) string { return s.wrap("31", text) }

// Warn marks what one should know.
func (s Style) Warn(text string) string { return s.wrap("33", text) }

// Name marks names and addresses.
func (s Style) Name(text string) string { return s.wrap("36", text) }

// Name returns a name as it is, or, where it has characters that would not be seen or
// would act on a terminal, in quotes with these escaped.
func Name(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}

// Count writes a number with its noun in singular or plural: "1 document",
// "12,345 documents".
func Count(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return Number(n) + " " + plural
}

// Number writes a number with its thousands apart.
func Number(n int) string {
	s := strconv.Itoa(n)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Duration writes a duration with three digits: "1.23 ms".
func Duration(d time.Duration) string {
	for _, u := range []struct {
		unit string
		d    time.Duration
	}{{"s", time.Second}, {"ms", time.Millisecond}} {
		if d < u.d {
			continue
		}
		v := float64(d) / float64(u.d)
		digits := 2
		if v >= 10 {
			digits = 1
		}
		if v >= 100 {
			digits = 0
		}
		return fmt.Sprintf("%.*f %s", digits, v, u.unit)
	}
	return fmt.Sprintf("%d µs", d.Microseconds())
}
