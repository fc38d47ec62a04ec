package dropin

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// optionStructs are the official package's options, each with the test that tries its
// fields one by one, or the reason why it has none to try.
var optionStructs = map[string]string{
	"BSONOptions":              "TestBSONOptions",
	"BucketOptions":            "TestGridFSAlike",
	"ClientOptions":            "TestClientOptions",
	"Collation":                "TestCollation",
	"CollectionOptions":        "TestHandles",
	"DatabaseOptions":          "TestHandles",
	"DefaultIndexOptions":      "in CreateCollectionOptions",
	"DriverInfo":               "TestClientOptions",
	"Credential":               "TestCredential",
	"OIDCArgs":                 "TestCredential",
	"OIDCCredential":           "TestCredential",
	"IDPInfo":                  "TestCredential",
	"GridFSNameOptions":        "TestGridFSAlike",
	"GridFSUploadOptions":      "TestGridFSAlike",
	"IndexOptions":             "TestIndexOptions",
	"ListSearchIndexesOptions": "TestSearchIndexes",
	"LoggerOptions":            "TestLogger",
	"SearchIndexesOptions":     "TestSearchIndexes",
	"ServerAPIOptions":         "TestClientOptions",
	"SessionOptions":           "TestSessionOptions",
	"TimeSeriesOptions":        "TestTimeSeries",
	"TransactionOptions":       "TestSessionOptions",

	"CreateSearchIndexesOptions": "it has no fields",
	"DropSearchIndexOptions":     "it has no fields",
	"UpdateSearchIndexOptions":   "it has no fields",

	"AutoEncryptionOptions":    "refused: ClientOptions.AutoEncryptionOptions",
	"ClientEncryptionOptions":  "absent: NewClientEncryption",
	"DataKeyOptions":           "absent: ClientEncryption",
	"EncryptOptions":           "absent: ClientEncryption",
	"PrefixOptions":            "absent: ClientEncryption",
	"RangeOptions":             "absent: ClientEncryption",
	"RewrapManyDataKeyOptions": "absent: ClientEncryption",
	"StringOptions":            "absent: ClientEncryption",
	"SubstringOptions":         "absent: ClientEncryption",
	"SuffixOptions":            "absent: ClientEncryption",
}

// TestOptionStructs demands that each options struct is tried, and that each test that is
// named exists.
func TestOptionStructs(t *testing.T) {
	tried := map[string]bool{}
	for _, o := range operations() {
		tried[o.options.Name()] = true
	}
	found := map[string]bool{}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "go.mongodb.org/mongo-driver/v2/mongo/options").Output()
	if err != nil {
		t.Fatal(err)
	}
	list, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*.go"))
	for _, name := range list {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				s, ok := spec.(*ast.TypeSpec)
				if !ok || !s.Name.IsExported() || strings.HasSuffix(s.Name.Name, "Builder") {
					continue
				}
				if _, ok := s.Type.(*ast.StructType); ok && !s.Assign.IsValid() {
					found[s.Name.Name] = true
				}
			}
		}
	}
	for name := range found {
		if !tried[name] && optionStructs[name] == "" {
			t.Errorf("options.%s is not tried", name)
		}
	}
	tests := testNames(t)
	for name, test := range optionStructs {
		if !found[name] && !strings.HasSuffix(test, "no fields") {
			t.Errorf("the official package has no options.%s", name)
		}
		if strings.HasPrefix(test, "Test") && !tests[test] {
			t.Errorf("there is no %s for options.%s", test, name)
		}
	}
}

func testNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	list, _ := filepath.Glob("*_test.go")
	more, _ := filepath.Glob("../../mongo/*_test.go")
	list = append(list, more...)
	for _, name := range list {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
