package ferretdbcmd

import (
	"context"
	"flag"
	"testing"

	"github.com/mgxdb/mgx/embedded"
)

// ForMain starts a server for all tests of a package, from its TestMain: FerretDB
// within the process, or, where the race detector would make that ten times as slow,
// the command beside it. With go test's -short it is within the process always: the
// command may have to be built first.
func ForMain() (uri string, stop func() error, err error) {
	if !flag.Parsed() {
		flag.Parse()
	}
	if raceEnabled && !testing.Short() {
		p, err := Start(context.Background(), Options{})
		if err != nil {
			return "", nil, err
		}
		return p.URI(), p.Close, nil
	}
	s, err := embedded.Start(context.Background(), embedded.Options{})
	if err != nil {
		return "", nil, err
	}
	return s.URI(), s.Close, nil
}
