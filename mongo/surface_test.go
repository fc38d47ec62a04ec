package mongo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// absent are the official package's symbols that this one does not have, with the
// reason: what uses them does not compile.
var absent = map[string]string{
	"BatchCursorFromCursor":   "it returns one of the official driver's internals",
	"ClientEncryption":        "this package has no encryption",
	"NewClientEncryption":     "this package has no encryption",
	"EncryptionKeyVaultError": "this package has no encryption",
	"MongocryptError":         "this package has no encryption",
	"MongocryptdError":        "this package has no encryption",
	"RewrapManyDataKeyResult": "this package has no encryption",
	"Cursor.SetComment":       "mgx takes it where the cursor is opened",
	"Cursor.SetMaxAwaitTime":  "mgx takes it where the cursor is opened",
}

// TestSurface demands each exported symbol of the official package: here, or in the list
// of those that are absent.
func TestSurface(t *testing.T) {
	types := aliases(t)
	theirs, ours := exported(t, packageDir(t, "go.mongodb.org/mongo-driver/v2/mongo")), exported(t, ".")
	own := []string{"Client.Unwrap", "Database.Unwrap", "Collection.Unwrap"}
	for name := range theirs {
		typeName, _, method := strings.Cut(name, ".")
		switch {
		case absent[name] != "" || absent[typeName] != "":
			if ours[name] {
				t.Errorf("%s is here, and listed as absent", name)
			}
		case ours[name]:
		case method && ours[typeName] && types[typeName]:
		default:
			t.Errorf("%s is missing", name)
		}
	}
	for name := range ours {
		if !theirs[name] && !slices.Contains(own, name) {
			t.Errorf("%s is not in the official package", name)
		}
	}
	for name := range absent {
		if !theirs[name] {
			t.Errorf("the official package has no %s", name)
		}
	}
}

func packageDir(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// exported are the exported symbols of a package: functions, types, methods as
// Type.Method, fields as Type.Field, values.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, file := range sources(t, dir) {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() {
					continue
				}
				if d.Recv == nil {
					names[d.Name.Name] = true
				} else if recv := receiver(d.Recv.List[0].Type); ast.IsExported(recv) {
					names[recv+"."+d.Name.Name] = true
				}
			case *ast.GenDecl:
				addSpecs(names, d)
			}
		}
	}
	return names
}

func sources(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(list) == 0 {
		t.Fatal(dir, err)
	}
	for _, name := range list {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(src), "//go:build ") {
			continue // a part of it that programs do not have
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func receiver(e ast.Expr) string {
	if s, ok := e.(*ast.StarExpr); ok {
		e = s.X
	}
	id, _ := e.(*ast.Ident)
	if id == nil {
		return ""
	}
	return id.Name
}

func addSpecs(names map[string]bool, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if !s.Name.IsExported() {
				continue
			}
			names[s.Name.Name] = true
			if st, ok := s.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						if n.IsExported() {
							names[s.Name.Name+"."+n.Name] = true
						}
					}
				}
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() {
					names[n.Name] = true
				}
			}
		}
	}
}

// aliases are our types that are the official ones.
func aliases(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, file := range sources(t, ".") {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok && s.Assign.IsValid() {
					names[s.Name.Name] = true
				}
			}
		}
	}
	return names
}

// TestSignatures compares the methods of the types that are this package's own.
func TestSignatures(t *testing.T) {
	for _, pair := range [][2]any{
		{&official.Client{}, &Client{}}, {&official.Database{}, &Database{}}, {&official.Collection{}, &Collection{}},
		{&official.Cursor{}, &Cursor{}}, {&official.SingleResult{}, &SingleResult{}}, {&official.DistinctResult{}, &DistinctResult{}},
		{&official.Session{}, &Session{}}, {&official.ChangeStream{}, &ChangeStream{}}, {official.IndexView{}, IndexView{}},
		{official.SearchIndexView{}, SearchIndexView{}}, {&official.GridFSBucket{}, &GridFSBucket{}},
		{&official.GridFSUploadStream{}, &GridFSUploadStream{}}, {&official.GridFSDownloadStream{}, &GridFSDownloadStream{}},
	} {
		theirs, ours := reflect.TypeOf(pair[0]), reflect.TypeOf(pair[1])
		for i := range theirs.NumMethod() {
			m := theirs.Method(i)
			name := reflect.Indirect(reflect.ValueOf(pair[0])).Type().Name() + "." + m.Name
			if absent[name] != "" {
				continue
			}
			own, ok := ours.MethodByName(m.Name)
			if !ok {
				t.Errorf("%s is missing", name)
				continue
			}
			if own.Type.String() != m.Type.String() {
				t.Errorf("%s is %v, not %v", name, own.Type, m.Type)
			}
		}
	}
	for name, pair := range map[string][2]any{
		"Connect": {official.Connect, Connect}, "NewSessionContext": {official.NewSessionContext, NewSessionContext},
		"SessionFromContext": {official.SessionFromContext, SessionFromContext}, "WithSession": {official.WithSession, WithSession},
		"NewCursorFromDocuments":      {official.NewCursorFromDocuments, NewCursorFromDocuments},
		"NewSingleResultFromDocument": {official.NewSingleResultFromDocument, NewSingleResultFromDocument},
		"ErrorCodes":                  {official.ErrorCodes, ErrorCodes}, "IsTimeout": {official.IsTimeout, IsTimeout},
		"IsDuplicateKeyError": {official.IsDuplicateKeyError, IsDuplicateKeyError}, "IsNetworkError": {official.IsNetworkError, IsNetworkError},
	} {
		if a, b := fmt.Sprintf("%T", pair[0]), fmt.Sprintf("%T", pair[1]); a != b {
			t.Errorf("%s is %s, not %s", name, b, a)
		}
	}
}

// TestUnsupported demands that what is refused is there to be given.
func TestUnsupported(t *testing.T) {
	fields := map[string]bool{}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[options.AggregateOptions](), reflect.TypeFor[options.ChangeStreamOptions](), reflect.TypeFor[options.ClientOptions](),
		reflect.TypeFor[options.CreateCollectionOptions](), reflect.TypeFor[options.DropCollectionOptions](),
		reflect.TypeFor[options.FindOptions](), reflect.TypeFor[options.FindOneOptions](),
	} {
		for i := range typ.NumField() {
			fields[typ.Name()+"."+typ.Field(i).Name] = true
		}
	}
	for name, reason := range unsupported {
		if !fields[name] || reason == "" {
			t.Errorf("the official package has no options.%s", name)
		}
	}
}
