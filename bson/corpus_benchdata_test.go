package bson_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// benchData returns the folder of the standard driver-benchmark archives:
// MGX_BENCHDATA, else ../shared/benchmarking beside the folder with go.work. It
// skips the test where there is none.
func benchData(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MGX_BENCHDATA")
	if dir == "" {
		up, err := os.Getwd()
		for err == nil && dir == "" && up != filepath.Dir(up) {
			if _, err := os.Stat(filepath.Join(up, "go.work")); err == nil {
				dir = filepath.Join(filepath.Dir(up), "shared", "benchmarking")
			}
			up = filepath.Dir(up)
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("round trips of the benchmark documents skipped: no folder %q (set MGX_BENCHDATA to the one that holds extended_bson.tgz)", dir)
	}
	return dir
}

// archived calls f with every regular file of the archive, until it returns false.
func archived(t *testing.T, name string, f func(name string, r io.Reader) bool) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if header.Typeflag == tar.TypeReg && !f(path.Base(header.Name), archive) {
			return
		}
	}
}

// TestBenchmarkDocuments sends the documents of the driver benchmarks there and
// back.
func TestBenchmarkDocuments(t *testing.T) {
	dir := benchData(t)
	documents := 0
	for _, archive := range []string{"extended_bson.tgz", "single_and_multi_document.tgz"} {
		archived(t, filepath.Join(dir, archive), func(name string, r io.Reader) bool {
			if !strings.HasSuffix(name, ".json") {
				return true
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			documents++
			t.Run(name, func(t *testing.T) {
				if raceEnabled && len(text) > 1<<20 {
					t.Skip("takes half a minute with the race detector, which has the smaller ones; .ci/run runs it without")
				}
				benchmarkRoundTrip(t, text)
			})
			return true
		})
	}
	if documents != 6 {
		t.Errorf("%d documents, want 6", documents)
	}
}

// TestBenchmarkLines takes the first lines of the first of the parallel
// benchmark's files.
func TestBenchmarkLines(t *testing.T) {
	dir := benchData(t)
	lines := 0
	archived(t, filepath.Join(dir, "parallel.tgz"), func(name string, r io.Reader) bool {
		if !strings.HasPrefix(name, "ldjson") {
			return true
		}
		for s := bufio.NewScanner(r); lines < 50 && s.Scan(); lines++ {
			benchmarkRoundTrip(t, s.Bytes())
		}
		return false
	})
	if lines != 50 {
		t.Errorf("%d lines, want 50", lines)
	}
}

func benchmarkRoundTrip(t *testing.T, text []byte) {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON(text, false, &d); err != nil {
		t.Fatal(err)
	}
	want, err := official.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := bson.Validate(want); err != nil {
		t.Fatal(err)
	}
	if err := compareEncode(mgx, oracle, d); err != nil {
		t.Error(err)
	}
	for name, native := range natives {
		if err := compareDecode(mgx, oracle, want, native); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v := native()
		if err := bson.Unmarshal(want, v); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, err := bson.Marshal(reflect.ValueOf(v).Elem().Interface())
		if err != nil || !bytes.Equal(sorted(back), sorted(want)) {
			t.Errorf("%s: comes back as other bytes, %v", name, err)
		}
	}
}
