package unified_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/spectest"
	"github.com/mgxdb/mgx/unified"
)

// TestInvalidFiles refuses the files that break the format's rules.
func TestInvalidFiles(t *testing.T) {
	dir := spectest.Dir(t, "unified-test-format/tests/invalid")
	tally := spectest.NewTally(t, "unified invalid files", nil)
	for _, file := range spectest.Files(t, dir, "*.json") {
		tally.Run(t, spectest.Name(dir, file), func(t *testing.T) {
			_, err := unified.Load(file)
			if err == nil {
				t.Fatal("it was accepted")
			}
			t.Log(err)
		})
	}
}

// TestValidFailFiles runs the tests that are to fail, on the first kind of deployment
// that admits them.
func TestValidFailFiles(t *testing.T) {
	dir := spectest.Dir(t, "unified-test-format/tests/valid-fail")
	tally := spectest.NewTally(t, "unified valid-fail files", nil)
	parent, open := t, map[string]*unified.Deployment{}
	deployment := func(t *testing.T, f *unified.File, test *unified.Test) *unified.Deployment {
		for _, s := range servers[1:] {
			face := s.face(f, test)
			if v, err := unified.ParseVersion(face.version); err != nil || !f.Admits(test, s.topology, v, face.auth) {
				continue
			}
			name := fmt.Sprint(s.name, face)
			if open[name] == nil {
				d, err := start(parent, s, face)
				if err != nil {
					t.Fatal(err)
				}
				open[name] = d
			}
			return open[name]
		}
		t.Fatal("no deployment is what it needs")
		return nil
	}
	for _, file := range spectest.Files(t, dir, "*.json") {
		tally.Run(t, spectest.Name(dir, file), func(t *testing.T) {
			f, err := unified.Load(file)
			if err != nil {
				if filepath.Base(file) != "schemaVersion-unsupported.json" || !strings.Contains(err.Error(), "schemaVersion") {
					t.Fatal(err)
				}
				return
			}
			for _, test := range f.Tests {
				t.Run(test.Description, func(t *testing.T) { mustFail(t, deployment(t, f, test).Run(t.Context(), f, test)) })
			}
		})
	}
}

func mustFail(t *testing.T, err error) {
	t.Helper()
	var skip *unified.Skip
	switch {
	case errors.As(err, &skip):
		t.Fatal("it was skipped: " + skip.Reason)
	case err == nil:
		t.Fatal("it passed")
	default:
		t.Log(err)
	}
}
