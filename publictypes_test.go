package mgx

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/sdam"
)

// Nothing exported is made of what go doc cannot show: types, functions, variables
// and fields name no internal package.
func TestPublicTypesAreDocumented(t *testing.T) {
	for _, dir := range []string{".", "bson", "bson/bsonwire", "connstring", "event", "gridfs", "mgxdebug"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				checkPublic(t, name)
			}
		}
	}
}

func checkPublic(t *testing.T, name string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	internal := map[string]bool{}
	for _, i := range file.Imports {
		if p, _ := strconv.Unquote(i.Path.Value); strings.Contains(p, "/internal/") {
			internal[path.Base(p)] = true
		}
	}
	for _, n := range publicParts(file) {
		ast.Inspect(n, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := s.X.(*ast.Ident); ok && internal[pkg.Name] {
					t.Errorf("%v: %s.%s is in the public API", set.Position(s.Pos()), pkg.Name, s.Sel.Name)
				}
			}
			return true
		})
	}
}

// publicParts are the parts of a file's declarations that go doc shows.
func publicParts(file *ast.File) (parts []ast.Node) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(strings.TrimSuffix(receiver(d), "."))) {
				parts = append(parts, d.Type)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						parts = append(parts, publicFields(s.Type)...)
					}
				case *ast.ValueSpec:
					// Of an error to compare with there is no more to see than its name.
					if name := s.Names[0]; name.IsExported() && !strings.HasPrefix(name.Name, "Err") {
						parts = append(parts, s)
					}
				}
			}
		}
	}
	return parts
}

// publicFields are the exported fields of a struct, or all of another type.
func publicFields(of ast.Expr) (parts []ast.Node) {
	s, ok := of.(*ast.StructType)
	if !ok {
		return []ast.Node{of}
	}
	for _, f := range s.Fields.List {
		exported := len(f.Names) == 0
		for _, n := range f.Names {
			exported = exported || n.IsExported()
		}
		if exported {
			parts = append(parts, f.Type)
		}
	}
	return parts
}

// Modes are converted, not looked up.
func TestModesAreThoseOfSelection(t *testing.T) {
	for public, internal := range map[Mode]sdam.Mode{
		Primary: sdam.Primary, PrimaryPreferred: sdam.PrimaryPreferred, Secondary: sdam.Secondary,
		SecondaryPreferred: sdam.SecondaryPreferred, Nearest: sdam.Nearest,
	} {
		if sdam.Mode(public) != internal {
			t.Errorf("%v is not %v", public, internal)
		}
	}
}

// What the callbacks for credentials take and return is handed on whole, and prints
// no secret.
func TestCredentialCallbacks(t *testing.T) {
	var none OIDCCallback
	var noProvider AWSProvider
	if none.internal() != nil || noProvider.internal() != nil {
		t.Error("no callback becomes one")
	}
	given := auth.OIDCArgs{Version: 1, Username: "u", IDP: &auth.IDPInfo{Issuer: "i", ClientID: "c"}, RefreshToken: "secret"}
	token := OIDCToken{AccessToken: "secret", ExpiresIn: 5, RefreshToken: "secret"}
	callback := OIDCCallback(func(_ context.Context, a OIDCArgs) (OIDCToken, error) {
		if a.Version != 1 || a.Username != "u" || a.IDP == nil || a.IDP.Issuer != "i" || a.IDP.ClientID != "c" || a.RefreshToken != "secret" {
			t.Errorf("told %v", a)
		}
		shows(t, a, `OIDC arguments{version=1 user="u" idp=&{Issuer:i ClientID:c RequestScopes:[]} refresh=true}`)
		return token, nil
	})
	if got, err := callback.internal()(t.Context(), given); err != nil || got != auth.OIDCToken(token) {
		t.Error(got, err)
	}
	shows(t, token, "OIDC token{access=true refresh=true expiresIn=5ns}")
	aws := AWSCredentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "secret"}
	provider := AWSProvider(func(context.Context) (AWSCredentials, error) { return aws, nil })
	if got, err := provider.internal()(t.Context()); err != nil || got != auth.AWSCredentials(aws) {
		t.Error(got, err)
	}
	shows(t, aws, `AWS credentials "id"`)
}

func shows(t *testing.T, v any, text string) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, v); got != text {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// A model is small: a bulk has very many.
func TestWriteModelIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(WriteModel{}); n > 64 {
		t.Errorf("a WriteModel takes %d bytes", n)
	}
	if n := unsafe.Sizeof(ClientWrite{}); n > 64 {
		t.Errorf("a ClientWrite takes %d bytes", n)
	}
	if most := testing.AllocsPerRun(100, func() { InsertOneModel(nil) }); most > 0 {
		t.Errorf("a model without options takes %v allocations", most)
	}
}
