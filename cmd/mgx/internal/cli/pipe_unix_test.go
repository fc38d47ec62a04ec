//go:build unix

package cli

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mgxdb/mgx/mgxtest"
)

// A pipe might never end.
func TestRestoreOfAPipe(t *testing.T) {
	d := shop(t)
	dir := t.TempDir()
	tool(t, "", "dump", d.URI(), "shop", "-o", dir).want(t, exitOK, "", "")
	for _, name := range []string{"items.bson", "log.metadata.json"} {
		path := filepath.Join(dir, "shop", name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := tool(t, "", "restore", in(d.URI(), "x"), dir)
	o.want(t, exitPartly, "restored: 2 of 4 collections", "not restored: x.items: "+filepath.Join(dir, "shop", "items.bson")+" is no file, but a named pipe")
	o.want(t, exitPartly, "", "not restored: x.log: ")
}

// Who writes into a pipe finds a reader once, and one who does not come is not waited
// for when there is an interruption.
func TestInsertFromAPipe(t *testing.T) {
	d := shop(t)
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, []byte("{\"_id\":1}\n{\"_id\":2}\n"), 0) }()
	tool(t, "", "insert", d.URI(), "shop.new", path).want(t, exitOK, "2 documents inserted", "")
	if err := <-written; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d.OnCommand(func(c mgxtest.Command) {
		if c.Name == "hello" { // the last one before the input is opened
			cancel()
		}
	})
	toolIn(t, ctx, nil, "insert", d.URI(), "shop.new", path).want(t, exitInterrupted, "", "mgx: interrupted")
	// Lets the open that was left behind end.
	w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		_ = w.Close()
	}
}
