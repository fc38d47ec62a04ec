package migrate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
)

// file is a Go file, and what concerns its move.
type file struct {
	path     string
	source   []byte
	paths    []literal // of imports to change
	findings []Finding
}

// literal is a string literal in a file.
type literal struct {
	from, to int
	quote    byte
}

// reader reads one file.
type reader struct {
	*file
	set    *token.FileSet
	syntax *ast.File
	names  map[string]bool // of the official package in the file
}

func read(path string) (*file, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, source: source}
	if !mentions(source) {
		return f, nil
	}
	r := &reader{file: f, set: token.NewFileSet(), names: map[string]bool{}}
	// Object resolution tells an import from a variable of the same name.
	r.syntax, err = parser.ParseFile(r.set, path, source, parser.ParseComments)
	if err != nil {
		f.findings = append(f.findings, Finding{Path: path, Text: "it cannot be read: " + err.Error(), Left: true})
		return f, nil //nolint:nilerr // it is among the findings
	}
	r.imports()
	ast.Inspect(r.syntax, r.look)
	return f, nil
}

// mentions reports whether a file may import a driver.
func mentions(source []byte) bool {
	text := string(source)
	return strings.Contains(text, "go.mongodb.org/mongo-driver") || strings.Contains(text, "/mgo")
}

func (r *reader) find(at token.Pos, left bool, text string) {
	p := r.set.PositionFor(at, false)
	r.findings = append(r.findings, Finding{r.path, p.Line, p.Column, text, left})
}

func (r *reader) imports() {
	for _, spec := range r.syntax.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		switch {
		case path == officialPath:
			r.official(spec)
		case path == modulePath:
			r.find(spec.Pos(), false, "package mongo of mgx is imported already")
		case strings.HasPrefix(path, "go.mongodb.org/mongo-driver/v2/x/"):
			r.find(spec.Pos(), false, path+" belongs to the official driver's internals: its values do not work with mgx")
		case strings.HasPrefix(path, "go.mongodb.org/mongo-driver/v2"):
		case path == "go.mongodb.org/mongo-driver" || strings.HasPrefix(path, "go.mongodb.org/mongo-driver/"):
			r.find(spec.Pos(), false, path+" is version 1 of the official driver: move to its version 2 first")
		case isMgo(path):
			r.find(spec.Pos(), false, path+" is mgo: docs/from-mgo.md says what is called what")
		}
	}
}

func isMgo(path string) bool {
	for _, root := range []string{"gopkg.in/mgo.v2", "github.com/globalsign/mgo", "labix.org/v2/mgo", "github.com/juju/mgo"} {
		if path == root || strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}

func (r *reader) official(spec *ast.ImportSpec) {
	name := "mongo"
	if spec.Name != nil {
		name = spec.Name.Name
	}
	switch {
	case ast.IsGenerated(r.syntax):
		r.find(spec.Pos(), true, "the file is generated: generate it anew, with "+modulePath)
		return
	case name == ".":
		r.find(spec.Pos(), true, "which names come from a dot import cannot be told: name the package")
		return
	}
	r.names[name] = true
	at := r.set.Position(spec.Path.Pos()).Offset
	r.paths = append(r.paths, literal{at, at + len(spec.Path.Value), spec.Path.Value[0]})
}

// look takes in what the package of mgx does not have.
func (r *reader) look(n ast.Node) bool {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return true
	}
	name := s.Sel.Name
	id, isName := s.X.(*ast.Ident)
	switch {
	case isName && id.Obj == nil && r.names[id.Name]:
		if reason, ok := missing[name]; ok {
			r.find(s.Pos(), true, id.Name+"."+name+" is not there: "+reason)
		}
	case isName && missingMethods[name] && r.isCursor(id):
		r.find(s.Sel.Pos(), true, "Cursor."+name+" is not there: give it where the cursor is opened")
	case len(r.names) > 0 || r.importsOptions():
		if reason, ok := refused[name]; ok {
			r.find(s.Sel.Pos(), false, name+" is refused when the program runs: "+reason)
		}
	}
	return true
}

func (r *reader) importsOptions() bool {
	for _, spec := range r.syntax.Imports {
		if strings.HasPrefix(strings.Trim(spec.Path.Value, "\"`"), officialPath+"/") {
			return true
		}
	}
	return false
}

// isCursor reports whether a variable was assigned what opens a cursor.
func (r *reader) isCursor(id *ast.Ident) bool {
	if len(r.names) == 0 || id.Obj == nil {
		return false
	}
	assigned, ok := id.Obj.Decl.(*ast.AssignStmt)
	if !ok || len(assigned.Rhs) != 1 {
		return false
	}
	call, ok := assigned.Rhs[0].(*ast.CallExpr)
	if !ok {
		return false
	}
	s, ok := call.Fun.(*ast.SelectorExpr)
	return ok && opensCursor[s.Sel.Name] && len(assigned.Lhs) == 2
}
