package eventlog

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/spectest"
	"github.com/mgxdb/mgx/internal/wire"
	official "go.mongodb.org/mongo-driver/v2/bson"
)

// zoo is a document with every type.
func zoo(t testing.TB) []byte {
	t.Helper()
	id := official.ObjectID{1, 2, 3}
	decimal, err := official.ParseDecimal128("1.5E+3")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := official.Marshal(official.D{
		{Key: "double", Value: 1.5}, {Key: "integral", Value: 3.0}, {Key: "string", Value: "tab\t \"quoted\" \\ \x01 é 🌍"},
		{Key: "doc", Value: official.D{{Key: "a", Value: official.A{int32(1), "x", nil}}}}, {Key: "empty", Value: official.D{}},
		{Key: "binary", Value: official.Binary{Subtype: 0x80, Data: []byte("hello")}}, {Key: "undefined", Value: official.Undefined{}},
		{Key: "id", Value: id}, {Key: "true", Value: true}, {Key: "date", Value: official.DateTime(1356351330501)},
		{Key: "whole", Value: official.DateTime(1356351330000)}, {Key: "early", Value: official.DateTime(-1)},
		{Key: "late", Value: official.DateTime(maxDate + 1)}, {Key: "null", Value: nil},
		{Key: "regex", Value: official.Regex{Pattern: "^a\"b", Options: "im"}}, {Key: "dbpointer", Value: official.DBPointer{DB: "a.b", Pointer: id}},
		{Key: "js", Value: official.JavaScript("f()")}, {Key: "symbol", Value: official.Symbol("s")},
		{Key: "scope", Value: official.CodeWithScope{Code: "g()", Scope: official.D{{Key: "x", Value: int32(1)}}}},
		{Key: "int32", Value: int32(-7)}, {Key: "timestamp", Value: official.Timestamp{T: 4_000_000_000, I: 2}},
		{Key: "int64", Value: int64(1) << 60}, {Key: "decimal", Value: decimal},
		{Key: "min", Value: official.MinKey{}}, {Key: "max", Value: official.MaxKey{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestFormat(t *testing.T) {
	doc := zoo(t)
	want, err := official.MarshalExtJSON(official.Raw(doc), false, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := Format(doc, -1); got != string(want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := Format(nil, 10); got != "{}" {
		t.Errorf("no document is %q", got)
	}
}

// TestFormatIsCut cuts a document at every length: each is the beginning of the
// whole and a valid text, and the last one whole.
func TestFormatIsCut(t *testing.T) {
	doc := zoo(t)
	whole := Format(doc, -1)
	for limit := range len(whole) + 2 {
		got := Format(doc, limit)
		if limit >= len(whole) {
			if got != whole {
				t.Fatalf("limit %d: %q", limit, got)
			}
			continue
		}
		text, ok := strings.CutSuffix(got, "...")
		if !ok || len(text) > limit || len(text) < limit-utf8.UTFMax+1 || !strings.HasPrefix(whole, text) || !utf8.ValidString(got) {
			t.Fatalf("limit %d: %q", limit, got)
		}
	}
}

func TestFormatOfOddDocuments(t *testing.T) {
	one, at := bsonwire.Begin(nil)
	one = bsonwire.End(bsonwire.AppendString(one, "a", strings.Repeat("x", 1<<20)), at)
	deep, _ := bsonwire.Begin(nil)
	deep = bsonwire.End(deep, 0)
	for range 1000 {
		d, at := bsonwire.Begin(nil)
		deep = bsonwire.End(bsonwire.AppendDocument(d, "d", deep), at)
	}
	for _, c := range []struct {
		name  string
		doc   []byte
		limit int
		want  string
	}{
		{"a long string", one, 10, `{"a":"xxxx...`},
		{"too deep", deep, -1, strings.Repeat(`{"d":`, maxDepth+1) + "..."},
		{"an element cut off", one[:20], -1, "{..."},
		{"not a document", []byte("x"), -1, "{..."},
		{"no room at all", one, 0, "..."},
	} {
		if got := Format(c.doc, c.limit); got != c.want {
			t.Errorf("%s: %.80q, want %q", c.name, got, c.want)
		}
	}
	bad, at := bsonwire.Begin(nil)
	bad = bsonwire.End(bsonwire.AppendString(bad, "a", "\xff\xfe"), at)
	if got := Format(bad, -1); got != `{"a":"��"}` {
		t.Errorf("invalid UTF-8 is %q", got)
	}
}

// TestFormatEffort sees to it that the effort follows the limit, not the size.
func TestFormatEffort(t *testing.T) {
	doc, at := bsonwire.Begin(nil)
	doc = bsonwire.AppendString(doc, "a", strings.Repeat("x", 4<<20))
	doc = bsonwire.AppendBinary(doc, "b", 0, make([]byte, 4<<20))
	doc = bsonwire.End(doc, at)
	const runs = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		Format(doc, 1000)
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / runs; per > 16<<10 {
		t.Errorf("1000 bytes of a large document allocate %d bytes", per)
	}
}

func TestFormatCommandWithSequences(t *testing.T) {
	body := marshal(t, bson.D{{Key: "insert", Value: "c"}})
	docs := append(marshal(t, bson.D{{Key: "x", Value: 1}}), marshal(t, bson.D{{Key: "x", Value: 2}})...)
	whole, short := wire.Sequence{Identifier: "ops", Documents: docs}, wire.Sequence{Identifier: "ns", Documents: docs[:len(docs)/2]}
	for _, c := range []struct {
		sequences []wire.Sequence
		limit     int
		want      string
	}{
		{[]wire.Sequence{whole}, -1, `{"insert":"c","ops":[{"x":1},{"x":2}]}`},
		{[]wire.Sequence{whole, short}, -1, `{"insert":"c","ops":[{"x":1},{"x":2}],"ns":[{"x":1}]}`},
		{[]wire.Sequence{whole, short}, 40, `{"insert":"c","ops":[{"x":1},{"x":2}],"n...`},
		{[]wire.Sequence{whole, short}, 26, `{"insert":"c","ops":[{"x":...`},
		{[]wire.Sequence{{Identifier: "ops", Documents: docs[:5]}}, -1, `{"insert":"c","ops":[...`},
	} {
		if got := formatCommand(body, c.sequences, c.limit); got != c.want {
			t.Errorf("limit %d: got %s, want %s", c.limit, got, c.want)
		}
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	doc, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestCorpus formats the valid documents of the BSON corpus.
func TestCorpus(t *testing.T) {
	dir := spectest.Dir(t, "bson-corpus")
	tally := spectest.NewTally(t, "bson-corpus (log messages)", nil)
	for _, file := range spectest.Files(t, dir, "*.json") {
		var suite struct {
			Valid []struct {
				Description   string `json:"description"`
				CanonicalBSON string `json:"canonical_bson"`
				Relaxed       string `json:"relaxed_extjson"`
			} `json:"valid"`
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &suite); err != nil {
			t.Fatal(err)
		}
		for _, c := range suite.Valid {
			tally.Run(t, spectest.Name(dir, file)+"/"+c.Description, func(t *testing.T) {
				doc, err := hex.DecodeString(c.CanonicalBSON)
				if err != nil {
					t.Fatal(err)
				}
				want := c.Relaxed
				if want == "" { // not all cases have one; the official package knows
					b, err := official.MarshalExtJSON(official.Raw(doc), false, false)
					if err != nil {
						t.Fatal(err)
					}
					want = string(b)
				}
				sameJSON(t, Format(doc, -1), want)
			})
		}
	}
}

func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add(zoo(f), 100)
	f.Add(zoo(f), -1)
	f.Add([]byte{5, 0, 0, 0, 0}, 0)
	f.Fuzz(func(t *testing.T, doc []byte, limit int) {
		got := Format(doc, limit)
		if !utf8.ValidString(got) {
			t.Errorf("not UTF-8: %q", got)
		}
		if limit >= 0 && len(got) > limit+len("...") && got != "{}" {
			t.Errorf("%d bytes for a limit of %d", len(got), limit)
		}
		if bsonwire.Validate(doc) == nil && limit < 0 && !strings.HasSuffix(got, "...") && !json.Valid([]byte(got)) {
			t.Errorf("not JSON: %s", got)
		}
	})
}

func TestFormatWithout(t *testing.T) {
	doc, err := bson.Marshal(bson.D{{"lsid", bson.D{{"id", 1}}}, {"find", "tea"}, {"$db", "shop"}, {"filter", bson.D{{"lsid", 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]string{100: `{"find":"tea","filter":{"lsid":1}}`, 7: `{"find"...`} {
		if got := FormatWithout(doc, limit, "lsid", "$db"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
