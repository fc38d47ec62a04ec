package unified_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/spectest"
	"github.com/mgxdb/mgx/mgxtest"
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

// TestValidFailFiles runs the tests that are to fail.
func TestValidFailFiles(t *testing.T) {
	dir := spectest.Dir(t, "unified-test-format/tests/valid-fail")
	tally := spectest.NewTally(t, "unified valid-fail files", nil)
	d, stop, err := simulated(unified.ReplicaSet, face{})(mgxtest.NewReplicaSet(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	if err := d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(context.Background()) })
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
				t.Run(test.Description, func(t *testing.T) { mustFail(t, d.Run(t.Context(), f, test)) })
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
