package main

import (
	"io"
	"strings"
	"testing"
)

func TestCopy(t *testing.T) {
	for _, args := range [][]string{{"copy", "more"}, {"copy", "-docs", "1", "-collections", "2"}, {"copy", "-collections", "0"}} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	if testing.Short() {
		t.Skip("builds the tool and starts three servers")
	}
	var out strings.Builder
	if err := run([]string{"copy", "-docs", "61", "-collections", "3"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Copying 61 documents in 3 collections", "document by document", "official driver, loop", "mgx copy"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
