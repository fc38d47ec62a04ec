package mgx

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// declared are the exported functions and methods of this package that end with
// options, by name with the options' type, and the functions that return options.
func declared(t *testing.T) (operations map[string]string, constructors []string) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	operations = map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() {
				continue
			}
			if option := optionType(result(f)); option != "" && f.Recv == nil {
				constructors = append(constructors, f.Name.Name)
			}
			if option := lastOptions(f); option != "" {
				operations[receiver(f)+f.Name.Name] = option
			}
		}
	}
	return operations, constructors
}

// optionType returns the name of an option's type; "" if it is none.
func optionType(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok && strings.HasSuffix(id.Name, "Option") {
		return id.Name
	}
	return ""
}

func result(f *ast.FuncDecl) ast.Expr {
	if f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return nil
	}
	return f.Type.Results.List[0].Type
}

func lastOptions(f *ast.FuncDecl) string {
	if n := len(f.Type.Params.List); n > 0 {
		if list, ok := f.Type.Params.List[n-1].Type.(*ast.Ellipsis); ok {
			return optionType(list.Elt)
		}
	}
	return ""
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	return t.(*ast.Ident).Name + "."
}

// Nothing that has options, and no option, is left out of TestEveryOptionIsSent.
func TestEveryOptionIsListed(t *testing.T) {
	operations, constructors := declared(t)
	listed := map[string]string{}
	for _, op := range surfaceOperations() {
		listed[op.base()] = op.option.Name()
	}
	for name, option := range operations {
		if listed[name] != option {
			t.Errorf("%s takes a %s, and is listed with %q", name, option, listed[name])
		}
	}
	for name := range listed {
		if operations[name] == "" {
			t.Errorf("there is no %s with options", name)
		}
	}
	var options []string
	for _, o := range surfaceOptions() {
		options = append(options, o.name)
		used := false
		for _, op := range surfaceOperations() {
			used = used || op.takes(&o)
		}
		if !used {
			t.Errorf("nothing takes %s", o.name)
		}
	}
	slices.Sort(options)
	slices.Sort(constructors)
	if !slices.Equal(options, constructors) {
		t.Errorf("the options are\n%v, listed are\n%v", constructors, options)
	}
}

// fieldsOf are the fields that an option becomes, without its value, in whatever way
// the operation is called.
func fieldsOf(op *surfaceOp, opt *surfaceOption) []string {
	var fields []string
	for _, variant := range surfaceOperations() {
		if variant.base() == op.base() && variant.takes(opt) && variant.inner == op.inner {
			fields = append(fields, fieldsIn(&variant, opt)...)
		}
	}
	slices.Sort(fields)
	fields = slices.Compact(fields)
	if len(fields) == 0 {
		return []string{"—"}
	}
	return fields
}

func fieldsIn(op *surfaceOp, opt *surfaceOption) (fields []string) {
	for path, value := range opt.expected(op) {
		command, rest, inside := strings.Cut(path, ".")
		rest = strings.TrimPrefix(rest, op.inner+".")
		parts := strings.Split(rest, ".")
		field := parts[0]
		switch {
		case value == gone, opt.name == "EncryptedFields" && parts[0] != "encryptedFields": // of the commands beside create
			continue
		case !inside:
			field = "how documents are decoded"
		case parts[0] == flags:
			field = "the message's exhaustAllowed"
		case parts[0] == "cursor":
			field = "`cursor." + parts[1] + "`"
		case parts[0] == "pipeline" && opt.name != "View":
			if field = parts[2]; field == "$group" {
				continue
			}
			field = "`" + field + "`"
		default:
			field = "`" + field + "`"
		}
		if command == "getMore" {
			field = "getMore: " + field
		}
		fields = append(fields, field)
	}
	return fields
}

// What docs/operations.md says is what TestEveryOptionIsSent sees: its operations,
// their options, and what becomes of them.
func TestOperationsPage(t *testing.T) {
	page, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	says := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 3 && strings.HasPrefix(line, "| `") {
			says[strings.Trim(cells[0], "| `")] = strings.Split(strings.TrimSuffix(cells[2], " |"), "; ")
		}
	}
	for _, op := range surfaceOperations() {
		if op.base() != op.name {
			continue
		}
		var want []string
		for _, opt := range surfaceOptions() {
			if op.takes(&opt) {
				want = append(want, fmt.Sprintf("`%s` → %s", opt.name, strings.Join(fieldsOf(&op, &opt), ", ")))
			}
		}
		got := says[op.name]
		delete(says, op.name)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the page has\n%q, sent is\n%q: mend the table of internal/optiongen", op.name, got, want)
		}
	}
	for name := range says {
		t.Errorf("the page has %s, which TestEveryOptionIsSent has not", name)
	}
}

// What structs describe is sent too: each of their fields, under its name.

type describedField struct {
	value any
	sent  sent
}

// describes checks that each field of a T reaches the wire.
func describes[T any](t *testing.T, s *surface, base T, fields map[string]describedField, run func(v T) error) {
	t.Helper()
	do := func(v T) sent { return s.during(t, func() (any, error) { return nil, run(v) }) }
	before := do(base)
	for f := range reflect.TypeFor[T]().Fields() {
		d, ok := fields[f.Name]
		if !ok {
			t.Errorf("%T.%s is not listed", base, f.Name)
			continue
		}
		v := base
		reflect.ValueOf(&v).Elem().FieldByName(f.Name).Set(reflect.ValueOf(d.value))
		if got := changed(before, do(v)); !reflect.DeepEqual(got, d.sent) {
			t.Errorf("%T.%s changes %v, not %v", base, f.Name, got, d.sent)
		}
	}
}
