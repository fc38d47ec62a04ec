package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
)

func TestEveryModuleIsKnown(t *testing.T) {
	root, err := topLevel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		t.Fatal(err)
	}
	work, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	var used []module
	for _, u := range work.Use {
		used = append(used, module(strings.TrimPrefix(u.Path, "./")))
	}
	known := slices.Concat(published, unpublished)
	slices.Sort(used)
	slices.Sort(known)
	if !slices.Equal(used, known) {
		t.Errorf("go.work has %q, the release %q", used, known)
	}
}

// foreign is a program that uses mgx as its users do.
const foreign = `package main

import (
	"context"
	"fmt"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

func main() {
	ctx := context.Background()
	set, err := mgxtest.NewReplicaSet(1)
	if err != nil {
		panic(err)
	}
	defer set.Close()
	client, err := mgx.Connect(ctx, set.URI())
	if err != nil {
		panic(err)
	}
	defer client.Close(ctx)
	orders := client.Database("shop").Collection("orders")
	if _, err := orders.InsertOne(ctx, bson.D{{Key: "item", Value: "tea"}}); err != nil {
		panic(err)
	}
	n, err := orders.CountDocuments(ctx, nil)
	fmt.Println(n, err)
}
`

// TestInstall uses the published modules from a proxy, outside of this checkout: a
// program that requires the client, and the tool.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles programs")
	}
	ctx := t.Context()
	root, err := topLevel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dir, outside, proxy := t.TempDir(), t.TempDir(), t.TempDir()
	// The module cache keeps what it has seen of a version: each run has its own.
	version := fmt.Sprintf("v0.0.0-test.%d", time.Now().UnixNano())
	b, err := newBuilder(ctx, root, version, proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.forget)
	for _, m := range published {
		if err := b.add(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	command := func(dir, name string, arguments ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, name, arguments...)
		cmd.Dir, cmd.Env = dir, append(slices.Clip(b.env), "GOBIN="+outside)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, arguments, err, out)
		}
		return string(out)
	}
	command(outside, "go", "install", module("cmd/mgx").path()+"@"+version)
	if got := command(outside, filepath.Join(outside, "mgx"), "help"); !strings.Contains(got, "mgx") {
		t.Errorf("the tool prints %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(foreign), 0o644); err != nil {
		t.Fatal(err)
	}
	command(dir, "go", "mod", "init", "example.com/foreign")
	for _, m := range []module{".", "mgxtest"} {
		command(dir, "go", "mod", "edit", "-require", m.path()+"@"+version)
	}
	command(dir, "go", "mod", "tidy")
	command(dir, "go", "build", "-o", "foreign", ".")
	if got := command(dir, filepath.Join(dir, "foreign")); got != "1 <nil>\n" {
		t.Errorf("the program prints %q", got)
	}
}

func TestFilesOfModules(t *testing.T) {
	for _, c := range []struct {
		m    module
		name string
		want bool
	}{
		{".", "client.go", false},
		{".", "bson/codec.go", false},
		{".", "embedded/embedded.go", true},
		{".", "cmd/mgx/main.go", true},
		{"cmd/mgx", "cmd/mgx/main.go", false},
	} {
		if got := c.m.elsewhere(c.name); got != c.want {
			t.Errorf("%s is another module's than %s: %v", c.name, c.m, got)
		}
	}
}

func TestRefusesVersions(t *testing.T) {
	for _, version := range []string{"", "1.2.3", "v1", "v1.2", "v1.2.3+meta"} {
		if _, err := newBuilder(t.Context(), t.TempDir(), version, t.TempDir()); err == nil {
			t.Errorf("%q is taken for a version", version)
		}
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "client.go"), []byte("package mgx\n\nconst Version = \"0.2.0\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := matchesClient(root, "v0.2.0"); err != nil {
		t.Error(err)
	}
	if err := matchesClient(root, "v0.3.0"); err == nil || !strings.Contains(err.Error(), "v0.2.0") {
		t.Errorf("another version than the client's: %v", err)
	}
}
