package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mgxtest"
)

// What is told of writes is true, also where the connection string asks for no answer.
func TestWritesAreAcknowledged(t *testing.T) {
	d := shop(t)
	dir := t.TempDir()
	tool(t, "", "dump", d.URI(), "shop", "-o", dir).want(t, exitOK, "", "")
	uri, sep := d.URI(), "?"
	if strings.Contains(uri, "?") {
		sep = "&"
	}
	uri += sep + "w=0"
	tool(t, "{\"_id\":1}\n{\"_id\":1}", "insert", uri, "new.c").want(t, exitPartly, "1 document inserted", "E11000")
	tool(t, `{"insertOne":{"document":{"_id":1}}}`, "bulk", uri, "new.c").want(t, exitPartly, "", "E11000")
	tool(t, "", "update", uri, "new.c", `{"_id":1}`, `{"$set":{"a":1}}`).want(t, exitOK, "1 document", "")
	tool(t, "", "delete", uri, "new.c", `{"_id":1}`).want(t, exitOK, "1 document", "")
	tool(t, "", "restore", in(uri, "back"), dir).want(t, exitOK, "restored: 4 collections, 600 documents", "")
	tool(t, "", "indexes", uri, "back.orders", "--names").want(t, exitOK, "by_item\n", "")
	tool(t, "", "copy", in(uri, "back"), in(uri, "again")).want(t, exitOK, "copied: 4 collections, 600 documents", "")
	tool(t, "", "create-index", uri, "back.orders", "qty").want(t, exitOK, "qty_1\n", "")
	tool(t, "", "drop", uri, "back.orders", "--yes").want(t, exitOK, "dropped", "")
}

// Text that is not UTF-8, and a DBPointer with a quote, come and go as they are.
func TestBytesComeAndGo(t *testing.T) {
	uri := mgxtest.Standalone(t).URI()
	db := connected(t, uri).Database("shop")
	odd, err := bson.Marshal(bson.D{
		{Key: "_id", Value: int32(1)}, {Key: "name", Value: "caf\xe9"}, {Key: "k\xff", Value: bson.A{"\x80", bson.Symbol("\xfe")}},
		{Key: "ref", Value: bson.DBPointer{DB: `shop."x"\`, Pointer: bson.ObjectID{7}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("odd").InsertOne(t.Context(), bson.Raw(odd)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"find", uri, "shop.odd"}, {"find", uri, "shop.odd", "-o", "canonical"}, {"aggregate", uri, "shop.odd", "[]"},
		{"find", uri, "shop.odd", `{"name":"caf\udce9"}`},
	} {
		o := tool(t, "", args...)
		o.want(t, exitOK, `"caf\udce9"`, "")
		if !json.Valid([]byte(o.out)) {
			t.Errorf("%s: not JSON: %s", args, o.out)
		}
		tool(t, o.out, "insert", uri, "shop.back").want(t, exitOK, "1 document", "")
		back, err := db.Collection("back").FindOne(t.Context(), nil).Raw()
		if err != nil || !bytes.Equal(back, odd) {
			t.Errorf("%s: %v (%v)", args, back, err)
		}
		tool(t, "", "drop", uri, "shop.back", "--yes").want(t, exitOK, "", "")
	}
	tool(t, "", "distinct", uri, "shop.odd", "name").want(t, exitOK, `"caf\udce9"`+"\n", "")
	tool(t, "", "find", uri, "shop.odd", "{\"name\":\"caf\xe9\"}").want(t, exitUsage, "", `\udce9`)
}

// oddNames are names of collections that get in the way of shells, files and lists.
var oddNames = []string{"a,b", `say "x"`, "two\nlines", `back\slash`, "plus + space", strings.Repeat("ü", 100), "\x1b[31mred"}

func TestOddNames(t *testing.T) {
	from, to := mgxtest.Standalone(t), mgxtest.Standalone(t)
	source, target := in(from.URI(), "shop"), connected(t, to.URI())
	db := connected(t, from.URI()).Database("shop")
	for _, name := range append([]string{"other"}, oddNames...) {
		if _, err := db.Collection(name).InsertOne(t.Context(), bson.D{{Key: "_id", Value: name}}); err != nil {
			t.Fatal(err)
		}
	}
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`)
	var list []string
	for _, name := range oddNames {
		list = append(list, escape.Replace(name))
	}
	want := slices.Sorted(slices.Values(oddNames))
	dir := filepath.Join(t.TempDir(), "dump")
	chosen := strings.Join(list, ",")
	for i, args := range [][]string{
		{"copy", source, in(to.URI(), "copy0"), "--collections", chosen},
		{"copy", source, in(to.URI(), "copy1"), "--exclude", "other"},
		{"dump", source, "-o", dir, "--collections", chosen},
		{"restore", in(to.URI(), "copy3"), dir, "--collections", chosen},
	} {
		o := tool(t, "", args...)
		o.want(t, exitOK, "7 collections, 7 documents", "")
		if strings.Contains(o.err+o.out, "\x1b") || strings.Contains(o.err, "two\nlines") {
			t.Errorf("%s: %q", args[0], o.err+o.out)
		}
		names, err := target.Database(fmt.Sprint("copy", i)).ListCollectionNames(t.Context(), nil)
		if slices.Sort(names); args[0] != "dump" && (err != nil || !slices.Equal(names, want)) {
			t.Errorf("%s: %q (%v)", args[0], names, err)
		}
	}
	tool(t, "", "collections", in(to.URI(), "copy0"), "--names").want(t, exitOK, "\"two\\nlines\"\n", "")
}

func TestDumpOfATimeSeriesWithALongName(t *testing.T) {
	from, to := mgxtest.Standalone(t), mgxtest.Standalone(t)
	names := []string{strings.Repeat("é", 38), strings.Repeat("é", 60), strings.Repeat("x", 230)}
	for _, name := range names {
		tool(t, "", "run", from.URI(), "lab", `{"create":"`+name+`","timeseries":{"timeField":"at"}}`).want(t, exitOK, "", "")
		tool(t, `{"_id":1,"control":{"version":1}}`, "insert", from.URI(), "lab.system.buckets."+name).want(t, exitOK, "1 document", "")
	}
	dir := t.TempDir()
	tool(t, "", "dump", from.URI(), "lab", "-o", dir, "--gzip").want(t, exitOK, "3 collections, 3 documents", "")
	tool(t, "", "restore", to.URI(), dir).want(t, exitOK, "restored: 3 collections, 3 documents", "")
	tool(t, "", "find", to.URI(), "lab.system.buckets."+names[1]).want(t, exitOK, `{"_id":1,`, "")
}

// What could not be restored fails when it is dumped, and nothing else does.
func TestMetadataThatDoesNotReadBack(t *testing.T) {
	d := shop(t)
	db := connected(t, d.URI()).Database("shop")
	for name, value := range map[string]any{"bad": "caf\xe9", "pointer": bson.DBPointer{DB: `"`}} {
		stage, err := bson.Marshal(bson.D{{Key: "$match", Value: bson.D{{Key: "item", Value: value}}}})
		if err != nil {
			t.Fatal(err)
		}
		pipeline := []bson.Raw{stage}
		if err := db.CreateCollection(t.Context(), name, mgx.View("orders", pipeline)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	tool(t, "", "dump", d.URI(), "shop", "-o", dir).
		want(t, exitPartly, "5 of 6 collections, 600 documents", "not dumped: shop.bad: its options or indexes have text that is not UTF-8")
	to := mgxtest.Standalone(t)
	tool(t, "", "restore", to.URI(), dir).want(t, exitOK, "restored: 5 collections", "")
	tool(t, "", "collections", to.URI(), "shop", "--json").want(t, exitOK, `{"$ref":"\u0022"`, "")
}

func TestRestoreTellsOfAnOplog(t *testing.T) {
	d := shop(t)
	dir := t.TempDir()
	tool(t, "", "dump", d.URI(), "shop", "-o", dir).want(t, exitOK, "", "")
	for _, name := range []string{"oplog.bson", "prelude.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := tool(t, "", "restore", in(d.URI(), "x"), dir, "-q")
	o.want(t, exitOK, "4 collections", "left out: "+filepath.Join(dir, "oplog.bson")+": an oplog is not replayed")
	if strings.Contains(o.err, "prelude") {
		t.Error(o.err)
	}
}
