package cli

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
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
		if _, err := bson.Marshal(d); err != nil && len(text) > 0 && text[0] != '{' {
			// A zero byte in a name is the one thing that BSON cannot hold.
			for _, e := range d {
				for _, c := range []byte(e.Key) {
					if c == 0 {
						return
					}
				}
			}
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
