package ferretdbcmd

import (
	"context"
	"flag"
	"testing"

	"github.com/mgxdb/mgx/embedded"
)

// Quickest starts the server that answers tests soonest: FerretDB within the process,
// or, where the race detector would make that ten times as slow, the command beside
// it. With go test's -short it is within the process always: the command may have to be
// built first. The context bounds the start only; stop ends the server.
func Quickest(ctx context.Context) (uri string, stop func() error, err error) {
	if !flag.Parsed() { // in a TestMain
		flag.Parse()
	}
	if raceEnabled && !testing.Short() {
		p, err := Start(ctx, Options{})
		if err != nil {
			return "", nil, err
		}
		return p.URI(), p.Close, nil
	}
	s, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		return "", nil, err
	}
	return s.URI(), s.Close, nil
}
