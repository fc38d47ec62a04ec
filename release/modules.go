package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

const rootPath = "github.com/mgxdb/mgx"

// development is the version that modules require of each other between releases.
const development = "v0.0.0"

// module is one by its folder; "." is the root module.
type module string

// published are the modules that users require, each behind those that it requires
// itself. unpublished are the others of go.work.
var (
	published   = []module{".", "embedded", "encryption", "mgxtest", "mgxotel", "mgxprom", "mongo", "cmd/mgx"}
	unpublished = []module{"bench", "integration", "release", "unified"}
)

func (m module) path() string { return path.Join(rootPath, string(m)) }

// tag is what a version of the module is called in the repository.
func (m module) tag(version string) string { return path.Join(string(m), version) }

// topLevel is the repository's folder.
func topLevel(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return "", fmt.Errorf("not in a checkout: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// files are the module's files in the working tree, by slashed names relative to the
// root: what git tracks, without the modules inside.
func (m module) files(ctx context.Context, root string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", string(m))
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var list []string
	for name := range strings.SplitSeq(string(out), "\x00") {
		if name == "" || m.elsewhere(name) {
			continue
		}
		if info, err := os.Lstat(filepath.Join(root, name)); err != nil || !info.Mode().IsRegular() {
			continue // deleted, not committed yet
		}
		list = append(list, name)
	}
	return list, nil
}

// elsewhere reports whether a file is another module's.
func (m module) elsewhere(name string) bool {
	for _, other := range append(published[:len(published):len(published)], unpublished...) {
		if other != m && other != "." && strings.HasPrefix(name, string(other)+"/") && !strings.HasPrefix(string(m), string(other)+"/") {
			return true
		}
	}
	return false
}

var versionConstant = regexp.MustCompile(`(?m)^const Version = "([^"]+)"`)

// matchesClient refuses a version that the client would not give as its own.
func matchesClient(root, version string) error {
	source, err := os.ReadFile(filepath.Join(root, "client.go"))
	if err != nil {
		return err
	}
	found := versionConstant.FindSubmatch(source)
	if found == nil {
		return fmt.Errorf("client.go has no Version")
	}
	if own := "v" + string(found[1]); own != version {
		return fmt.Errorf("the client says that it is %s, not %s: change Version in client.go first", own, version)
	}
	return nil
}
