package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mgxtest"
)

// allTypes is a document with every BSON type that a server stores.
const allTypes = `{"_id":{"$oid":"507f1f77bcf86cd799439011"},"double":{"$numberDouble":"-0.0"},"nan":{"$numberDouble":"NaN"},
"string":"ü\u0000x","document":{"a":{"$numberInt":"1"}},"array":[true,null,{"x":[]}],"binary":{"$binary":{"base64":"AQI=","subType":"80"}},
"old":{"$binary":{"base64":"AQI=","subType":"02"}},"undefined":{"$undefined":true},"false":false,"date":{"$date":{"$numberLong":"-62135596800001"}},"null":null,
"regex":{"$regularExpression":{"pattern":"^a/","options":"im"}},"pointer":{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"507f1f77bcf86cd799439011"}}},
"code":{"$code":"f()"},"symbol":{"$symbol":"s"},"scope":{"$code":"f()","$scope":{"x":{"$numberInt":"1"}}},"int":{"$numberInt":"-2147483648"},
"timestamp":{"$timestamp":{"t":4294967295,"i":2}},"long":{"$numberLong":"9223372036854775807"},"decimal":{"$numberDecimal":"1.20E-6170"},
"min":{"$minKey":1},"max":{"$maxKey":1},"uuid":{"$binary":{"base64":"c//SZESzTGmQ6OfR38A11A==","subType":"04"}},"":"no name"}`

func connected(t *testing.T, uri string) *mgx.Client {
	t.Helper()
	client, err := mgx.Connect(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closeClient(client) })
	return client
}

// contents are all documents of a database, and what its collections are.
func contents(t *testing.T, db *mgx.Database) (list []string) {
	t.Helper()
	specs, err := mgx.Collect[struct {
		Name, Type string
		Options    bson.Raw
	}](db.ListCollections(t.Context(), nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		list = append(list, s.Name+" is a "+s.Type+" "+s.Options.String())
		if s.Type == "view" {
			continue
		}
		for _, cur := range []*mgx.Cursor{db.Collection(s.Name).ListIndexes(t.Context()), db.Collection(s.Name).Find(t.Context(), nil)} {
			docs, err := mgx.Collect[bson.Raw](cur)
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range docs {
				list = append(list, s.Name+" "+string(doc))
			}
		}
	}
	slices.Sort(list)
	return list
}

// odd is a database of all that is special.
func odd(t *testing.T) (*mgxtest.Deployment, *mgx.Client) {
	t.Helper()
	d := shop(t)
	client := connected(t, d.URI())
	db := client.Database("shop")
	run := func(command bson.D) {
		t.Helper()
		if err := db.RunCommand(t.Context(), command).Err(); err != nil {
			t.Fatal(err)
		}
	}
	var all bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(allTypes), false, &all); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("types").InsertOne(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"with space/and%25", "über.colls:*?", "system.js", strings.Repeat("long ", 40)} {
		if _, err := db.Collection(name).InsertOne(t.Context(), bson.D{{Key: "_id", Value: name}}); err != nil {
			t.Fatal(err)
		}
	}
	run(bson.D{{Key: "create", Value: "checked"}, {Key: "validator", Value: bson.D{{Key: "qty", Value: bson.D{{Key: "$gt", Value: int32(0)}}}}}})
	old, err := bson.Marshal(bson.D{{Key: "_id", Value: 1}, {Key: "qty", Value: 0}, {Key: "latin 1", Value: "caf\xe9"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("checked").InsertOne(t.Context(), bson.Raw(old), mgx.BypassDocumentValidation(true)); err != nil {
		t.Fatal(err)
	}
	run(bson.D{{Key: "create", Value: "words"}, {Key: "collation", Value: bson.D{{Key: "locale", Value: "en"}, {Key: "strength", Value: int32(2)}}}})
	if _, err := db.Collection("words").CreateIndex(t.Context(), mgx.Index{Keys: mgx.Keys("word"), Collation: bson.D{{Key: "locale", Value: "simple"}}}); err != nil {
		t.Fatal(err)
	}
	return d, client
}

func TestDumpAndRestore(t *testing.T) {
	from, source := odd(t)
	want := contents(t, source.Database("shop"))
	for _, gz := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "backup")
		args := []string{"dump", from.URI(), "shop", "-o", dir}
		if gz {
			args = append(args, "--gzip")
		}
		o := tool(t, "", args...)
		o.want(t, exitOK, "shop in "+dir+" dumped: 11 collections, 606 documents, ", "shop.orders: 300 documents")
		to := mgxtest.Standalone(t)
		o = tool(t, "", "restore", to.URI(), dir)
		o.want(t, exitOK, dir+" into shop restored: 11 collections, 606 documents, ", "shop.orders: 300 documents")
		if got := contents(t, connected(t, to.URI()).Database("shop")); !slices.Equal(got, want) {
			t.Errorf("gzip %v: %d entries, want %d", gz, len(got), len(want))
			for _, line := range got {
				if !slices.Contains(want, line) {
					t.Errorf("not in the source: %q", line)
				}
			}
		}
		// One database's folder, under another name.
		tool(t, "", "restore", in(to.URI(), "other"), filepath.Join(dir, "shop"), "--quiet").want(t, exitOK, "into other restored: 11 collections", "")
		if got := contents(t, connected(t, to.URI()).Database("other")); !slices.Equal(got, want) {
			t.Errorf("gzip %v: the other differs", gz)
		}
	}
}

func TestDumpLayout(t *testing.T) {
	from, _ := odd(t)
	dir := t.TempDir()
	tool(t, "", "dump", from.URI(), "-o", dir).want(t, exitOK, "all databases in ", "")
	var files []string
	entries, err := os.ReadDir(filepath.Join(dir, "shop"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "long") {
			files = append(files, e.Name())
		}
	}
	want := []string{
		"%C3%BCber.colls%3A%2A%3F.bson", "%C3%BCber.colls%3A%2A%3F.metadata.json", "checked.bson", "checked.metadata.json", "items.bson", "items.metadata.json",
		"log.bson", "log.metadata.json", "ones.metadata.json", "orders.bson", "orders.metadata.json", "system.js.bson", "system.js.metadata.json",
		"types.bson", "types.metadata.json", "with%20space%2Fand%2525.bson", "with%20space%2Fand%2525.metadata.json", "words.bson", "words.metadata.json",
	}
	if !slices.Equal(files, want) {
		t.Errorf("%q\nwant\n%q", files, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "shop", "log.metadata.json"))
	if err != nil || !strings.HasPrefix(string(text), `{"options":{"capped":true,"size":{"$number`) || !strings.Contains(string(text), `"collectionName":"log","type":"collection"}`) ||
		!strings.Contains(string(text), `"indexes":[{"v":{"$numberInt":"2"}`) {
		t.Errorf("%s %v", text, err)
	}
	tool(t, "", "dump", from.URI(), "shop", "-o", dir).want(t, exitFailure, "", "has files already; nothing was dumped")
	tool(t, "", "dump", from.URI(), "none", "-o", dir).want(t, exitFailure, "", "dump database none: there is no such database")
	dir = t.TempDir()
	tool(t, "", "dump", from.URI(), "shop", "-o", dir, "--collections", "orders,log", "--exclude", "log", "-q").want(t, exitOK, "dumped: 1 collection, 300", "")
	tool(t, "", "dump", from.URI(), "shop", "-o", t.TempDir(), "--collections", "oders").want(t, exitFailure, "", `no collection "oders"`)
	tool(t, "", "dump", from.URI(), "shop", "-o", write(t, "file", "")).want(t, exitFailure, "", "not a directory")
	tool(t, "", "dump", nobody, "shop", "-o", t.TempDir()).want(t, exitFailure, "", "127.0.0.1:1")
}

// A time series is dumped as its buckets. The simulated server does not fill them by
// itself.
func TestDumpOfATimeSeries(t *testing.T) {
	from, to := mgxtest.Standalone(t), mgxtest.Standalone(t)
	tool(t, "", "run", from.URI(), "lab", `{"create":"weather","timeseries":{"timeField":"at"}}`).want(t, exitOK, "", "")
	tool(t, `{"_id":1,"control":{"version":1}}`, "insert", from.URI(), "lab.system.buckets.weather").want(t, exitOK, "1 document", "")
	dir := t.TempDir()
	tool(t, "", "dump", from.URI(), "lab", "-o", dir).want(t, exitOK, "1 document", "")
	for _, name := range []string{"weather.metadata.json", "system.buckets.weather.bson"} {
		if _, err := os.Stat(filepath.Join(dir, "lab", name)); err != nil {
			t.Error(err)
		}
	}
	tool(t, "", "restore", to.URI(), dir).want(t, exitOK, "restored: 1 collection, 1 document", "")
	tool(t, "", "find", to.URI(), "lab.system.buckets.weather").want(t, exitOK, `{"_id":1,`, "")
	tool(t, "", "collections", to.URI(), "lab").want(t, exitOK, "weather                 timeseries  by at", "")
	if err := os.Remove(filepath.Join(dir, "lab", "weather.metadata.json")); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "restore", in(to.URI(), "x"), dir).want(t, exitFailure, "", "no metadata that say which")
}

func TestRestoreIntoWhatIsThere(t *testing.T) {
	from := shop(t)
	uri, dir := from.URI(), t.TempDir()
	tool(t, "", "dump", uri, "shop", "-o", dir).want(t, exitOK, "", "")
	tool(t, "", "restore", uri, dir).want(t, exitFailure, "", `shop has a collection "items" already; nothing was restored`)
	tool(t, "", "delete", uri, "shop.orders", `{"_id":{"$lt":100}}`, "--many").want(t, exitOK, "", "")
	tool(t, "", "restore", uri, dir, "--merge").
		want(t, exitPartly, "restored: 4 collections, 100 documents, 3 KiB, 500 there already", "shop.orders: 100 documents")
	tool(t, "", "count", uri, "shop.orders").want(t, exitOK, "300\n", "")
	tool(t, "", "restore", uri, dir, "--drop").want(t, exitOK, "restored: 4 collections, 600 documents", "")
	tool(t, "", "count", uri, "shop.orders").want(t, exitOK, "300\n", "")
	tool(t, "", "restore", uri, dir, "--collections", "oders", "--drop").want(t, exitFailure, "", `no collection "oders"`)
	tool(t, "", "restore", uri, dir, "--from", "shoq").want(t, exitFailure, "", "has no database shoq, but shop")
	tool(t, "", "restore", uri, t.TempDir()).want(t, exitFailure, "", "holds no dump")
	tool(t, "", "restore", uri, "/none/there").want(t, exitFailure, "", "/none/there")
	tool(t, "", "restore", nobody, dir).want(t, exitFailure, "", "127.0.0.1:1")
	if err := os.CopyFS(filepath.Join(dir, "other"), os.DirFS(filepath.Join(dir, "shop"))); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "restore", in(uri, "x"), dir).want(t, exitUsage, "", "choose one with --from: other, shop")
	tool(t, "", "restore", in(uri, "x"), dir, "--from", "other").want(t, exitOK, "into x restored: 4 collections", "")
	tool(t, "", "restore", uri, dir, "--to", "y").want(t, exitUsage, "", "choose one with --from")
}

func TestRestoreOfDamagedFiles(t *testing.T) {
	from := shop(t)
	dir := t.TempDir()
	tool(t, "", "dump", from.URI(), "shop", "-o", dir).want(t, exitOK, "", "")
	path := filepath.Join(dir, "shop", "orders.bson")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := int(whole[0])
	to := mgxtest.Standalone(t)
	for name, c := range map[string]struct {
		bytes []byte
		says  string
		n     string
	}{
		"cut":    {whole[:len(whole)-3], "orders.bson: damaged at byte ", "299"},
		"length": {slices.Concat(whole[:size], []byte{1, 0, 0, 0}, whole[size+4:]), "in document 2: its length is given as 1 bytes", "1"},
		"inside": {slices.Concat(whole[:4], []byte{0x7e}, whole[5:]), "damaged at byte 0, in document 1: ", "0"},
	} {
		if err := os.WriteFile(path, c.bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		o := tool(t, "", "restore", in(to.URI(), name), filepath.Join(dir, "shop"))
		o.want(t, exitPartly, "restored: 3 of 4 collections", map[bool]string{true: "not restored: inside.orders: ", false: "restored in part: " + name + ".orders: " + c.n + " document"}[c.n == "0"])
		o.want(t, exitPartly, "", c.says)
		tool(t, "", "count", to.URI(), name+".orders").want(t, exitOK, c.n+"\n", "")
		// What is there stays there.
		tool(t, "", "restore", from.URI(), dir, "--drop", "--collections", "orders").want(t, exitFailure, "", "nothing was dropped")
		tool(t, "", "count", from.URI(), "shop.orders").want(t, exitOK, "300\n", "")
	}
	if err := os.WriteFile(filepath.Join(dir, "shop", "items.metadata.json"), []byte("{]"), 0o600); err != nil {
		t.Fatal(err)
	}
	// One bad file does not keep the others back.
	tool(t, "", "restore", in(to.URI(), "meta"), dir).want(t, exitPartly, "restored: 2 of 4 collections", "items.metadata.json: it is not JSON")
}

func TestRestoreSaysWhatItLeavesOut(t *testing.T) {
	from, to := shop(t), mgxtest.Standalone(t)
	dir := t.TempDir()
	tool(t, "", "dump", from.URI(), "shop", "-o", dir).want(t, exitOK, "", "")
	for _, name := range []string{"$admin.system.users.bson", "system.profile.bson", "1234.part", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, "shop", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := tool(t, "", "restore", to.URI(), dir)
	o.want(t, exitOK, "restored: 4 collections", "left out: ")
	if n := strings.Count(o.err, "left out: "); n != 4 {
		t.Errorf("%d are left out:\n%s", n, o.err)
	}
}

func TestDumpInterrupted(t *testing.T) {
	from := shop(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	ended := make(chan struct{}) // the answer must not overtake the interruption
	from.OnCommand(func(c mgxtest.Command) {
		if c.Name == "find" {
			once.Do(func() { cancel(); <-ended })
		}
	})
	o := toolIn(t, ctx, nil, "dump", from.URI(), "shop", "-o", dir, "--parallel", "1")
	close(ended)
	o.want(t, exitInterrupted, "dumped: 0 of 4 collections", "not begun")
	o.want(t, exitInterrupted, "", "mgx: interrupted")
	if entries, err := os.ReadDir(filepath.Join(dir, "shop")); !errors.Is(err, os.ErrNotExist) && err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
}

func TestRestoreInterrupted(t *testing.T) {
	from, to := shop(t), mgxtest.Standalone(t)
	dir := t.TempDir()
	tool(t, "", "dump", from.URI(), "shop", "-o", dir).want(t, exitOK, "", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	ended := make(chan struct{}) // the answer must not overtake the interruption
	to.OnCommand(func(c mgxtest.Command) {
		if c.Name == "createIndexes" {
			once.Do(func() { cancel(); <-ended })
		}
	})
	o := toolIn(t, ctx, nil, "restore", to.URI(), dir, "--parallel", "1")
	close(ended)
	o.want(t, exitInterrupted, "restored: 2 of 4 collections, 600 documents", "restored in part: shop.orders: 300 documents")
	o.want(t, exitInterrupted, "", "not restored: shop.ones: not begun")
}

func TestRestoreFails(t *testing.T) {
	from, to := shop(t), mgxtest.Standalone(t)
	dir := t.TempDir()
	tool(t, "", "dump", from.URI(), "shop", "-o", dir).want(t, exitOK, "", "")
	to.FailCommand(mgxtest.FailCommand{Commands: []string{"createIndexes"}, ErrorCode: 13})
	tool(t, "", "restore", to.URI(), dir).want(t, exitPartly, "restored: 3 of 4 collections, 600 documents", "restored in part: shop.orders: 300 documents, ")
}

// A server that others wrote.
func TestMovingOnFerretDB(t *testing.T) {
	from, to := server(t), server(t)
	var lines strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&lines, "{\"_id\":%d,\"item\":\"item %d\"}\n", i, i%7)
	}
	tool(t, lines.String(), "insert", from, "shop.orders").want(t, exitOK, "2,500 documents", "")
	tool(t, "", "create-index", from, "shop.orders", "item").want(t, exitOK, "item_1", "")
	dir := t.TempDir()
	tool(t, "", "copy", in(from, "shop"), in(to, "copied")).want(t, exitOK, "copied: 1 collection, 2,500 documents", "")
	tool(t, "", "dump", from, "shop", "-o", dir, "--gzip").want(t, exitOK, "dumped: 1 collection, 2,500 documents", "")
	tool(t, "", "restore", in(to, "restored"), dir).want(t, exitOK, "restored: 1 collection, 2,500 documents", "")
	for _, database := range []string{"copied", "restored"} {
		tool(t, "", "indexes", to, database+".orders", "--names").want(t, exitOK, "_id_\nitem_1\n", "")
		if got := tool(t, "", "find", to, database+".orders", "--sort", "_id").out; got != lines.String() {
			t.Errorf("%s: the documents differ", database)
		}
	}
	tool(t, "", "drop", to, "copied", "--yes").want(t, exitOK, "the database copied with 1 collection dropped", "")
}

// A server lists a database that has no collections; it keeps none of the others back.
func TestDumpBesideAnEmptyDatabase(t *testing.T) {
	uri := server(t)
	for _, ns := range []string{"shop.orders", "empty.orders"} {
		tool(t, `{"_id":1}`, "insert", uri, ns).want(t, exitOK, "", "")
	}
	tool(t, "", "drop", uri, "empty.orders", "--yes").want(t, exitOK, "", "")
	tool(t, "", "dbs", uri, "--names").want(t, exitOK, "empty\n", "")
	dir := filepath.Join(t.TempDir(), "backup")
	tool(t, "", "dump", uri, "-o", dir).want(t, exitOK, "1 collection, 1 document", "shop.orders")
	tool(t, "", "dump", uri, "empty", "-o", dir).want(t, exitFailure, "", "it has no collections")
}

func TestRestoreOfWhatLacksFiles(t *testing.T) {
	uri := shop(t).URI()
	dir := filepath.Join(t.TempDir(), "backup")
	tool(t, "", "dump", uri, "shop", "-o", dir).want(t, exitOK, "4 collections", "")
	for _, name := range []string{"orders.bson", "items.metadata.json"} {
		if err := os.Remove(filepath.Join(dir, "shop", name)); err != nil {
			t.Fatal(err)
		}
	}
	o := tool(t, "", "restore", uri, dir, "--drop")
	o.want(t, exitPartly, "3 of 4 collections, 300 documents", "warning: shop.items: there is no file of its options and indexes, so it gets none\n")
	o.want(t, exitPartly, "", "warning: shop.orders: there is no file of its documents\n")
	o.want(t, exitPartly, "", "not restored: shop.orders: nothing was dropped: the dump has no file of its documents\n")
	if strings.Count(o.err, "warning:") != 2 {
		t.Error(o.err)
	}
	tool(t, "", "count", uri, "shop.orders").want(t, exitOK, "300\n", "")
	// Where nothing is lost, a collection can be made of its options and indexes alone.
	tool(t, "", "restore", uri, dir, "--to", "new", "--collections", "orders").want(t, exitOK, "1 collection, 0 documents", "no file of its documents")
	tool(t, "", "indexes", uri, "new.orders", "--names").want(t, exitOK, "by_item\n", "")
}

func TestNoViewIsMergedIntoACollection(t *testing.T) {
	uri := shop(t).URI()
	dir := filepath.Join(t.TempDir(), "backup")
	tool(t, "", "dump", uri, "shop", "-o", dir).want(t, exitOK, "4 collections", "")
	tool(t, `{"_id":1}`, "insert", uri, "new.ones").want(t, exitOK, "", "")
	tool(t, "", "run", uri, "new", `{"create":"orders","viewOn":"ones","pipeline":[]}`).want(t, exitOK, "", "")
	for _, name := range []string{"ones", "orders"} {
		const reason = ` is a view and the other a collection, which cannot be merged; nothing was `
		o := tool(t, "", "copy", in(uri, "shop"), in(uri, "new"), "--merge", "--collections", name)
		o.want(t, exitFailure, "", reason+"copied\n")
		o = tool(t, "", "restore", in(uri, "new"), dir, "--merge", "--collections", name)
		o.want(t, exitFailure, "", reason+"restored\n")
		tool(t, "", "restore", in(uri, "new"), dir, "--drop", "--collections", name).want(t, exitOK, "1 collection", "")
	}
	tool(t, "", "copy", in(uri, "shop"), in(uri, "new"), "--merge", "--collections", "ones").want(t, exitOK, "1 collection", "")
}
