package migrate

import (
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"
)

// requirements adds mgx's package to the go.mod of the modules whose files change. The
// official driver stays there: its packages options and bson are still used.
func (p *Plan) requirements(version string) error {
	for _, c := range p.Changes {
		if dir := moduleOf(filepath.Dir(c.Path)); dir != "" && !slices.Contains(p.Modules, dir) {
			p.Modules = append(p.Modules, dir)
		}
	}
	slices.Sort(p.Modules)
	for _, dir := range p.Modules {
		path := filepath.Join(dir, "go.mod")
		if _, err := os.Stat(filepath.Join(dir, "vendor", "modules.txt")); err == nil {
			p.Findings = append(p.Findings, Finding{Path: path, Text: "the module has a vendor folder: run go mod vendor"})
		}
		if version == "" {
			continue
		}
		before, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := modfile.Parse(path, before, nil)
		if err != nil {
			p.Findings = append(p.Findings, Finding{Path: path, Text: "it cannot be read: " + err.Error()})
			continue
		}
		if slices.ContainsFunc(f.Require, func(r *modfile.Require) bool { return r.Mod.Path == modulePath }) {
			continue
		}
		if err := f.AddRequire(modulePath, version); err != nil {
			return err
		}
		after, err := f.Format()
		if err != nil {
			return err
		}
		p.Changes = append(p.Changes, Change{path, before, after})
	}
	return nil
}

// moduleOf is the folder of the go.mod that a folder belongs to, "" if there is none.
func moduleOf(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		if info, err := os.Stat(filepath.Join(abs, "go.mod")); err == nil && !info.IsDir() {
			if here, err := os.Getwd(); err == nil && !filepath.IsAbs(dir) {
				if rel, err := filepath.Rel(here, abs); err == nil {
					return rel
				}
			}
			return abs
		}
		up := filepath.Dir(abs)
		if up == abs {
			return ""
		}
		abs = up
	}
}
