package mgx

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const officialBSON = "go.mongodb.org/mongo-driver/v2/bson"

// The official codec, as against its types and its Extended JSON.
var officialCodec = map[string]bool{
	"Marshal": true, "MarshalValue": true, "Unmarshal": true, "UnmarshalValue": true,
	"NewEncoder": true, "NewDecoder": true, "NewDocumentReader": true, "NewDocumentWriter": true,
	"NewRegistry": true, "NewMgoRegistry": true, "NewRespectNilValuesMgoRegistry": true,
}

// TestOneCodec sees that the client, its packages and the tool encode and decode with mgx's codec alone.
func TestOneCodec(t *testing.T) {
	// Two are there to check mgx: by what others wrote, or a fault of the codec would agree with itself.
	// The third offers the official driver's API, where programs give settings and registries of its codec.
	others := []string{"bench", "mgxtest", "mongo"}
	files, importers := 0, 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			for _, dir := range others {
				if path == dir {
					return filepath.SkipDir
				}
			}
			if name := d.Name(); name == "testdata" || len(name) > 1 && name[0] == '.' {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		calls, imports := officialCalls(file)
		if imports {
			importers++
		}
		for _, n := range calls {
			t.Errorf("%s uses the official codec", fset.Position(n.Pos()))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 || importers < 2 {
		t.Errorf("looked at %d files, of which %d import the official package", files, importers)
	}
}

// officialCalls returns where file uses the official codec, and whether it imports its package.
func officialCalls(file *ast.File) (calls []ast.Node, imports bool) {
	packages := map[string]string{} // paths by name
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		packages[name] = path
		imports = imports || path == officialBSON
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && packages[x.Name] == officialBSON && officialCodec[n.Sel.Name] {
				calls = append(calls, n)
			}
		case *ast.CallExpr:
			// The methods of RawValue are the official codec's, and nobody else's have one argument.
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Unmarshal" && s.Sel.Name != "UnmarshalWithContext" {
				break
			}
			if x, ok := s.X.(*ast.Ident); ok && packages[x.Name] != "" {
				break
			}
			if len(n.Args) == 1 || s.Sel.Name == "UnmarshalWithContext" {
				calls = append(calls, n)
			}
		}
		return true
	})
	return calls, imports
}

func TestOfficialCalls(t *testing.T) {
	for src, want := range map[string]int{
		`import "go.mongodb.org/mongo-driver/v2/bson"; var x, _ = bson.Marshal(nil)`:              1,
		`import o "go.mongodb.org/mongo-driver/v2/bson"; var x = o.NewDecoder`:                    1,
		`import "go.mongodb.org/mongo-driver/v2/bson"; var x, _ = bson.MarshalExtJSON(nil, true)`: 0,
		`import "github.com/mgxdb/mgx/bson"; var x, _ = bson.Marshal(nil)`:                        0,
		`func f(v RawValue, o Options) { v.Unmarshal(1); o.Unmarshal(nil, 1) }`:                   1,
		`func f(v []RawValue) { v[0].UnmarshalWithContext(nil, 1) }`:                              1,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; "+src, 0)
		if err != nil {
			t.Fatal(err)
		}
		if calls, _ := officialCalls(file); len(calls) != want {
			t.Errorf("%d calls in %s, want %d", len(calls), src, want)
		}
	}
}
