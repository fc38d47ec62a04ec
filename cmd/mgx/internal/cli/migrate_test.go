package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	source := "package a\n\nimport \"go.mongodb.org/mongo-driver/v2/mongo\"\n\nvar client *mongo.Client\n"
	for name, text := range map[string]string{"go.mod": "module a\n", "a.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	got := tool(t, "", "migrate", "-n", "./...")
	status, out, errOut := got.status, got.out, got.err
	if status != exitOK || !strings.Contains(out, "-import \"go.mongodb.org/mongo-driver/v2/mongo\"\n+import \"github.com/mgxdb/mgx/mongo\"\n") {
		t.Errorf("%d %s %s", status, out, errOut)
	}
	if now, _ := os.ReadFile("a.go"); string(now) != source {
		t.Error("a dry run changed the file")
	}
	got = tool(t, "", "migrate", "--version", "v0.1.0", "./...")
	status, out, errOut = got.status, got.out, got.err
	if status != exitOK || out != "changed a.go\nchanged go.mod\n" || errOut != "" {
		t.Errorf("%d %q %q", status, out, errOut)
	}
	if mod, _ := os.ReadFile("go.mod"); !strings.Contains(string(mod), "require github.com/mgxdb/mgx/mongo v0.1.0") {
		t.Errorf("%s", mod)
	}
	if err := os.WriteFile("b.go", []byte("package a\n\nimport . \"go.mongodb.org/mongo-driver/v2/mongo\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got = tool(t, "", "migrate", "./..."); got.status != exitPartly || !strings.Contains(got.err, "b.go:3:8: ") {
		t.Errorf("%d %s", got.status, got.err)
	}
	if got = tool(t, "", "migrate"); got.status != exitUsage {
		t.Error(got.status)
	}
	if got = tool(t, "", "migrate", "--version", "1", "."); got.status != exitUsage {
		t.Error(got.status)
	}
}
