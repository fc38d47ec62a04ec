package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	modversion "golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/zip"
)

// builder makes a proxy of modules in a folder.
type builder struct {
	root, version, proxy string
	staging              string
	env                  []string // of go commands
	cache                string   // the module cache
}

func newBuilder(ctx context.Context, root, version, proxy string) (*builder, error) {
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return nil, fmt.Errorf("%q is no version such as v1.2.3", version)
	}
	proxy, err := filepath.Abs(proxy)
	if err != nil {
		return nil, err
	}
	staging, err := os.MkdirTemp("", "mgx-staging-")
	if err != nil {
		return nil, err
	}
	b := &builder{root: root, version: version, proxy: proxy, staging: staging}
	var upstream string
	for _, v := range []struct {
		name string
		to   *string
	}{{"GOPROXY", &upstream}, {"GOMODCACHE", &b.cache}} {
		out, err := exec.CommandContext(ctx, "go", "env", v.name).Output()
		if err != nil {
			return nil, err
		}
		*v.to = strings.TrimSpace(string(out))
	}
	b.env = append(os.Environ(), proxyEnv(proxy, upstream)...)
	// What go commands know of a version's packages they keep for good in the build
	// cache, but v0.0.0 is another one each time.
	b.env = append(b.env, "GODEBUG=goindex=0")
	b.clean() // of an earlier run with the same version
	return b, nil
}

// proxyEnv is the environment in which go commands find the modules of a proxy.
func proxyEnv(dir, upstream string) []string {
	return []string{
		"GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=file://" + filepath.ToSlash(dir) + "," + upstream,
		"GONOSUMDB=" + rootPath + "," + rootPath + "/*", "GONOSUMCHECK=1", "GONOPROXY=none", "GOPRIVATE=",
	}
}

// forget removes what need not stay after the proxy is there.
func (b *builder) forget() {
	b.clean()
	_ = os.RemoveAll(b.staging)
}

// clean removes the version from the module cache, which would keep it for good.
func (b *builder) clean() {
	for _, m := range published {
		escaped, err := modversion.EscapePath(m.path())
		if err != nil {
			continue
		}
		dir := filepath.Join(b.cache, filepath.FromSlash(escaped)+"@"+b.version)
		_ = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = os.Chmod(name, 0o755) // module caches are read-only
			}
			return nil
		})
		_ = os.RemoveAll(dir)
		saved, _ := filepath.Glob(filepath.Join(b.cache, "cache", "download", filepath.FromSlash(escaped), "@v", b.version+".*"))
		for _, name := range saved {
			_ = os.Remove(name)
		}
		_ = os.Remove(filepath.Join(b.cache, "cache", "download", filepath.FromSlash(escaped), "@v", "list"))
	}
}

func (b *builder) dir(m module) string {
	return filepath.Join(b.staging, filepath.FromSlash(string(m)))
}

// add adds a module, whose requirements are there already.
func (b *builder) add(ctx context.Context, m module) error {
	if err := b.stage(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", m.path(), err)
	}
	if err := b.require(m); err != nil {
		return fmt.Errorf("%s: %w", m.path(), err)
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir, cmd.Env = b.dir(m), b.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: go mod tidy: %w\n%s", m.path(), err, out)
	}
	if err := b.publish(m); err != nil {
		return fmt.Errorf("%s: %w", m.path(), err)
	}
	return nil
}

// stage copies the module's files. Its licence is the repository's, as in the zip
// files of public proxies.
func (b *builder) stage(ctx context.Context, m module) error {
	list, err := m.files(ctx, b.root)
	if err != nil {
		return err
	}
	for _, name := range list {
		if err := copyFile(filepath.Join(b.root, name), filepath.Join(b.staging, name)); err != nil {
			return err
		}
	}
	return copyFile(filepath.Join(b.root, "LICENSE"), filepath.Join(b.dir(m), "LICENSE"))
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// require has the module require the others at the version.
func (b *builder) require(m module) error {
	name := filepath.Join(b.dir(m), "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	file, err := modfile.Parse(name, data, nil)
	if err != nil {
		return err
	}
	if len(file.Replace) > 0 {
		return errors.New("a published module has no replace directives: those who require it would not have them")
	}
	for _, r := range file.Require {
		if r.Mod.Path == rootPath || strings.HasPrefix(r.Mod.Path, rootPath+"/") {
			if err := file.AddRequire(r.Mod.Path, b.version); err != nil {
				return err
			}
		}
	}
	if data, err = file.Format(); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// publish writes what a proxy serves of the module.
func (b *builder) publish(m module) error {
	v := modversion.Version{Path: m.path(), Version: b.version}
	escaped, err := modversion.EscapePath(v.Path)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.proxy, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(b.dir(m), "go.mod"))
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{b.version, time.Now().UTC()})
	if err != nil {
		return err
	}
	var content bytes.Buffer
	if err := zip.CreateFromDir(&content, v, b.dir(m)); err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"list": []byte(b.version + "\n"), b.version + ".info": info, b.version + ".mod": mod, b.version + ".zip": content.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// takeBack copies the module's new go.mod and go.sum into the working tree. Between
// releases, checksums of the modules themselves would only be out of date.
func (b *builder) takeBack(m module) error {
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(b.dir(m), name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if b.version == development && name == "go.sum" {
			data = withoutOwn(data)
		}
		if err := os.WriteFile(filepath.Join(b.root, filepath.FromSlash(string(m)), name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func withoutOwn(sums []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(sums) {
		if !bytes.HasPrefix(line, []byte(rootPath)) {
			kept = append(kept, line...)
		}
	}
	return kept
}
