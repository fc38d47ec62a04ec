// Package spectest finds MongoDB's specification test files for the tests of
// other packages and counts what became of them.
//
// The files are not part of this repository. They are looked for in the folder
// that the environment variable MGX_SPECS names, else in ../shared/specs beside
// the folder that holds go.work. Where there are none, the test is skipped.
//
// When MGX_SPEC_REPORT names a file, every [Tally] also appends its line there,
// so that one run over all packages leaves one report.
package spectest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Root returns the folder that holds the suites. It skips the test when there is
// none.
func Root(t testing.TB) string {
	t.Helper()
	root, err := specs()
	if err == nil {
		err = isDir(root)
	}
	if err != nil {
		t.Skipf("specification tests skipped: %v (scripts/fetch-specs fetches them; MGX_SPECS names another folder)", err)
	}
	return root
}

// Dir returns the folder of one suite, for example "connection-string" or
// "server-selection/tests/rtt". It skips the test when there is no such folder, and
// says so in the report: call it in a subtest of its own for each suite, so that a
// missing one takes no other along.
func Dir(t testing.TB, suite string) string {
	t.Helper()
	dir := filepath.Join(Root(t), filepath.FromSlash(suite))
	if err := isDir(dir); err != nil {
		if err := report(suite + ": missing"); err != nil {
			t.Errorf("specification report: %v", err)
		}
		t.Skipf("specification tests skipped: the suite %s is missing: %v", suite, err)
	}
	return dir
}

func isDir(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", name)
	}
	return err
}

// Files returns the files below dir, at any depth, whose base name matches
// pattern, sorted. It fails the test when there are none.
func Files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		ok, err := path.Match(pattern, d.Name())
		if ok {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatalf("walking %s: %v", dir, err)
	}
	if len(files) == 0 {
		t.Fatalf("no file %s below %s", pattern, dir)
	}
	slices.Sort(files)
	return files
}

// Read decodes a JSON file into v, as [Decode] does.
func Read(t testing.TB, file string, v any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = Decode(data, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// Decode decodes a file's contents. A key that v has no field for is an error: what a
// file says and its test does not know would count as tested. A comment ("comment",
// "_comment") is for readers alone.
func Decode(data []byte, v any) error {
	var top map[string]json.RawMessage
	if json.Unmarshal(data, &top) == nil {
		delete(top, "comment")
		delete(top, "_comment")
		var err error
		if data, err = json.Marshal(top); err != nil {
			return err
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// Name returns file relative to dir, with slashes and without its extension:
// what a subtest and a [Skips] entry are called.
func Name(dir, file string) string {
	name, err := filepath.Rel(dir, file)
	if err != nil {
		name = filepath.Base(file)
	}
	return strings.TrimSuffix(filepath.ToSlash(name), filepath.Ext(name))
}

// Skips maps the name of a file or of one of its cases to the reason why it is
// not run. A name that ends in "/*" stands for all that begins like it.
type Skips map[string]string

// Reason returns why name is not run, or "".
func (s Skips) Reason(name string) string {
	if reason, ok := s[name]; ok {
		return reason
	}
	for prefix := name; ; {
		i := strings.LastIndexByte(prefix, '/')
		if i < 0 {
			return ""
		}
		prefix = prefix[:i]
		if reason, ok := s[prefix+"/*"]; ok {
			return reason
		}
	}
}

// Tally counts the cases of one suite. When the test that made it ends, it logs
// "suite: passed/failed/skipped", and how many were skipped for which reason. It is
// safe for parallel subtests.
type Tally struct {
	suite string
	skips Skips

	mu                      sync.Mutex
	passed, failed, skipped int
	reasons                 map[string]int
}

// NewTally starts a tally that belongs to t. The skips may be nil.
func NewTally(t testing.TB, suite string, skips Skips) *Tally {
	t.Helper()
	tally := &Tally{suite: suite, skips: skips, reasons: map[string]int{}}
	t.Cleanup(func() {
		t.Helper()
		t.Log(tally.summary())
		if err := report(tally.String()); err != nil {
			t.Errorf("specification report: %v", err)
		}
	})
	return tally
}

// Run runs one case as a subtest and counts it. A case that the table of skips
// lists is skipped with its reason.
func (c *Tally) Run(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Cleanup(func() { c.count(t) })
		if reason := c.skips.Reason(name); reason != "" {
			c.Skip(t, reason)
		}
		f(t)
	})
}

// Skip skips the case that is run by t, for a reason that the tally names.
func (c *Tally) Skip(t testing.TB, reason string) {
	t.Helper()
	c.mu.Lock()
	c.reasons[reason]++
	c.mu.Unlock()
	t.Skip(reason)
}

func (c *Tally) count(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case t.Failed():
		c.failed++
	case t.Skipped():
		c.skipped++
	default:
		c.passed++
	}
}

// summary is String and a line for each reason to skip, the most frequent first.
func (c *Tally) summary() string {
	text := c.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	byCount := func(a, b string) int { return cmp.Or(c.reasons[b]-c.reasons[a], strings.Compare(a, b)) }
	for _, reason := range slices.SortedFunc(maps.Keys(c.reasons), byCount) {
		text += fmt.Sprintf("\n%d skipped: %s", c.reasons[reason], reason)
	}
	return text
}

// String returns "suite: passed/failed/skipped".
func (c *Tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%s: %d/%d/%d", c.suite, c.passed, c.failed, c.skipped)
}

// specs returns the folder that holds the suites.
func specs() (string, error) {
	if dir := os.Getenv("MGX_SPECS"); dir != "" {
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return filepath.Join(filepath.Dir(dir), "shared", "specs"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("MGX_SPECS is not set and no folder above holds go.work")
		}
		dir = parent
	}
}

// report adds a line to the report, if one is wanted.
func report(line string) error {
	if name := os.Getenv("MGX_SPEC_REPORT"); name != "" {
		return appendLine(name, line)
	}
	return nil
}

// appendLine writes in one call, so that packages tested at the same time do
// not mix their lines.
func appendLine(name, line string) (err error) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.WriteString(line + "\n")
	return err
}
