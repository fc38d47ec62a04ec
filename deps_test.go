package mgx

import (
	"os/exec"
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
