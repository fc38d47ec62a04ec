package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What stands in the module is what the table says.
func TestFilesAreUpToDate(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join("..", "..", name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is out of date (%v): run go generate . in the module's root", name, err)
		}
	}
}

// A slip in the table is an error, not a type that takes nothing.
func TestCheck(t *testing.T) {
	table := options
	defer func() { options = table }()
	for _, c := range []struct {
		name string
		add  option
		says string
	}{
		{"an unknown operation", option{"AOption", list("Fnd"), nil}, `no operation "Fnd"`},
		{"two lists", option{"SortOption", list("Find"), nil}, "two lists"},
		{"another's type", option{"FindOption", list("Find", "Count"), nil}, "FindOption"},
		{"an unknown call", option{"AOption", list("Find"), []maker{{"A", "`a`", on("`b`", "Collection.FindOne")}}}, "Collection.FindOne"},
	} {
		t.Run(c.name, func(t *testing.T) {
			options = append(table[:len(table):len(table)], c.add)
			if _, err := generate(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, and should say %q", err, c.says)
			}
		})
	}
}
