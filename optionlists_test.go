package mgx

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the comment of an operation's option type lists is what there is.
func TestOptionLists(t *testing.T) {
	src := parseSources(t)
	name := regexp.MustCompile(`\[(\w+)\]`)
	checked := 0
	for operation, doc := range src.docs {
		lead, list, _ := strings.Cut(doc, "\n\n")
		if !ast.IsExported(operation) || !strings.Contains(lead, operation+" is an option of ") {
			continue
		}
		checked++
		var got []string
		for _, m := range name.FindAllStringSubmatch(list, -1) {
			got = append(got, m[1])
		}
		if want := src.makers(operation); !slices.Equal(got, want) {
			t.Errorf("the comment of %s should list [%s], not %v", operation, strings.Join(want, "], ["), got)
		}
	}
	if checked < 20 {
		t.Errorf("only %d types of options were found", checked)
	}
}

// optionSources are the package's interfaces and who returns them.
type optionSources struct {
	docs    map[string]string             // of interface types
	parts   map[string]*ast.InterfaceType // their bodies
	returns map[string][]string           // functions by the type of their only result
}

func parseSources(t *testing.T) *optionSources {
	t.Helper()
	src := &optionSources{map[string]string{}, map[string]*ast.InterfaceType{}, map[string][]string{}}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			src.add(d)
		}
	}
	return src
}

func (s *optionSources) add(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if results := d.Type.Results; d.Recv == nil && d.Name.IsExported() && results != nil && len(results.List) == 1 {
			if result, ok := results.List[0].Type.(*ast.Ident); ok {
				s.returns[result.Name] = append(s.returns[result.Name], d.Name.Name)
			}
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if ts, ok := spec.(*ast.TypeSpec); ok {
				if body, ok := ts.Type.(*ast.InterfaceType); ok {
					s.parts[ts.Name.Name] = body
					doc := ts.Doc
					if doc == nil {
						doc = d.Doc
					}
					s.docs[ts.Name.Name] = doc.Text()
				}
			}
		}
	}
}

// methods are an interface's, with those that it embeds.
func (s *optionSources) methods(name string) map[string]bool {
	set := map[string]bool{}
	if s.parts[name] == nil {
		return set
	}
	for _, f := range s.parts[name].Methods.List {
		for _, n := range f.Names {
			set[n.Name] = true
		}
		if embedded, ok := f.Type.(*ast.Ident); ok {
			maps.Copy(set, s.methods(embedded.Name))
		}
	}
	return set
}

// makers are the functions whose results an operation takes as options, sorted.
func (s *optionSources) makers(operation string) []string {
	var makers []string
	for result, functions := range s.returns {
		has := s.methods(result)
		takes := len(has) > 0
		for m := range s.methods(operation) {
			takes = takes && has[m]
		}
		if takes {
			makers = append(makers, functions...)
		}
	}
	slices.Sort(makers)
	return makers
}
