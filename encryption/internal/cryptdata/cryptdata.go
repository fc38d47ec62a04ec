// Package cryptdata finds the test vectors of libmongocrypt.
package cryptdata

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/mgxdb/mgx/bson"
)

// Variable is the environment variable with the vectors' folder.
const Variable = "MGX_CRYPT_DATA"

// Path is where a file of the vectors is. Without the vectors the test is skipped.
func Path(t testing.TB, name ...string) string {
	t.Helper()
	root := os.Getenv(Variable)
	if root == "" {
		root = beside(t)
	}
	path := filepath.Join(append([]string{root}, name...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("libmongocrypt's test vectors are not here (%v): set %s to their folder", err, Variable)
	}
	return path
}

// beside is the default: ../shared/libmongocrypt-data beside the checkout.
func beside(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return filepath.Join(dir, "..", "shared", "libmongocrypt-data")
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}

// JSON decodes a file of the vectors.
func JSON(t testing.TB, v any, name ...string) {
	t.Helper()
	data, err := os.ReadFile(Path(t, name...))
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Document reads a document in Extended JSON from the vectors.
func Document(t testing.TB, name ...string) bson.Raw {
	t.Helper()
	data, err := os.ReadFile(Path(t, name...))
	if err != nil {
		t.Fatal(err)
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON(data, false, &d); err != nil {
		t.Fatalf("%v: %v", name, err)
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
