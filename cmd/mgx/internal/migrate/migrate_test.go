package migrate

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go/ast"
	"go/parser"
	"go/token"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden moves a program, and compares it and what is told of it.
func TestGolden(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, contents(t, "testdata/program/before"), "")
	t.Chdir(dir)
	plan, err := Look(t.Context(), Options{Patterns: []string{"./...", "store"}, Version: "v0.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	if changed := contents(t, "."); !equal(changed, contents(t, golden(t, "before"))) {
		t.Error("to look changed something")
	}
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for _, c := range plan.Changes {
		fmt.Fprintln(&told, "changed", filepath.ToSlash(c.Path))
	}
	for _, f := range plan.Findings {
		f.Path = filepath.ToSlash(f.Path)
		fmt.Fprintln(&told, f, f.Left)
	}
	if *update {
		if err := os.RemoveAll(golden(t, "after")); err != nil {
			t.Fatal(err)
		}
		write(t, golden(t, "after"), contents(t, "."), ".txt")
		if err := os.WriteFile(golden(t, "told.txt"), []byte(told.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, want := contents(t, "."), contents(t, golden(t, "after"))
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s is\n%s\nwant\n%s", name, got[name], want[name])
		}
	}
	wantTold, err := os.ReadFile(golden(t, "told.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if told.String() != string(wantTold) {
		t.Errorf("told\n%s\nwant\n%s", told.String(), wantTold)
	}

	// Once more, there is nothing to do.
	plan, err = Look(t.Context(), Options{Patterns: []string{"./..."}, Version: "v0.1.0"})
	if err != nil || len(plan.Changes) > 0 {
		t.Errorf("%v %v", plan.Changes, err)
	}
}

var here, _ = os.Getwd()

func golden(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(here, "testdata", "program", name)
}

// write writes files into a folder, each with an ending.
func write(t *testing.T, dir string, files map[string][]byte, ending string) {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(dir, name+ending)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// contents are the files below a folder, by their names, without the ending .txt, which
// keeps the go command and gofmt from those in testdata.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[strings.TrimSuffix(path, ".txt")], err = os.ReadFile(filepath.Join(dir, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func equal(a, b map[string][]byte) bool {
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			return false
		}
	}
	return len(a) == len(b)
}

func TestApplyKeepsWhatChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	source := "package a\n\nimport _ \"go.mongodb.org/mongo-driver/v2/mongo\"\n"
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := Look(t.Context(), Options{Patterns: []string{path}})
	if err != nil || len(plan.Changes) != 1 {
		t.Fatal(plan, err)
	}
	if err := os.WriteFile(path, []byte(source+"// new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := plan.Apply(); err == nil {
		t.Error("a file that somebody changed is overwritten")
	}
	if _, err := Look(t.Context(), Options{Patterns: []string{filepath.Join(filepath.Dir(path), "none")}}); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

// TestMissing holds the list of what is missing to the two packages.
func TestMissing(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", officialPath).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := exported(t, strings.TrimSpace(string(out))), exported(t, filepath.Join(here, "..", "..", "..", "..", "mongo"))
	for name := range theirs {
		if ours[name] == (missing[name] != "") {
			t.Errorf("%s: here %v, missing because %q", name, ours[name], missing[name])
		}
	}
	for name := range missing {
		if !theirs[name] {
			t.Errorf("the official package has no %s", name)
		}
	}
}

// exported are the exported functions, types and values of a package.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	list, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(list) == 0 {
		t.Fatal(dir, err)
	}
	for _, path := range list {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") || bytes.Contains(source, []byte("//go:build ")) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name := range f.Scope.Objects {
			if ast.IsExported(name) {
				names[name] = true
			}
		}
	}
	return names
}

func TestLeftOut(t *testing.T) {
	for _, name := range []string{"vendor", "testdata", ".git", "_x"} {
		if !leftOut(filepath.Join(t.TempDir(), name), name) {
			t.Error(name)
		}
	}
	if leftOut(t.TempDir(), "store") {
		t.Error("store is left out")
	}
	if files, err := list([]string{here}); err != nil || len(files) < 4 || !slices.IsSorted(files) {
		t.Error(files, err)
	}
}
