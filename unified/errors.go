package unified

import "fmt"

// Skip is why a test does not run: the deployment is not what it needs, or mgx
// cannot do something yet.
type Skip struct{ Reason string }

func (s *Skip) Error() string { return "skipped: " + s.Reason }

func skipf(format string, args ...any) error { return &Skip{fmt.Sprintf(format, args...)} }

// malformed is a test that makes no sense: it names something that is not there,
// or gives an operation an argument that it does not have. It is never what a
// test expects.
type malformed struct{ text string }

func (m *malformed) Error() string { return "malformed test: " + m.text }

func malformedf(format string, args ...any) error { return &malformed{fmt.Sprintf(format, args...)} }
