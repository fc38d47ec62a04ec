package extjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

func document(t testing.TB, d bson.D) bson.Raw {
	t.Helper()
	doc, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

const latin = "caf\xe9 \"au lait\\"

var oddities = bson.D{
	{Key: "text", Value: latin}, {Key: latin, Value: 1}, {Key: "symbol", Value: bson.Symbol(latin)}, {Key: "code", Value: bson.JavaScript(latin)},
	{Key: "scope", Value: bson.CodeWithScope{Code: latin, Scope: bson.D{{Key: latin, Value: latin}}}},
	{Key: "regex", Value: bson.Regex{Pattern: latin, Options: "im"}}, {Key: "pointer", Value: bson.DBPointer{DB: latin + "\n\x01", Pointer: bson.ObjectID{1}}},
	{Key: "list", Value: bson.A{latin, bson.D{{Key: "a", Value: "\xff\xfe\x80\xed\xb3\xa9"}}, "\U0010FFFF\U000F0041 is private"}},
	{Key: "date", Value: bson.DateTime(1)}, {Key: "good", Value: "ü😀 � \\udce9"},
}

func TestReadsBack(t *testing.T) {
	for _, d := range []bson.D{
		oddities, {{Key: "a", Value: "good"}}, {{Key: "a", Value: bson.DBPointer{DB: `a"b`}}}, {},
		{{Key: "a", Value: bson.Binary{Subtype: 0x80, Data: []byte{0xff}}}, {Key: "b", Value: []byte{0xff}}},
	} {
		doc := document(t, d)
		for _, canonical := range []bool{true, false} {
			text, err := Marshal(doc, canonical)
			if err != nil || !json.Valid(text) || bytes.Contains(text, []byte("caf�")) {
				t.Fatalf("%s %v", text, err)
			}
			back, err := Unmarshal(text)
			if err != nil || !bytes.Equal(back, doc) {
				t.Errorf("%s\n%v\n%q\nwant\n%q", text, err, back, doc)
			}
		}
	}
}

func TestText(t *testing.T) {
	text, err := Marshal(document(t, bson.D{{Key: "a", Value: "caf\xe9"}, {Key: "b", Value: bson.DBPointer{DB: `x."y"`}}}), false)
	if want := `{"a":"caf\udce9","b":{"$dbPointer":{"$ref":"x.\u0022y\u0022","$id":{"$oid":"000000000000000000000000"}}}}`; err != nil || string(text) != want {
		t.Errorf("%s %v\nwant %s", text, err, want)
	}
	for text, want := range map[string]string{
		`{"a":"\ud83d\ude00"}`: "😀", `{"a":"\ud83d\udce9"}`: "\U0001f4e9", `{"a":"\\udce9"}`: `\udce9`, `{"a":"\uDCE9\udcff"}`: "\xe9\xff",
		`{"a":"\udc7f"}`: "�", `{"a":"\ud83d"}`: "�", `{"a":"\\\udce9"}`: "\\\xe9",
	} {
		doc, err := Unmarshal([]byte(text))
		v, _ := bsonwire.Lookup(doc, "a")
		if got, _ := v.AsString(); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
		}
	}
}

func TestNoCharacterIsLeft(t *testing.T) {
	var all strings.Builder
	for c := rune(firstPrivate); c <= lastPrivate; c += 0x100 {
		all.WriteRune(c)
	}
	if _, err := Marshal(document(t, bson.D{{Key: "a", Value: all.String() + "\xff"}}), true); err == nil {
		t.Error("no error")
	}
	if _, err := Unmarshal([]byte(`{"a":"\udcff` + all.String() + `"}`)); err == nil {
		t.Error("no error")
	}
}

func FuzzReadsBack(f *testing.F) {
	f.Add("caf\xe9", "key", true)
	f.Add("\U000F0000\xff", "k\xc3", false)
	f.Add(`\ud83d`, `"`, false)
	f.Fuzz(func(t *testing.T, text, key string, canonical bool) {
		if strings.ContainsRune(key, 0) || strings.HasPrefix(key, "$") {
			return
		}
		doc := document(t, bson.D{{Key: key, Value: text}, {Key: "p", Value: bson.DBPointer{DB: text}}, {Key: "s", Value: bson.Symbol(text)}})
		out, err := Marshal(doc, canonical)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Unmarshal(out)
		if err != nil || !bytes.Equal(back, doc) || !json.Valid(out) {
			t.Fatalf("%s: %v %q, want %q", out, err, back, doc)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"a":"\udce9"}`))
	f.Add([]byte(`{"a":"\ud83d\`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		if doc, err := Unmarshal(text); err == nil && bsonwire.ValidateStructure(doc) != nil {
			t.Fatalf("%s: %q", text, doc)
		}
	})
}
