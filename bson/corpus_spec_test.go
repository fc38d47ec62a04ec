package bson_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/spectest"
)

type corpusFile struct {
	Description  string
	Deprecated   bool
	BSONType     string `json:"bson_type"`
	TestKey      string `json:"test_key"`
	Valid        []corpusValid
	DecodeErrors []struct{ Description, BSON string }
	ParseErrors  []struct{ Description, String string }
}

type corpusValid struct {
	Description       string
	CanonicalBSON     corpusHex `json:"canonical_bson"`
	CanonicalExtJSON  string    `json:"canonical_extjson"`
	RelaxedExtJSON    string    `json:"relaxed_extjson"`
	DegenerateBSON    corpusHex `json:"degenerate_bson"`
	DegenerateExtJSON string    `json:"degenerate_extjson"`
	ConvertedBSON     corpusHex `json:"converted_bson"`
	ConvertedExtJSON  string    `json:"converted_extjson"`
	Lossy             bool
}

type corpusHex []byte

func (h *corpusHex) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	*h = b
	return err
}

// corpusSkips lists the cases that are not run, with the reason.
var corpusSkips = spectest.Skips{}

// natives are the Go types that stand for a document in the corpus's sense of a
// native representation.
var natives = map[string]func() any{
	"D":               func() any { return new(bson.D) },
	"M":               func() any { return new(bson.M) },
	"map":             func() any { return new(map[string]any) },
	"any":             func() any { return new(any) },
	"Raw":             func() any { return new(bson.Raw) },
	"map of RawValue": func() any { return new(map[string]bson.RawValue) },
}

func TestCorpus(t *testing.T) {
	dir := spectest.Dir(t, "bson-corpus")
	tally := spectest.NewTally(t, "bson-corpus", corpusSkips)
	for _, name := range spectest.Files(t, dir, "*.json") {
		var file corpusFile
		spectest.Read(t, name, &file)
		prefix := spectest.Name(dir, name) + "/"
		for _, c := range file.Valid {
			tally.Run(t, prefix+"valid/"+c.Description, func(t *testing.T) { corpusValidCase(t, file, c) })
		}
		for _, c := range file.DecodeErrors {
			tally.Run(t, prefix+"decodeErrors/"+c.Description, func(t *testing.T) { corpusDecodeError(t, c.BSON) })
		}
		for _, c := range file.ParseErrors {
			tally.Run(t, prefix+"parseErrors/"+c.Description, func(t *testing.T) { corpusParseError(t, file.BSONType, c.String) })
		}
		if len(file.Valid)+len(file.DecodeErrors)+len(file.ParseErrors) == 0 {
			t.Errorf("%s has no case that this test knows of", name)
		}
	}
}

func corpusValidCase(t *testing.T, file corpusFile, c corpusValid) {
	for name, native := range natives {
		t.Run(name, func(t *testing.T) {
			corpusRoundTrip(t, native, c, c.CanonicalBSON)
			if len(c.DegenerateBSON) > 0 && !keepsBytes(name) {
				corpusRoundTrip(t, native, c, c.DegenerateBSON)
			}
		})
	}
	t.Run("Extended JSON", func(t *testing.T) { corpusExtJSON(t, c) })
	if len(c.ConvertedBSON) > 0 {
		t.Run("converted", func(t *testing.T) {
			converted := c
			converted.CanonicalBSON, converted.CanonicalExtJSON = c.ConvertedBSON, c.ConvertedExtJSON
			converted.RelaxedExtJSON = ""
			for _, native := range natives {
				corpusRoundTrip(t, native, converted, c.ConvertedBSON)
			}
			if file.BSONType == "0x0E" { // a symbol becomes a string where the target is one
				corpusConvertedSymbol(t, file.TestKey, c)
			}
		})
	}
	if err := bson.Validate(c.CanonicalBSON); err != nil {
		t.Errorf("Validate: %v", err)
	}
}

// keepsBytes reports whether the type keeps bytes as they are, so that what is
// degenerate stays so.
func keepsBytes(native string) bool { return strings.Contains(native, "Raw") }

// corpusRoundTrip checks that the document survives: to Go, back to bytes, and
// to Extended JSON, which tells that the values in between are the right ones.
func corpusRoundTrip(t *testing.T, native func() any, c corpusValid, doc []byte) {
	t.Helper()
	v := native()
	if err := bson.Unmarshal(doc, v); err != nil {
		t.Fatalf("decode %x: %v", doc, err)
	}
	v = reflect.ValueOf(v).Elem().Interface()
	back, err := bson.Marshal(v)
	if err != nil {
		t.Fatalf("encode %#v: %v", v, err)
	}
	_, ordered := v.(bson.D)
	if ordered && !bytes.Equal(back, c.CanonicalBSON) || !bytes.Equal(sorted(back), sorted(c.CanonicalBSON)) {
		t.Errorf("%#v encodes to %x, want %x", v, back, []byte(c.CanonicalBSON))
	}
	for _, json := range []struct {
		canonical bool
		want      string
	}{{true, c.CanonicalExtJSON}, {false, c.RelaxedExtJSON}} {
		if json.want == "" {
			continue
		}
		got, err := bson.MarshalExtJSON(v, json.canonical, false)
		if err != nil {
			t.Fatalf("Extended JSON of %#v: %v", v, err)
		}
		if why := sameJSON(string(got), json.want); why != "" {
			t.Errorf("Extended JSON: %s\n got %s\nwant %s", why, got, json.want)
		}
	}
}

// corpusExtJSON starts from each of the Extended JSON forms.
func corpusExtJSON(t *testing.T, c corpusValid) {
	for _, from := range []struct {
		name, text string
		canonical  bool
		want       string
		bytes      bool
	}{
		{"canonical", c.CanonicalExtJSON, true, c.CanonicalExtJSON, !c.Lossy},
		{"degenerate", c.DegenerateExtJSON, true, c.CanonicalExtJSON, !c.Lossy},
		{"relaxed", c.RelaxedExtJSON, false, c.RelaxedExtJSON, false},
	} {
		if from.text == "" {
			continue
		}
		var d bson.D
		if err := bson.UnmarshalExtJSON([]byte(from.text), from.canonical, &d); err != nil {
			t.Fatalf("%s: parse %s: %v", from.name, from.text, err)
		}
		data, err := bson.Marshal(d)
		if err != nil {
			t.Fatalf("%s: encode %#v: %v", from.name, d, err)
		}
		if from.bytes && !bytes.Equal(data, c.CanonicalBSON) {
			t.Errorf("%s: %s encodes to %x, want %x", from.name, from.text, data, []byte(c.CanonicalBSON))
		}
		got, err := bson.MarshalExtJSON(d, from.canonical, false)
		if err != nil {
			t.Fatalf("%s: write %#v: %v", from.name, d, err)
		}
		if why := sameJSON(string(got), from.want); why != "" {
			t.Errorf("%s: %s\n got %s\nwant %s", from.name, why, got, from.want)
		}
	}
}

func corpusConvertedSymbol(t *testing.T, key string, c corpusValid) {
	var strings map[string]string
	if err := bson.Unmarshal(c.CanonicalBSON, &strings); err != nil {
		t.Fatal(err)
	}
	if _, ok := strings[key]; !ok {
		t.Fatalf("no %q in %v", key, strings)
	}
	if got, err := bson.Marshal(strings); err != nil || !bytes.Equal(got, c.ConvertedBSON) {
		t.Errorf("a symbol read into a string encodes to %x, %v, want %x", got, err, []byte(c.ConvertedBSON))
	}
}

func corpusDecodeError(t *testing.T, text string) {
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	if bson.Validate(data) == nil {
		t.Error("Validate lets it pass")
	}
	if wellFormed(data) == nil {
		t.Error("this package's own check lets it pass")
	}
	// By default, text that is not UTF-8 is read as it is: docs/bson.md.
	strict := bson.DecodeOptions{StrictUTF8: true}
	for name, native := range natives {
		if keepsBytes(name) {
			continue // they hold what they got; Validate is what checks it
		}
		if v := native(); strict.Unmarshal(data, v) == nil {
			t.Errorf("decodes into %s: %#v", name, reflect.ValueOf(v).Elem())
		}
	}
}

func corpusParseError(t *testing.T, bsonType, text string) {
	switch bsonType {
	case "0x13":
		if d, err := official.ParseDecimal128(text); err == nil {
			t.Errorf("%q parses as the decimal %v", text, d)
		}
		text = fmt.Sprintf(`{"d": {"$numberDecimal": %q}}`, text)
	case "0x00", "0x05":
		if !json.Valid([]byte(text)) {
			t.Fatalf("no JSON at all: %s", text)
		}
	default:
		t.Fatalf("no rule for parse errors of type %s", bsonType)
	}
	var d bson.D
	err := bson.UnmarshalExtJSON([]byte(text), true, &d)
	if err == nil { // some of it only shows when bytes are made of it
		_, err = bson.Marshal(d)
	}
	if err == nil {
		t.Errorf("%s parses as %#v", text, d)
	}
}
