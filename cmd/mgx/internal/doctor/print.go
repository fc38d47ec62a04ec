package doctor

import (
	"fmt"
	"strings"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// mark says the verdict in one word.
func (v Verdict) mark(style screen.Style) string {
	switch v {
	case OK:
		return style.Good("ok  ")
	case Warning:
		return style.Warn("warn")
	case Failed:
		return style.Bad("FAIL")
	}
	return style.Dim("-   ")
}

// Text writes a step for people.
func (s Step) Text(style screen.Style) string {
	var b strings.Builder
	for i, f := range s.Findings {
		name := ""
		if i == 0 {
			name = s.Name
		}
		fmt.Fprintf(&b, "%s  %s  ", f.Verdict.mark(style), style.Bold(fmt.Sprintf("%-17s", name)))
		if f.Server != "" {
			b.WriteString(style.Name(f.Server) + ": ")
		}
		message := f.Message
		if f.Verdict == Skipped {
			message = style.Dim(message)
		}
		b.WriteString(message + "\n")
		const indent = "                         "
		for _, d := range f.Details {
			b.WriteString(indent + style.Dim(d) + "\n")
		}
		for _, a := range f.Advice {
			b.WriteString(indent + "→ " + a + "\n")
		}
	}
	return b.String()
}

// Summary is the last line for people.
func (r *Report) Summary(style screen.Style) string {
	switch r.Outcome {
	case Healthy:
		return style.Good("healthy:") + " a client with this connection string works\n"
	case Troubled:
		return style.Warn("troubled:") + " a client with this connection string works, but see the warnings\n"
	}
	return style.Bad("broken:") + " a client with this connection string does not work; it stops at: " + r.StoppedAt + "\n"
}
