//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
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
