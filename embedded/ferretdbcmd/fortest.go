package ferretdbcmd

import "testing"

// ForTest is Start for a test, which it ends with. With go test's -short the test
// is skipped: the command may have to be built first.
func ForTest(t testing.TB, options Options) *Process {
	t.Helper()
	if testing.Short() {
		t.Skip("may have to build FerretDB first")
	}
	p, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}
