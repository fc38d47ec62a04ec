package spectest_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mgxdb/mgx/internal/spectest"
)

func TestFilesWalksAndSorts(t *testing.T) {
	root := t.TempDir()
	t.Setenv("MGX_SPECS", root)
	for _, name := range []string{"suite/tests/b.json", "suite/tests/deep/a.json", "suite/tests/b.yml", "suite/a.json"} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir := spectest.Dir(t, "suite")
	var got []string
	for _, file := range spectest.Files(t, dir, "*.json") {
		got = append(got, spectest.Name(dir, file))
	}
	if want := []string{"a", "tests/b", "tests/deep/a"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestDecodeKnowsAllKeys(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"a": 1, "comment": "why", "_comment": ["because"]}`: true,
		`{"a": 1, "b": 2}`:        false,
		`{"a": 1, "c": {"d": 2}}`: false,
		`{"a": "x"}`:              false,
	} {
		var v struct {
			A int
			C struct{}
		}
		if err := spectest.Decode([]byte(text), &v); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		} else if ok && v.A != 1 {
			t.Errorf("%s decodes to %v", text, v)
		}
	}
}

func TestDirNamesWhatIsMissing(t *testing.T) {
	t.Setenv("MGX_SPECS", t.TempDir())
	name := filepath.Join(t.TempDir(), "report")
	t.Setenv("MGX_SPEC_REPORT", name)
	t.Run("missing", func(t *testing.T) {
		defer func() {
			if !t.Skipped() {
				t.Error("a missing folder did not skip the test")
			}
		}()
		spectest.Dir(t, "no-such-suite")
	})
	data, err := os.ReadFile(name)
	if err != nil || string(data) != "no-such-suite: missing\n" {
		t.Errorf("the report says %q, %v", data, err)
	}
}

func TestSkipsReason(t *testing.T) {
	skips := spectest.Skips{"rs/one": "a", "sharded/*": "b"}
	for name, want := range map[string]string{
		"rs/one": "a", "rs/two": "", "rs": "", "sharded/x": "b", "sharded/x/y": "b", "shard": "",
	} {
		if got := skips.Reason(name); got != want {
			t.Errorf("Reason(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestTallyCountsAndReports(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report")
	t.Setenv("MGX_SPEC_REPORT", report)
	t.Run("suite", func(t *testing.T) {
		tally := spectest.NewTally(t, "some-suite", spectest.Skips{"later": "not a matter of this test"})
		tally.Run(t, "good", func(*testing.T) {})
		tally.Run(t, "fine", func(*testing.T) {})
		tally.Run(t, "later", func(t *testing.T) { t.Error("a case that is to be skipped ran") })
	})
	got, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if want := "some-suite: 2/0/1\n"; string(got) != want {
		t.Errorf("report %q, want %q", got, want)
	}
}

func TestTallyNamesReasons(t *testing.T) {
	t.Setenv("MGX_SPEC_REPORT", "")
	tally := spectest.NewTally(t, "some-suite", spectest.Skips{"later": "rare"})
	for _, name := range []string{"one", "two"} {
		tally.Run(t, name, func(t *testing.T) { tally.Skip(t, "frequent") })
	}
	tally.Run(t, "later", nil)
	if got, want := spectest.Summary(tally), "some-suite: 0/0/3\n2 skipped: frequent\n1 skipped: rare"; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
}
