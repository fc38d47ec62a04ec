// Command release prepares versions of mgx's published modules. It has no use
// outside of this repository.
//
//	go run ./release -proxy DIR -version v0.1.0
//
// writes a Go module proxy of the working tree's published modules into DIR, as
// the version: what users would get. A program that is to try them sets
//
//	GOPROXY=file://DIR,$(go env GOPROXY) GONOSUMDB=github.com/mgxdb/*
//
//	go run ./release -version v0.1.0
//
// also writes the requirements and checksums of that version into the modules'
// go.mod and go.sum files and prints the commands that commit and tag it.
//
//	go run ./release -tidy
//
// is go mod tidy in every published module, which have no replace directives and
// require each other at a version that is not there yet.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	version := flag.String("version", "", "the version, such as v0.1.0")
	proxy := flag.String("proxy", "", "write a module proxy into this folder, and nothing else")
	tidy := flag.Bool("tidy", false, "tidy go.mod and go.sum of the published modules")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *version, *proxy, *tidy); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, version, proxy string, tidy bool) error {
	root, err := topLevel(ctx)
	if err != nil {
		return err
	}
	switch {
	case tidy && version == "" && proxy == "":
		return rewrite(ctx, root, development)
	case tidy || version == "":
		return fmt.Errorf("give -version, or -tidy alone")
	case proxy != "":
		return build(ctx, root, version, proxy)
	}
	if err := matchesClient(root, version); err != nil {
		return err
	}
	if err := rewrite(ctx, root, version); err != nil {
		return err
	}
	fmt.Printf("Look at git diff, then:\n\n\tgit commit -am 'Release %s'\n", version)
	for _, m := range published {
		fmt.Printf("\tgit tag %s\n", m.tag(version))
	}
	fmt.Print("\tgit push --follow-tags\n")
	return nil
}

// rewrite writes the requirements and checksums of a version into the working tree.
func rewrite(ctx context.Context, root, version string) error {
	dir, err := os.MkdirTemp("", "mgx-release-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b, err := newBuilder(ctx, root, version, dir)
	if err != nil {
		return err
	}
	defer b.forget()
	for _, m := range published {
		if err := b.add(ctx, m); err != nil {
			return err
		}
		if err := b.takeBack(m); err != nil {
			return err
		}
	}
	return nil
}

// build writes a proxy of the published modules.
func build(ctx context.Context, root, version, dir string) error {
	b, err := newBuilder(ctx, root, version, dir)
	if err != nil {
		return err
	}
	defer b.forget()
	for _, m := range published {
		if err := b.add(ctx, m); err != nil {
			return err
		}
	}
	return nil
}
