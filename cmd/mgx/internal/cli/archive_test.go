package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// archived turns a dump's folder of one database into an archive.
func archived(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	add := func(d bson.D) {
		doc, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(doc)
	}
	end := func() { b.Write([]byte{0xff, 0xff, 0xff, 0xff}) }
	contentsOf := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	db := filepath.Base(dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.metadata.json"))
	if err != nil {
		t.Fatal(err)
	}
	b.Write(binary.LittleEndian.AppendUint32(nil, 0x8199e26d))
	add(bson.D{{Key: "concurrent_collections", Value: int32(4)}, {Key: "version", Value: "0.1"}})
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".metadata.json")
		add(bson.D{{Key: "db", Value: db}, {Key: "collection", Value: name}, {Key: "metadata", Value: string(contentsOf(file))}, {Key: "type", Value: ""}})
	}
	end()
	files, err = filepath.Glob(filepath.Join(dir, "*.bson"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".bson")
		docs := contentsOf(file)
		add(bson.D{{Key: "db", Value: db}, {Key: "collection", Value: name}, {Key: "EOF", Value: false}, {Key: "CRC", Value: int64(0)}})
		b.Write(docs)
		end()
		add(bson.D{{Key: "db", Value: db}, {Key: "collection", Value: name}, {Key: "EOF", Value: true}, {Key: "CRC", Value: int64(ecmaOf(docs))}})
		end()
	}
	return b.Bytes()
}

func TestRestoreOfAnArchive(t *testing.T) {
	from := shop(t)
	dir := t.TempDir()
	tool(t, "", "dump", from.URI(), "shop", "-o", dir).want(t, exitOK, "", "")
	plain := archived(t, filepath.Join(dir, "shop"))
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(plain); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	want := contents(t, connected(t, from.URI()).Database("shop"))
	to := mgxtest.Standalone(t)
	for name, text := range map[string][]byte{"plain": plain, "zipped": zipped.Bytes()} {
		path := write(t, "shop.archive", string(text))
		tool(t, "", "restore", in(to.URI(), name), path).want(t, exitOK, path+" into "+name+" restored: 4 collections, 600 documents", name+".orders: 300 documents")
		tool(t, string(text), "restore", in(to.URI(), "in"+name), "-", "-q").want(t, exitOK, "- into in"+name+" restored: 4 collections, 600 documents", "")
		for _, db := range []string{name, "in" + name} {
			if got := contents(t, connected(t, to.URI()).Database(db)); !slices.Equal(got, want) {
				t.Errorf("%s: %d entries, want %d", db, len(got), len(want))
			}
		}
		// One that is cut off costs only what is cut off.
		cut := map[string]string{"plain": "restored: 3 of 4 collections", "zipped": "restored: 1 of 4 collections"}
		o := tool(t, string(text[:len(text)*3/4]), "restore", in(to.URI(), "cut"+name), "-", "-q")
		o.want(t, exitPartly, cut[name], "restored in part: cut"+name+"."+map[string]string{"plain": "orders", "zipped": "items"}[name])
		tool(t, string(text[:len(text)*3/4]), "restore", in(to.URI(), name), "-", "-q", "--drop", "--collections", "orders").want(t, exitFailure, "", "nothing was dropped")
	}
	tool(t, "no archive", "restore", to.URI(), "-").want(t, exitFailure, "", "-: it is no archive of mongodump")
	tool(t, "", "restore", to.URI(), write(t, "notes.txt", "notes")).want(t, exitFailure, "", "is no folder of a dump, no archive, and no file of documents")
}

func TestRestoreOfOneFile(t *testing.T) {
	from := shop(t)
	dir := t.TempDir()
	to := mgxtest.Standalone(t)
	for name, args := range map[string][]string{"orders.bson": nil, "orders.bson.gz": {"--gzip"}} {
		out := filepath.Join(dir, name)
		tool(t, "", append([]string{"dump", from.URI(), "shop", "-o", out}, args...)...).want(t, exitOK, "", "")
		path := filepath.Join(out, "shop", name)
		tool(t, "", "restore", to.URI(), path, "--drop").want(t, exitOK, "into shop restored: 1 collection, 300 documents", "")
		tool(t, "", "restore", in(to.URI(), "other"), path, "--drop").want(t, exitOK, "into other restored: 1 collection, 300 documents", "")
		tool(t, "", "indexes", to.URI(), "other.orders", "--names").want(t, exitOK, "_id_\nby_item\n", "")
	}
}

func ecmaOf(docs []byte) uint64 { return crc64.Checksum(docs, crc64.MakeTable(crc64.ECMA)) }
