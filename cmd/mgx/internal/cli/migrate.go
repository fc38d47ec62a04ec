package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	"github.com/mgxdb/mgx/cmd/mgx/internal/migrate"
)

// migrate moves Go programs from the official driver.
func (a *app) migrate() *cobra.Command {
	var dry bool
	var version string
	c := &cobra.Command{
		Use:   "migrate PACKAGES",
		Short: "Move a Go program from the official driver to mgx",
		Long: `Migrate changes the import path of the official driver's package mongo to that of mgx's, which
has the same API, in Go files, and adds its module to go.mod. All else stays as it is, formatting too.

It prints what it changes, and what it cannot, with positions: symbols that mgx's package does not
have, options that it refuses, and imports of the driver's version 1 and of mgo. The files of a
folder change together or not at all: it is left as it is where something in it would not compile,
cannot be read, is generated, or comes from a dot import. Then the exit status is 3.

A package is a folder; ./... is the current one with those below, as in the go command. The program
need not build. Behind it, run go mod tidy.`,
		Example: `mgx migrate -n ./...
mgx migrate ./...
mgx migrate ./internal/store ./cmd/...`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runMigrate(cmd.Context(), args, version, dry)
		},
	}
	c.Flags().BoolVarP(&dry, "dry-run", "n", false, "print what would change as a diff, and change nothing")
	c.Flags().StringVar(&version, "version", releasedVersion(), "`version` of github.com/mgxdb/mgx/mongo to require in go.mod")
	return c
}

// releasedVersion is the tool's version, if it is a release: modules have the same.
func releasedVersion() string {
	if v := toolVersion(); semver.IsValid(v) && semver.Build(v) == "" {
		return v
	}
	return ""
}

func (a *app) runMigrate(ctx context.Context, patterns []string, version string, dry bool) error {
	if version != "" && !semver.IsValid(version) {
		return usageError{fmt.Errorf("%q is no version such as v0.1.0", version)}
	}
	plan, err := migrate.Look(ctx, migrate.Options{Patterns: patterns, Version: version})
	if err != nil {
		return err
	}
	if !dry {
		if err := plan.Apply(); err != nil {
			return err
		}
	}
	for _, c := range plan.Changes {
		if err := a.tellChange(c, dry); err != nil {
			return err
		}
	}
	left := false
	for _, f := range plan.Findings {
		left = left || f.Left
		if _, err := fmt.Fprintln(a.Err, f); err != nil {
			return err
		}
	}
	if len(plan.Modules) > 0 && version == "" && !dry {
		if _, err := fmt.Fprintln(a.Err, "go.mod is as it was: run go get github.com/mgxdb/mgx/mongo in the module"); err != nil {
			return err
		}
	}
	if left {
		return fmt.Errorf("%w: packages were left as they are", errPartly)
	}
	return nil
}

func (a *app) tellChange(c migrate.Change, dry bool) error {
	if !dry {
		return a.say("changed %s", c.Path)
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(string(c.Before)), B: difflib.SplitLines(string(c.After)),
		FromFile: c.Path, ToFile: c.Path, Context: 2,
	})
	if err != nil {
		return errors.Join(errors.New("the diff cannot be made"), err)
	}
	_, err = fmt.Fprint(a.Out, diff)
	return outputError(err)
}
