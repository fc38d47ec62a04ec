package archive

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/cmd/mgx/internal/dumpdir"
)

func document(t testing.TB, d bson.D) []byte {
	t.Helper()
	doc, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// maker writes an archive as mongodump does.
type maker struct {
	testing.TB
	b    bytes.Buffer
	sums map[string]uint64
}

func (m *maker) end() { m.b.Write([]byte{0xff, 0xff, 0xff, 0xff}) }

func (m *maker) head(collections ...bson.D) {
	m.sums = map[string]uint64{}
	m.b.Write(binary.LittleEndian.AppendUint32(nil, magic))
	m.b.Write(document(m, bson.D{{Key: "concurrent_collections", Value: int32(4)}, {Key: "version", Value: "0.1"}, {Key: "server_version", Value: "8.0.0"}, {Key: "tool_version", Value: "100.10.0"}}))
	for _, c := range collections {
		m.b.Write(document(m, c))
	}
	m.end()
}

func (m *maker) header(db, name string, eof bool, sum uint64) {
	m.b.Write(document(m, bson.D{{Key: "db", Value: db}, {Key: "collection", Value: name}, {Key: "EOF", Value: eof}, {Key: "CRC", Value: int64(sum)}}))
}

func (m *maker) block(db, name string, ids ...int) {
	m.header(db, name, false, 0)
	for _, id := range ids {
		doc := document(m, bson.D{{Key: "_id", Value: id}})
		m.sums[db+"."+name] = crc64.Update(m.sums[db+"."+name], ecma, doc)
		m.b.Write(doc)
	}
	m.end()
}

func (m *maker) finish(db, name string) {
	m.header(db, name, true, m.sums[db+"."+name])
	m.end()
}

func about(db, name, metadata, kind string) bson.D {
	return bson.D{{Key: "db", Value: db}, {Key: "collection", Value: name}, {Key: "metadata", Value: metadata}, {Key: "size", Value: int32(0)}, {Key: "type", Value: kind}}
}

// sample has two collections that take turns, a view, a time series, users and an
// oplog.
func sample(t testing.TB) []byte {
	m := maker{TB: t}
	m.head(
		about("shop", "items", `{"indexes":[],"collectionName":"items","type":"collection"}`, ""),
		about("shop", "orders", `{"options":{"capped":true},"indexes":[{"v":{"$numberInt":"2"},"key":{"a":{"$numberInt":"1"}},"name":"a"}],"collectionName":"orders"}`, ""),
		about("shop", "ones", `{"options":{"viewOn":"orders","pipeline":[]},"indexes":[],"type":"view"}`, "view"),
		about("shop", "broken", `{]`, ""),
		about("lab", "weather", `{"options":{"timeseries":{"timeField":"at"}},"indexes":[],"type":"timeseries"}`, "timeseries"),
		about("admin", "system.users", `{"indexes":[]}`, ""),
	)
	m.block("shop", "items", 1, 2)
	m.block("shop", "orders", 1)
	m.block("shop", "items", 3)
	m.finish("shop", "items")
	m.block("lab", "system.buckets.weather", 7)
	m.finish("lab", "system.buckets.weather")
	m.block("shop", "orders", 2, 3, 4)
	m.finish("shop", "orders")
	m.finish("shop", "broken")
	m.block("admin", "system.users", 1)
	m.finish("admin", "system.users")
	m.block("", "oplog", 1)
	m.finish("", "oplog")
	return m.b.Bytes()
}

// read counts a collection's documents.
func read(c *dumpdir.Collection) (n int, err error) {
	r, err := c.Open(func(int) {})
	if err != nil {
		return 0, err
	}
	for ; ; n++ {
		if _, err := r.Next(nil); err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
	}
}

func TestArchive(t *testing.T) {
	plain := sample(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(plain)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(t.TempDir(), "shop.archive")
	if err := os.WriteFile(path, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for name, in := range map[string]io.Reader{"plain": bytes.NewReader(plain), "gzip": &zipped, "a file": f} {
		a, err := Open(in, "the archive")
		if err != nil || a.Damage != nil {
			t.Fatalf("%s: %v, %v", name, err, a)
		}
		if len(a.Databases) != 3 || len(a.Left) != 1 || a.Left[0].Path != "oplog in the archive" || len(a.Databases[0].Left) != 1 {
			t.Fatalf("%s: %+v", name, a)
		}
		lab, shop := a.Databases[1], a.Databases[2]
		if len(lab.List) != 1 || !lab.List[0].Buckets || !lab.List[0].Metadata.TimeSeries() || len(shop.List) != 4 {
			t.Errorf("%s: %+v %+v", name, lab, shop)
		}
		for i, want := range []int{3, 4, -1, 0} {
			c := &shop.List[i]
			if want < 0 {
				if !c.Metadata.View() || c.Documents != "" {
					t.Errorf("%s: %+v", name, c)
				}
				continue
			}
			if n, err := read(c); n != want || err != nil {
				t.Errorf("%s: %s has %d documents, want %d (%v)", name, c.Name, n, want, err)
			}
		}
		if orders := shop.List[1]; len(orders.Metadata.Indexes) != 1 || !orders.Metadata.Here() || orders.Size == 0 {
			t.Errorf("%s: %+v", name, orders)
		}
		if err := shop.List[3].Err; err == nil || !strings.Contains(err.Error(), "its metadata: it is not JSON") {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestDamagedArchive(t *testing.T) {
	whole := sample(t)
	for name, c := range map[string]struct {
		change       func(b []byte) []byte
		fails        string
		damage       string
		items, order int
		says         string
	}{
		"empty":        {func([]byte) []byte { return nil }, "no archive of mongodump", "", 0, 0, ""},
		"another file": {func([]byte) []byte { return []byte("{\"a\":1}\n") }, "no archive of mongodump", "", 0, 0, ""},
		"in its head":  {func(b []byte) []byte { return b[:200] }, "the archive is damaged at byte", "", 0, 0, ""},
		"in a document": {func(b []byte) []byte { return b[:bytes.LastIndex(b, document(t, bson.D{{Key: "_id", Value: 4}}))+5] }, "", "it ends 5 bytes into a document of 14",
			3, 3, "damaged at byte 42, in document 4: it cannot be read: the archive is damaged at byte"},
		"behind a document": {func(b []byte) []byte { return b[:bytes.LastIndex(b, document(t, bson.D{{Key: "_id", Value: 4}}))] }, "", "it ends in the documents of shop.orders",
			3, 3, "it ends in the documents of shop.orders"},
		"between blocks": {func(b []byte) []byte {
			at := bytes.Index(b, []byte("system.buckets.weather\x00"))
			return b[:bytes.LastIndex(b[:at], []byte{0xff, 0xff, 0xff, 0xff})+4]
		}, "", "", 3, 1, "the archive ends before the collection does"},
		"changed": {func(b []byte) []byte {
			doc := document(t, bson.D{{Key: "_id", Value: 4}})
			b = bytes.Clone(b)
			b[bytes.LastIndex(b, doc)+len(doc)-5]++
			return b
		}, "", "", 3, 4, "its checksum is"},
	} {
		a, err := Open(bytes.NewReader(c.change(whole)), "x")
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if (a.Damage == nil) != (c.damage == "") || a.Damage != nil && !strings.Contains(a.Damage.Error(), c.damage) {
			t.Errorf("%s: damage %v", name, a.Damage)
		}
		shop := a.Databases[len(a.Databases)-1]
		if n, err := read(&shop.List[0]); n != c.items || err != nil {
			t.Errorf("%s: %d items, %v", name, n, err)
		}
		if n, err := read(&shop.List[1]); n != c.order || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d orders, %v", name, n, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzArchive(f *testing.F) {
	whole := sample(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{0x1f, 0x8b, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Open(bytes.NewReader(data), "x")
		if err != nil {
			return
		}
		for _, db := range a.Databases {
			for i := range db.List {
				if db.List[i].Documents != "" {
					_, _ = read(&db.List[i]) // what matters is that it ends
				}
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}
