package cli

import (
	"testing"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

func FuzzFields(f *testing.F) {
	for _, s := range []string{"-qty,item", "a", "", "-", "{", `{"a":-1}`, `{"a":{"$meta":"textScore"}}`, " a , -b "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseFields("--sort", text, -1)
		if err != nil {
			return
		}
		if err := bsonwire.ValidateStructure(d); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func FuzzDocument(f *testing.F) {
	for _, s := range []string{"{}", `{"a":{"$gt":1}}`, "[]", "{} {}", `{"a":`, `{"_id":{"$oid":"507f1f77bcf86cd799439011"}}`, "{\"\xff\":1}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseDocument("the filter", text); err != nil && err.Error() == "" {
			t.Fatal("an error without text")
		}
	})
}
