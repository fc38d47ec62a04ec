package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestLists(t *testing.T) {
	uri := shop(t).URI()
	tool(t, "", "dbs", uri).want(t, exitOK, "shop", "")
	tool(t, "", "dbs", uri, "--names").want(t, exitOK, "shop\n", "")
	tool(t, "", "dbs", uri, "--json").want(t, exitOK, `{"name":"shop",`, "")
	tool(t, "", "collections", uri, "shop", "--names").want(t, exitOK, "items\nlog\nones\norders\n", "")
	tool(t, "", "collections", uri, "shop", "--json").want(t, exitOK, `{"name":"log","type":"collection","options":{"capped":true`, "")
	tool(t, "", "collections", in(uri, "shop"), "--counts").want(t, exitOK, "items   collection  300\n", "")
	tool(t, "", "collections", uri, "none").want(t, exitOK, "", "")
	tool(t, "", "indexes", uri, "shop.orders").want(t, exitOK, "_id_     {\"_id\":1}\nby_item  {\"item\":1}\n", "")
	tool(t, "", "indexes", uri, "shop.orders", "--json").want(t, exitOK, `"key":{"item":1}`, "")
}

func TestQueries(t *testing.T) {
	uri := shop(t).URI()
	tool(t, "", "count", uri, "shop.orders").want(t, exitOK, "300\n", "")
	tool(t, "", "count", uri, "shop.orders", `{"item":"item 1"}`).want(t, exitOK, "43\n", "")
	tool(t, "", "count", uri, "shop.orders", "--estimate").want(t, exitOK, "300\n", "")
	tool(t, "", "count", uri, "shop.nothing").want(t, exitOK, "0\n", "")
	tool(t, "", "distinct", uri, "shop.orders", "item", `{"_id":{"$lt":2}}`).want(t, exitOK, "\"item 0\"\n\"item 1\"\n", "")
	tool(t, "", "distinct", uri, "shop.orders", "_id", `{"_id":{"$lt":2}}`, "-o", "canonical").want(t, exitOK, "{\"$numberInt\":\"0\"}\n", "")
	tool(t, "", "aggregate", uri, "shop.orders", `[{"$match":{"_id":{"$lt":3}}},{"$project":{"item":1}}]`).want(t, exitOK, "{\"_id\":0,\"item\":\"item 0\"}\n", "")
	tool(t, "", "aggregate", uri, "shop.orders", `{"$limit":1}`, "-o", "canonical", "--batch", "1", "--allow-disk-use").want(t, exitOK, `"$numberInt"`, "")
	tool(t, "", "aggregate", uri, "shop.orders", `{"$limit":1}`, "--explain").want(t, exitOK, "{\n", "")
	tool(t, "", "aggregate", uri, "shop.orders", `{"$nonsense":1}`).want(t, exitFailure, "", "$nonsense")
	tool(t, "", "run", uri, "shop", `{"ping":1}`).want(t, exitOK, `"ok": 1`, "")
	tool(t, "", "run", uri, "shop", `{"nonsense":1}`).want(t, exitFailure, "", "nonsense")
}

func TestChanges(t *testing.T) {
	uri := shop(t).URI()
	tool(t, "", "update", uri, "shop.orders", `{"_id":1}`, `{"$set":{"qty":1}}`).want(t, exitOK, "1 document matched, 1 changed\n", "")
	tool(t, "", "update", uri, "shop.orders", `{"item":"item 2"}`, `{"$set":{"qty":2}}`, "--many", "--hint", "by_item").want(t, exitOK, "43 documents matched, 43 changed\n", "")
	tool(t, "", "update", uri, "shop.orders", `{"_id":999}`, `{"$set":{"qty":2}}`, "--upsert").want(t, exitOK, "0 documents matched, 0 changed, inserted one with the _id 999\n", "")
	tool(t, "", "delete", uri, "shop.orders", `{"qty":2}`).want(t, exitOK, "1 document deleted\n", "")
	tool(t, "", "delete", uri, "shop.orders", `{"qty":2}`, "--many", "--hint", `{"item":1}`).want(t, exitOK, "43 documents deleted\n", "")
	tool(t, "", "create-index", uri, "shop.orders", "item,-qty", "--sparse").want(t, exitOK, "item_1_qty_-1\n", "")
	tool(t, "", "create-index", uri, "shop.orders", "--expire-after", "90s", "--unique", "--partial", `{"qty":{"$gt":1}}`, "--", "-seen").want(t, exitOK, "seen_-1\n", "")
	tool(t, "", "indexes", uri, "shop.orders").want(t, exitOK, `"expireAfterSeconds":90`, "")
	tool(t, "", "drop-index", uri, "shop.orders", "seen_-1").want(t, exitOK, "index seen_-1 of shop.orders dropped", "")
	tool(t, "", "drop-index", uri, "shop.orders", "seen_-1").want(t, exitFailure, "", "seen_-1")
	tool(t, "", "create-index", uri, "shop.orders", "item", "--unique").want(t, exitFailure, "", "item")
}

func TestBulk(t *testing.T) {
	uri := mgxtest.Standalone(t).URI()
	tool(t, `{"insertOne":{"document":{"_id":1,"a":[1,5]}}}
{"insertOne":{"document":{"_id":2}}}
{"updateOne":{"filter":{"_id":1},"update":{"$set":{"a.$[x]":0}},"arrayFilters":[{"x":{"$gt":2}}]}}
{"updateOne":{"filter":{"_id":3},"update":{"$set":{"n":3}},"upsert":true}}
{"updateMany":{"filter":{},"update":[{"$set":{"m":1}}]}}
{"replaceOne":{"filter":{"_id":2},"replacement":{"two":true},"hint":"_id_"}}
{"deleteOne":{"filter":{"_id":3}}}
{"deleteMany":{"filter":{"_id":77}}}
`, "bulk", uri, "shop.orders", "--batch", "3").want(t, exitOK, "2 inserted, 5 matched, 5 changed, 1 upserted, 1 deleted\n", "")
	tool(t, "", "find", uri, "shop.orders").want(t, exitOK, `{"_id":1,"a":[1,0],"m":1}
{"_id":2,"two":true}
`, "")

	const troubled = `{"insertOne":{"document":{"_id":10}}}
{"insertOne":{"document":{"_id":10}}}
{"insertone":{"document":{"_id":11}}}
{"insertOne":{"document":{"_id":12}}}
`
	tool(t, troubled, "bulk", uri, "shop.b").want(t, exitPartly, "1 inserted, 0 matched, 0 changed, 0 upserted, 0 deleted, 1 write failed", "line 2: ")
	tool(t, troubled, "bulk", uri, "shop.c", "--unordered").want(t, exitPartly, "2 inserted, 0 matched, 0 changed, 0 upserted, 0 deleted, 2 writes failed", `line 3: "insertone" is no write`)
	tool(t, troubled, "bulk", uri, "shop.c2", "--unordered").want(t, exitPartly, "", "line 2: ")
	file := write(t, "writes.jsonl", `{"deleteOne":{"filter":{}}}`)
	tool(t, "{]\n", "bulk", uri, "shop.d", file, "-").want(t, exitPartly, "0 deleted, 1 write failed", "standard input, line 1: column 2")
	tool(t, "", "bulk", uri, "shop.d", "/none.jsonl").want(t, exitFailure, "", "/none.jsonl")
	tool(t, `{"deleteOne":{"filter":{}}}`, "bulk", nobody, "shop.d").want(t, exitFailure, "", "127.0.0.1:1")
	for line, says := range map[string]string{
		`{"insertOne":{"document":{}},"x":1}`:                  "a write has one field, like insertOne, but this has 2",
		`{"insertOne":{}}`:                                     "insertOne lacks its document",
		`{"insertOne":{"document":1}}`:                         "insertOne: its document is no document",
		`{"deleteOne":{"filter":{},"hint":1.5,"collation":3}}`: "deleteOne: ",
		`{"updateOne":{"filter":{}}}`:                          "updateOne lacks its update",
		`{"deleteOne":{"filter":{},"upsert":true}}`:            `deleteOne has no "upsert"; it can have filter, collation, hint`,
		`{"updateOne":{"filter":{},"update":{"a":1}}}`:         `"a" is no operator`,
		`{"replaceOne":{"filter":{},"replacement":[1]}}`:       "replaceOne: its replacement is no document",
	} {
		if o := tool(t, line, "bulk", uri, "shop.e"); o.status == exitOK || !strings.Contains(o.err, says) {
			t.Errorf("%s: status %d\n%s", line, o.status, o.err)
		}
	}
}

func TestDrop(t *testing.T) {
	uri := shop(t).URI()
	tool(t, "y\n", "drop", uri, "shop.orders").want(t, exitUsage, "", "the input is no terminal, so nobody can be asked; --yes drops shop.orders")
	answer := func(text string, args ...string) outcome {
		t.Helper()
		var out, errs buffer
		a := &app{Streams: Streams{In: strings.NewReader(text), Out: &out, Err: &errs}, colors: string(screen.Never), asks: true}
		status := a.execute(t.Context(), append([]string{"drop"}, args...))
		return outcome{status, out.String(), errs.String()}
	}
	answer("\n", uri, "shop.orders").want(t, exitFailure, "", "Drop the collection shop.orders with 300 documents on 127.0.0.1? [y/N] mgx: nothing was dropped")
	answer("", uri, "shop.orders").want(t, exitFailure, "", "nothing was dropped")
	answer("n\n", uri, "shop").want(t, exitFailure, "", "shop has items, log, ones, orders\nDrop the database shop with 4 collections")
	tool(t, "", "count", uri, "shop.orders").want(t, exitOK, "300\n", "")
	answer("Yes\n", uri, "shop.ones").want(t, exitOK, "the view shop.ones dropped\n", "")
	answer("y\n", uri, "shop.orders").want(t, exitOK, "the collection shop.orders with 300 documents dropped\n", "")
	tool(t, `{"_id":1}`, "insert", uri, "items.i").want(t, exitOK, "", "")
	tool(t, "", "drop", in(uri, "shop"), "items", "--yes").want(t, exitUsage, "", "nothing was dropped: items may be the database, or the collection shop.items;")
	tool(t, "", "drop", in(uri, "admin"), "items", "--yes").want(t, exitOK, "the database items with 1 collection dropped\n", "")
	tool(t, "", "drop", uri, "shop", "--yes").want(t, exitOK, "the database shop with 2 collections dropped\n", "")
	tool(t, "", "drop", uri, "shop", "-y").want(t, exitFailure, "", "there is no database shop")
	tool(t, "", "drop", uri, "shop.orders", "-y").want(t, exitFailure, "", "there is no collection shop.orders")
}

func TestFsync(t *testing.T) {
	uri := mgxtest.Standalone(t).URI()
	tool(t, "", "fsync", uri).want(t, exitOK, "all is on disk\n", "")
	tool(t, "", "fsync", uri, "--async").want(t, exitOK, "the server is writing\n", "")
	for range 3 {
		tool(t, "", "fsync", uri, "--lock").want(t, exitOK, `writes wait for "mgx unlock"`, "")
	}
	tool(t, "", "unlock", uri).want(t, exitOK, "there are more", "")
	tool(t, "", "unlock", uri, "--all").want(t, exitOK, "writes go on\n", "")
	tool(t, "", "unlock", uri).want(t, exitFailure, "", "not locked")
	tool(t, `{}`, "insert", uri, "shop.orders").want(t, exitOK, "1 document", "")
}

func TestKillCursors(t *testing.T) {
	uri := shop(t).URI()
	client, err := mgx.Connect(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeClient(client) }()
	cur := client.Database("shop").Collection("orders").Find(t.Context(), nil, mgx.BatchSize(2))
	if !cur.Next() {
		t.Fatal(cur.Err())
	}
	id := strconv.FormatInt(cur.ID(), 10)
	tool(t, "", "kill-cursors", uri, "shop.orders", id, "123").want(t, exitPartly, "1 cursor ended\n", "123: there is no such cursor on 127.0.0.1")
	tool(t, "", "kill-cursors", uri, "shop.orders", id).want(t, exitFailure, "0 cursors ended\n", "none of the cursors")
	for cur.Next() {
	}
	if err := cur.Err(); !errors.Is(err, mgx.ErrCursorNotFound) {
		t.Error(err)
	}
}

// What changes data stops when it is interrupted.
func TestInterruptedBulk(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := mgxtest.Standalone(t)
	ended := make(chan struct{}) // the answer must not overtake the interruption
	defer close(ended)
	d.OnCommand(func(c mgxtest.Command) {
		if c.Name == "insert" {
			cancel()
			<-ended
		}
	})
	o := toolIn(t, ctx, strings.NewReader(strings.Repeat(`{"insertOne":{"document":{}}}`+"\n", 10)), "bulk", d.URI(), "shop.orders", "--batch", "1")
	o.want(t, exitInterrupted, "0 inserted", "standard input, lines 1 to 1: some of these writes may have run\nmgx: interrupted\n")
}
