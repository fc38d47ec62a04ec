package dumpdir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/transfer"
)

func document(t testing.TB, d bson.D) []byte {
	t.Helper()
	doc, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestFileName(t *testing.T) {
	for name, want := range map[string]string{
		"orders": "orders", "a b": "a%20b", "a/b": "a%2Fb", "100%": "100%25", "über": "%C3%BCber", "a.b-c_d~e": "a.b-c_d~e",
		"a:b@c&d=e+f$g": "a%3Ab%40c%26d%3De%2Bf%24g", `"quoted"\;`: "%22quoted%22%5C%3B", "*?,": "%2A%3F%2C",
	} {
		if got := FileName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
		if back, err := collectionName(want); err != nil || back != name {
			t.Errorf("%q: back it is %q (%v)", name, back, err)
		}
	}
	long := strings.Repeat("a", 239)
	// sha1sum | base64 says so.
	if got := FileName(long); len(got) != 238 || !strings.HasPrefix(got, strings.Repeat("a", 208)+"%24") {
		t.Errorf("%q", got)
	}
	if a, b := FileName(long), FileName(long+"b"); a == b {
		t.Error("two names are one")
	}
	if _, err := collectionName("a%zz"); err == nil {
		t.Error("no error")
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("a/b %")
	f.Fuzz(func(t *testing.T, name string) {
		file := FileName(name)
		if len(file) > maxName || strings.ContainsAny(file, "/\\\x00") {
			t.Fatalf("%q: %q", name, file)
		}
		if len(file) < maxName {
			if back, err := collectionName(file); err != nil || back != name {
				t.Fatalf("%q: %q (%v)", name, back, err)
			}
		}
	})
}

func TestReader(t *testing.T) {
	a, b := document(t, bson.D{{Key: "_id", Value: 1}}), document(t, bson.D{{Key: "text", Value: strings.Repeat("x", 200_000)}})
	r := NewReader(iotest.HalfReader(bytes.NewReader(append(append([]byte{}, a...), b...))))
	for i, want := range [][]byte{a, b} {
		doc, err := r.Next([]byte("before"))
		if err != nil || string(doc) != "before"+string(want) {
			t.Fatalf("document %d: %d bytes, %v", i, len(doc), err)
		}
	}
	for range 2 {
		if _, err := r.Next(nil); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

func TestReaderOfDamage(t *testing.T) {
	good := document(t, bson.D{{Key: "_id", Value: int32(1)}})
	n := int64(len(good))
	broken := errors.New("bad disk")
	length := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	for _, c := range []struct {
		name string
		rest io.Reader
		says string
	}{
		{"cut in the length", bytes.NewReader([]byte{9, 0}), "the file ends 2 bytes into it"},
		{"cut in the document", bytes.NewReader(good[:7]), "the file ends 7 bytes into it, of 14"},
		{"cut behind the length", bytes.NewReader(good[:4]), "the file ends 4 bytes into it, of 14"},
		{"too short", bytes.NewReader(length(4)), "its length is given as 4 bytes"},
		{"negative", bytes.NewReader(length(1 << 31)), "its length is given as -2147483648 bytes"},
		{"too long", bytes.NewReader(length(MaxDocument + 1)), "a document has 5 to 16793600"},
		{"no end", bytes.NewReader(append(good[:len(good)-1:len(good)-1], 1)), "invalid BSON"},
		{"no BSON", bytes.NewReader(append(length(8), 0x7e, 0, 0, 0)), "invalid BSON"},
		{"broken", iotest.ErrReader(broken), "it cannot be read: bad disk"},
		{"broken later", io.MultiReader(bytes.NewReader(good[:7]), iotest.ErrReader(broken)), "it cannot be read: bad disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewReader(io.MultiReader(bytes.NewReader(good), c.rest))
			if _, err := r.Next(nil); err != nil {
				t.Fatal(err)
			}
			kept := []byte("kept")
			out, err := r.Next(kept)
			var damaged *DamagedError
			if !errors.As(err, &damaged) || damaged.Offset != n || damaged.Document != 1 || !strings.Contains(err.Error(), c.says) ||
				!strings.Contains(err.Error(), "damaged at byte 14, in document 2: ") {
				t.Errorf("%v", err)
			}
			if strings.HasPrefix(c.name, "broken") && !errors.Is(err, broken) {
				t.Errorf("%v hides its cause", err)
			}
			if string(out) != "kept" {
				t.Errorf("%q", out)
			}
			if _, again := r.Next(nil); again != err {
				t.Errorf("then %v", again)
			}
		})
	}
}

// A length that promises much must not cost memory before the bytes are there.
func TestReaderIsBounded(t *testing.T) {
	head := binary.LittleEndian.AppendUint32(nil, MaxDocument)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, err := NewReader(bytes.NewReader(head)).Next(nil); err == nil {
			t.Fatal("no error")
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 100<<20 {
		t.Errorf("%d bytes for 100 documents that are not there", n)
	}
}

func FuzzReader(f *testing.F) {
	doc := document(f, bson.D{{Key: "a", Value: bson.A{1, "x"}}})
	f.Add(doc)
	f.Add(append(doc, doc[:9]...))
	f.Add([]byte{255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(iotest.OneByteReader(bytes.NewReader(data)))
		var all []byte
		for {
			doc, err := r.Next(nil)
			if err != nil {
				var damaged *DamagedError
				switch {
				case err == io.EOF:
					if !bytes.Equal(all, data) {
						t.Fatalf("%d bytes of %d", len(all), len(data))
					}
				case !errors.As(err, &damaged) || damaged.Offset != int64(len(all)):
					t.Fatalf("after %d bytes: %v", len(all), err)
				}
				return
			}
			if err := bsonwire.Validate(doc); err != nil {
				t.Fatal(err)
			}
			all = append(all, doc...)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"options":{"capped":true},"indexes":[{"v":2,"key":{"_id":1},"name":"_id_"}],"uuid":"","collectionName":"a","type":"collection"}`), false)
	f.Add([]byte(`{"indexes":{}}`), false)
	f.Add([]byte{0x1f, 0x8b, 8}, true)
	f.Fuzz(func(t *testing.T, data []byte, gz bool) {
		m, err := parseMetadata(bytes.NewReader(data), gz)
		if err != nil {
			return
		}
		_, _ = m.View(), m.TimeSeries()
		for _, i := range m.Indexes {
			if err := bsonwire.Validate(i); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A metadata file of mongodump's, of an old one and of a new one.
func TestMetadataOfOthers(t *testing.T) {
	for text, check := range map[string]func(m Metadata) bool{
		`{"options":{"viewOn":"orders","pipeline":[{"$match":{"a":{"$gt":{"$numberInt":"1"}}}}]},"indexes":[],"uuid":"","collectionName":"v"}`: func(m Metadata) bool { return m.View() && len(m.Indexes) == 0 && m.CollectionName == "v" },
		`{"options":{},"indexes":[{"v":1,"key":{"_id":1},"name":"_id_","ns":"a.b"}]}`:                                                          func(m Metadata) bool { return !m.View() && !m.TimeSeries() && len(m.Indexes) == 1 },
		`{"indexes":[{"v":{"$numberInt":"2"},"key":{"a":{"$numberInt":"1"},"b":{"$numberInt":"-1"}},"name":"x"}],"uuid":"5f","collectionName":"c","type":"timeseries"}`: func(m Metadata) bool {
			return m.TimeSeries() && m.Indexes[0].Lookup("key").Document().String() == `{"a": {"$numberInt":"1"},"b": {"$numberInt":"-1"}}`
		},
	} {
		m, err := parseMetadata(strings.NewReader(text), false)
		if err != nil || !check(m) {
			t.Errorf("%s: %+v (%v)", text, m, err)
		}
	}
}

func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadDir(dir); err == nil || !strings.Contains(err.Error(), "holds no dump") {
		t.Errorf("of nothing: %v", err)
	}
	put("prelude.json", "{}")
	put("oplog.bson", "")
	put("shop/a%20b.bson", "")
	put("shop/"+FileName(strings.Repeat("é", 100))+".metadata.json", `{"indexes":[],"collectionName":"`+strings.Repeat("é", 100)+`"}`)
	put("empty/sub/x", "")
	dump, err := ReadDir(dir)
	if err != nil || len(dump.Databases) != 2 {
		t.Fatalf("%+v %v", dump, err)
	}
	if db := dump.Databases[1]; db.Name != "shop" || len(db.List) != 2 || db.List[0].Name != "a b" || db.List[0].Metadata.Here() ||
		db.List[1].Name != strings.Repeat("é", 100) || !db.List[1].Metadata.Here() {
		t.Errorf("%+v", db)
	}
	if len(dump.Left) != 1 || filepath.Base(dump.Left[0].Path) != "oplog.bson" || !strings.Contains(dump.Left[0].Why, "not replayed") {
		t.Errorf("left: %+v", dump.Left)
	}
	put("shop/a%20b.bson.gz", "")
	put("shop/"+FileName(strings.Repeat("à", 100))+".bson", "")
	dump, err = ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, says := range []string{"too long for a file", "are of the same collection", ""} {
		err := dump.Databases[1].List[i].Err
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("collection %d: %v; want %q", i, err, says)
		}
	}
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	f, err := createDocuments(dir, &transfer.Collection{Name: "c"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there too early: %v", err)
	}
	if err := f.Abort(); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left: %v (%v)", list, err)
	}
}
