// Package classic tests every member of the classic MongoClient, each under its
// classic name, and shows how it is used.
package classic

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
)

// uri is a server for the whole package.
var uri string

func TestMain(m *testing.M) {
	var err error
	var stop func() error
	if uri, stop, err = ferretdbcmd.Quickest(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := stop(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func connect(t *testing.T, change ...func(*mgx.Options)) *mgx.Client {
	t.Helper()
	return connectTo(t, uri, change...)
}

func connectTo(t *testing.T, uri string, change ...func(*mgx.Options)) *mgx.Client {
	t.Helper()
	options, err := mgx.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(options)
	}
	client, err := mgx.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}
