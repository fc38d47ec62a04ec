// Package migrate moves Go programs from the official MongoDB driver to mgx's package
// mongo: it changes import paths, and says what has to be done by hand. It reads
// programs as text, so they need not build.
package migrate

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	officialPath = "go.mongodb.org/mongo-driver/v2/mongo"
	modulePath   = "github.com/mgxdb/mgx/mongo"
)

// Options say what to look at.
type Options struct {
	// Patterns are folders and files; one that ends with /... stands for the folders
	// below, too. Folders of other modules, testdata, vendor and those whose names
	// begin with a dot or an underscore are left out then.
	Patterns []string
	// Version of mgx's package mongo to require in go.mod; "" leaves go.mod alone.
	Version string
}

// Plan is what is to be changed, and what cannot be.
type Plan struct {
	Changes []Change
	// Findings are what has to be looked at, in the order of their places.
	Findings []Finding
	// Modules are the folders of the modules whose files change, by their go.mod.
	Modules []string
}

// Change is a file before and after.
type Change struct {
	Path          string
	Before, After []byte
}

// Finding is a place in a program, and what is to be known of it.
type Finding struct {
	Path         string
	Line, Column int
	Text         string
	// Left is set where the package is left as it is because of it.
	Left bool
}

// String is the place and the text, as compilers have it.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.Path, f.Line, f.Column, f.Text)
}

// Look reads programs and plans what to change. Nothing is written.
func Look(ctx context.Context, o Options) (*Plan, error) {
	files, err := list(o.Patterns)
	if err != nil {
		return nil, err
	}
	p := &Plan{}
	packages := map[string][]*file{}
	for _, path := range files {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		f, err := read(path)
		if err != nil {
			return nil, err
		}
		dir := filepath.Dir(path)
		packages[dir] = append(packages[dir], f)
		p.Findings = append(p.Findings, f.findings...)
	}
	for _, files := range packages {
		p.plan(files)
	}
	if err := p.requirements(o.Version); err != nil {
		return nil, err
	}
	slices.SortFunc(p.Changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(p.Findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), a.Line-b.Line, a.Column-b.Column)
	})
	return p, nil
}

// plan adds the changes of the files of a folder. Types of the two drivers do not mix,
// so either all of them change, or none does.
func (p *Plan) plan(files []*file) {
	var uses, left bool
	for _, f := range files {
		uses = uses || len(f.paths) > 0
		left = left || slices.ContainsFunc(f.findings, func(at Finding) bool { return at.Left })
	}
	if !uses || left {
		return
	}
	for _, f := range files {
		if after := f.rewritten(); !bytes.Equal(after, f.source) {
			p.Changes = append(p.Changes, Change{f.path, f.source, after})
		}
	}
}

// rewritten is the source with the import path changed. What gofmt had formatted stays
// so: it sorts imports.
func (f *file) rewritten() []byte {
	if len(f.paths) == 0 {
		return f.source
	}
	var out []byte
	at := 0
	for _, p := range f.paths {
		out = append(out, f.source[at:p.from]...)
		out = append(out, p.quote)
		out = append(out, modulePath...)
		out = append(out, p.quote)
		at = p.to
	}
	out = append(out, f.source[at:]...)
	if formatted, err := format.Source(f.source); err == nil && bytes.Equal(formatted, f.source) {
		if formatted, err := format.Source(out); err == nil {
			return formatted
		}
	}
	return out
}

// Apply writes the changes. Files keep their permissions. One that is not any more what
// it was when the plan was made ends it, with an error.
func (p *Plan) Apply() error {
	for _, c := range p.Changes {
		now, err := os.ReadFile(c.Path)
		if err != nil {
			return err
		}
		if !bytes.Equal(now, c.Before) {
			return fmt.Errorf("%s was changed meanwhile: run the command again", c.Path)
		}
		info, err := os.Stat(c.Path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.Path, c.After, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// list are the Go files that patterns stand for, each once.
func list(patterns []string) ([]string, error) {
	var files []string
	for _, pattern := range patterns {
		root, deep := strings.CutSuffix(filepath.ToSlash(pattern), "...")
		root = filepath.Clean(filepath.FromSlash(cmp.Or(root, ".")))
		info, err := os.Stat(root)
		switch {
		case err != nil:
			return nil, err
		case !info.IsDir():
			files = append(files, root)
			continue
		}
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir():
				if path != root && (!deep || leftOut(path, d.Name())) {
					return fs.SkipDir
				}
			case strings.HasSuffix(path, ".go") && d.Type().IsRegular():
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// leftOut reports whether ... does not stand for a folder, as in the go command.
func leftOut(path, name string) bool {
	if name == "vendor" || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}
