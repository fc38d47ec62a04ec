package mgx

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The root module is what services compile: nothing gets into it unnoticed.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{
		"github.com/mgxdb/mgx",
		"go.mongodb.org/mongo-driver/v2/bson", "go.mongodb.org/mongo-driver/v2/internal", "go.mongodb.org/mongo-driver/v2/x/bsonx",
		"github.com/klauspost/compress",
		"github.com/xdg-go/stringprep", "golang.org/x/text",
		"golang.org/x/crypto",
		"github.com/youmark/pkcs8",
	}
	n := 0
next:
	for path := range strings.FieldsSeq(string(out)) {
		n++
		for _, prefix := range allowed {
			if path == prefix || strings.HasPrefix(path, prefix+"/") {
				continue next
			}
		}
		t.Errorf("the client depends on %s", path)
	}
	if n < 10 {
		t.Errorf("only %d dependencies listed", n)
	}
}

// testSupport are the packages that tests alone import, and what generates code.
var testSupport = []string{
	"internal/banktest", "internal/certtest", "internal/leaktest", "internal/optiongen", "internal/scramtest", "internal/scripted", "internal/socks5test", "internal/spectest",
}

// TestLayers compares the packages and their imports with docs/architecture.md: each is
// in the list, and imports what stands below it alone.
func TestLayers(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "```\n")
	list, _, _ = strings.Cut(list, "```")
	var layers []string // the highest first
	for line := range strings.Lines(list) {
		layers = append(layers, strings.Fields(line)[0])
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/mgxdb/mgx"
	name := func(path string) string { return strings.TrimPrefix(strings.Replace(path, module, "mgx", 1), "mgx/") }
	seen := 0
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(line)
		from := name(paths[0])
		if slices.Contains(testSupport, from) {
			continue
		}
		seen++
		layer := slices.Index(layers, from)
		if layer < 0 {
			t.Errorf("%s is not in the list of layers", from)
		}
		for _, path := range paths[1:] {
			if to := name(path); strings.HasPrefix(path, module) && slices.Index(layers, to) <= layer {
				t.Errorf("%s imports %s, which is not below it", from, to)
			}
		}
	}
	if seen != len(layers) {
		t.Errorf("%d packages, and %d in the list", seen, len(layers))
	}
}
