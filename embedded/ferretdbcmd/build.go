package ferretdbcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Version is the version of FerretDB that is built.
const Version = "v1.24.2"

const (
	module  = "github.com/FerretDB/FerretDB"
	command = module + "/cmd/ferretdb"
)

// Build returns the path of the command, which it builds first if the cache does
// not have it. Processes and goroutines that ask for it at the same time wait for
// one of them to build it.
func Build(ctx context.Context) (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("ferretdbcmd: find the cache folder: %w", err)
	}
	return buildIn(ctx, filepath.Join(cache, "mgx-ferretdb"))
}

func buildIn(ctx context.Context, cache string) (path string, err error) {
	name := Version + "-" + runtime.Version() + "-" + runtime.GOOS + "-" + runtime.GOARCH
	dir := filepath.Join(cache, name)
	path = filepath.Join(dir, "ferretdb"+exeSuffix())
	if built(path) {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("ferretdbcmd: make the cache folder: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(cache, name+".lock"))
	if err != nil {
		return "", fmt.Errorf("ferretdbcmd: wait for another build: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if built(path) {
		return path, nil
	}
	if err := build(ctx, path); err != nil {
		return "", fmt.Errorf("ferretdbcmd: build %s@%s: %w", command, Version, err)
	}
	return path, nil
}

func built(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// build compiles the command. The published module lacks the file that says its
// version, without which the command refuses to start, so the module is vendored
// into a temporary one and the file written there.
func build(ctx context.Context, path string) (err error) {
	work, err := os.MkdirTemp("", "mgx-ferretdb-build-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	mod := "module ferretdbbuild\n\ngo 1.24\n\ntool " + command + "\n\nrequire " + module + " " + Version + "\n"
	if err := os.WriteFile(filepath.Join(work, "go.mod"), []byte(mod), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"mod", "vendor"}} {
		if err := goTool(ctx, work, args...); err != nil {
			return err
		}
	}
	version := filepath.Join(work, "vendor", filepath.FromSlash(module), "build", "version", "version.txt")
	if err := os.WriteFile(version, []byte(Version+"\n"), 0o644); err != nil {
		return err
	}
	// Beside its final place, so that the rename is atomic.
	out, err := os.MkdirTemp(filepath.Dir(path), "build-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	temp := filepath.Join(out, filepath.Base(path))
	if err := goTool(ctx, work, "build", "-mod=vendor", "-trimpath", "-o", temp, command); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// goTool runs the go command in the temporary module, free of the settings of
// the module whose tests run.
func goTool(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GO111MODULE=on", "CGO_ENABLED=0", "PWD="+dir)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(output.Bytes()))
	}
	return nil
}
