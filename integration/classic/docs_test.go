package classic

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// members are those of the reference, by their classic names.
var members = []string{
	"MongoClient", "ConnectionFailure", "AutoReconnect", "c.name", "c['name']", "disconnect", "close", "alive",
	"host", "port", "nodes", "is_primary", "is_mongos", "max_pool_size", "max_bson_size", "max_message_size",
	"auto_start_request", "document_class", "tz_aware", "read_preference", "tag_sets",
	"secondary_acceptable_latency_ms", "slave_okay", "safe", "write_concern", "get_lasterror_options",
	"set_lasterror_options", "unset_lasterror_options", "is_locked", "fsync", "unlock", "database_names",
	"drop_database", "server_info", "get_default_database", "copy_database", "start_request", "in_request",
	"end_request", "close_cursor", "kill_cursors", "set_cursor_manager", "uuid_subtype", "use_greenlets",
}

// arguments are those of the constructor that keywords does not have.
var arguments = []string{"host", "port", "document_class", "use_greenlets"}

const page = "../../docs/from-pymongo.md"

var quoted = regexp.MustCompile("`([^`]+)`")

// row is a line of a table.
type row struct {
	line  string
	cells []string
}

// tables are the page's, by their headings.
func tables(t *testing.T) map[string][]row {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	list, heading := map[string][]row{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "):
			heading = line[3:]
		case strings.HasPrefix(line, "| `"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			if len(cells) != 5 {
				t.Errorf("%d cells: %s", len(cells), line)
				continue
			}
			list[heading] = append(list[heading], row{line, cells})
		}
	}
	return list
}

// declared are the functions, methods (T.F) and fields (T.F) that a folder declares.
func declared(t *testing.T, folder, suffix string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"+suffix))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				names[receiver(n)+n.Name.Name] = true
				return false
			case *ast.ValueSpec:
				for _, id := range n.Names {
					names[id.Name] = true
				}
			case *ast.TypeSpec:
				names[n.Name.Name] = true
				if s, ok := n.Type.(*ast.StructType); ok {
					for _, field := range s.Fields.List {
						for _, id := range field.Names {
							names[n.Name.Name+"."+id.Name] = true
						}
					}
				}
			}
			return true
		})
	}
	return names
}

// receiver is the name of a method's type, with a dot.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	e := f.Recv.List[0].Type
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name + "."
	}
	return "?."
}

// What the page says is there: every member, an example and a test of each.
func TestPage(t *testing.T) {
	all := tables(t)
	here := declared(t, ".", "_test.go")
	inTable := func(heading string, want []string) {
		var found []string
		for _, r := range all[heading] {
			for _, m := range quoted.FindAllStringSubmatch(r.cells[0], -1) {
				found = append(found, m[1], strings.SplitN(m[1], "(", 2)[0])
			}
		}
		for _, name := range want {
			if !slices.Contains(found, name) {
				t.Errorf("%s: %q has no row", heading, name)
			}
		}
	}
	inTable("Members", members)
	inTable("Constructor options", arguments)
	for _, k := range keywords {
		inTable("Constructor options", []string{k.name})
	}

	named := map[string]bool{}
	check := func(r row, cell int, prefix string) {
		list := quoted.FindAllStringSubmatch(r.cells[cell], -1)
		if len(list) == 0 && strings.TrimSpace(r.cells[1]) != "–" {
			t.Errorf("no %s…: %s", prefix, r.line)
		}
		for _, m := range list {
			if named[m[1]] = true; !strings.HasPrefix(m[1], prefix) || !here[m[1]] {
				t.Errorf("there is no %s in integration/classic", m[1])
			}
		}
	}
	for _, r := range all["Members"] {
		check(r, 3, "Example_")
		check(r, 4, "Test")
	}
	for _, r := range all["Constructor options"] {
		check(r, 4, "Test")
	}
	for _, name := range slices.Sorted(maps.Keys(here)) {
		if strings.HasPrefix(name, "Example_") && !named[name] {
			t.Errorf("the page does not name %s", name)
		}
	}
}

// The page's names of mgx are there, too.
func TestPageNames(t *testing.T) {
	names := declared(t, "../..", ".go")
	for _, rows := range tables(t) {
		for _, r := range rows {
			for _, m := range ofMGX.FindAllStringSubmatch(r.line, -1) {
				if name := owners[m[1]] + m[2]; !names[name] {
					t.Errorf("mgx has no %s: %s", name, r.line)
				}
			}
			for _, m := range anError.FindAllStringSubmatch(r.line, -1) {
				if !names[m[1]] {
					t.Errorf("mgx has no %s: %s", m[1], r.line)
				}
			}
		}
	}
}

var (
	ofMGX   = regexp.MustCompile(`\b(mgx|client|Options|database|req|cursor)\.([A-Z]\w*)`)
	anError = regexp.MustCompile("`(Err[A-Z][A-Za-z]*)`")
)

// owners are the types whose methods and fields the page names.
var owners = map[string]string{
	"mgx": "", "client": "Client.", "Options": "Options.", "database": "Database.", "req": "Request.",
	"cursor": "Cursor.",
}
