package benchdata

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeArchive(t *testing.T, dir, name string, files map[string]string) {
	t.Helper()
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zipped)
	for name, text := range files {
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = archive.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close(), os.WriteFile(filepath.Join(dir, name), buf.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	writeArchive(t, dir, "single_and_multi_document.tgz", map[string]string{
		"a/tweet.json": `{"id": {"$numberLong": "5"}, "b": [1, "x"]}`, "a/small_doc.json": `{"z": 1, "a": 2}`, "a/other.bin": "not JSON",
	})
	docs, err := Load(dir, "tweet", "small")
	if err != nil {
		t.Fatal(err)
	}
	if got := docs["tweet"].String(); got != `{"id": {"$numberLong":"5"},"b": [{"$numberInt":"1"},"x"]}` {
		t.Errorf("tweet is %s", got)
	}
	if first, err := docs["small"].IndexErr(0); err != nil || first.Key() != "z" {
		t.Errorf("the keys of %v are out of order", docs["small"])
	}
	if len(docs) != 2 {
		t.Errorf("%d documents", len(docs))
	}
}

func TestLoadFails(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir, "tweet"); !errors.Is(err, ErrNoData) || !strings.Contains(err.Error(), "MGX_BENCHDATA") {
		t.Errorf("error without archives: %v", err)
	}
	if _, err := Load(dir, "nothing"); err == nil {
		t.Error("a document that there is not")
	}
	writeArchive(t, dir, "single_and_multi_document.tgz", map[string]string{"a/small_doc.json": `{"z": 1`})
	if _, err := Load(dir, "tweet"); err == nil || !strings.Contains(err.Error(), "tweet.json") {
		t.Errorf("error where the archive lacks the document: %v", err)
	}
	if _, err := Load(dir, "small"); err == nil || !strings.Contains(err.Error(), "small_doc.json") {
		t.Errorf("error where the document is broken: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "extended_bson.tgz"), []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, "flat"); err == nil {
		t.Error("an archive that is none")
	}
}

func TestDir(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("MGX_BENCHDATA", dir)
	if got, err := Dir(); err != nil || got != dir {
		t.Errorf("%s, %v", got, err)
	}
	t.Setenv("MGX_BENCHDATA", filepath.Join(dir, "none"))
	if _, err := Dir(); !errors.Is(err, ErrNoData) {
		t.Errorf("error %v", err)
	}
}

// TestAllDocuments reads the real archives.
func TestAllDocuments(t *testing.T) {
	dir, err := Dir()
	if err != nil {
		t.Skip(err)
	}
	docs, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Documents {
		if err := docs[d.Name].Validate(); err != nil || len(docs[d.Name]) < 200 {
			t.Errorf("%s has %d bytes, %v", d.Name, len(docs[d.Name]), err)
		}
	}
}
