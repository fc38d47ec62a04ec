package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// copyServers returns clients of two simulated servers, and the second of them. The
// first one has a database "shop".
func copyServers(t *testing.T) (source, target *mgx.Client, server *mgxtest.Deployment) {
	t.Helper()
	a, b := mgxtest.Standalone(t), mgxtest.Standalone(t)
	source, target = connectTo(t, a.URI()), connectTo(t, b.URI())
	db := source.Database("shop")
	for _, name := range []string{"items", "orders"} {
		docs := make([]bson.D, 100)
		for i := range docs {
			docs[i] = bson.D{{"_id", i}, {"n", i % 7}}
		}
		insert(t, db.Collection(name), docs...)
	}
	if _, err := db.Collection("orders").CreateIndex(t.Context(), mgx.Index{Keys: mgx.Keys("-n"), Name: "by_n", Sparse: true}); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateCollection(t.Context(), "log", mgx.Capped(1<<20, 50)); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateCollection(t.Context(), "sevens", mgx.View("orders", []bson.D{{{"$match", bson.D{{"n", 0}}}}})); err != nil {
		t.Fatal(err)
	}
	return source, target, b
}

// described lists a database's collections and indexes, without what differs from
// server to server.
func described(t *testing.T, db *mgx.Database) (list []string) {
	t.Helper()
	specs, err := mgx.Collect[struct {
		Name, Type string
		Options    bson.Raw
	}](db.ListCollections(t.Context(), nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		list = append(list, fmt.Sprint(s.Name, " ", s.Type, " ", s.Options))
		if s.Type == "view" {
			continue
		}
		indexes, err := mgx.Collect[bson.Raw](db.Collection(s.Name).ListIndexes(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range indexes {
			list = append(list, fmt.Sprint(s.Name, " ", i))
		}
	}
	slices.Sort(list)
	return list
}

func names(r mgx.CopyResult) (list []string) {
	for _, c := range r.Collections {
		list = append(list, c.Name)
	}
	return list
}

func TestCopyAll(t *testing.T) {
	source, target, _ := copyServers(t)
	// A document from before there was a validator.
	checked := source.Database("shop")
	if err := checked.CreateCollection(t.Context(), "checked", mgx.Validator(bson.D{{"qty", bson.D{{"$gt", 0}}}}, "", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := checked.Collection("checked").InsertOne(t.Context(), bson.D{{"_id", 1}}, mgx.BypassDocumentValidation(true)); err != nil {
		t.Fatal(err)
	}
	var stages []string
	res, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source, Parallel: 1, Progress: func(p mgx.CopyProgress) {
		if text := fmt.Sprint(p.Collection, " ", p.Stage); !slices.Contains(stages, text) {
			stages = append(stages, text)
		}
		if p.Done && p.Collection == "orders" && (p.Documents != 100 || p.Total != 100 || p.Bytes == 0 || p.Rate() <= 0) {
			t.Errorf("progress: %+v", p)
		}
	}})
	if err != nil || res.Documents != 201 || res.Bytes == 0 || res.Elapsed <= 0 {
		t.Fatalf("%+v: %v", res, err)
	}
	if got := fmt.Sprint(names(res)); got != "[checked items log orders sevens]" {
		t.Error(got)
	}
	if o := res.Collections[3]; o.Indexes != 1 || !o.Begun || o.Documents != 100 {
		t.Errorf("%+v", o)
	}
	if want, got := described(t, source.Database("shop")), described(t, target.Database("copy")); !slices.Equal(want, got) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n, err := target.Database("copy").Collection("sevens").CountDocuments(t.Context(), nil); n != 15 || err != nil {
		t.Errorf("the view has %d (%v)", n, err)
	}
	for _, want := range []string{"orders documents", "orders verify", "orders indexes", "sevens documents"} {
		if !slices.Contains(stages, want) {
			t.Errorf("no %q in %q", want, stages)
		}
	}
}

func TestCopyChoosesCollections(t *testing.T) {
	source, target, _ := copyServers(t)
	res, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source, Only: []string{"orders", "items"}, Exclude: []string{"items", "none"}})
	if err != nil || fmt.Sprint(names(res)) != "[orders]" {
		t.Errorf("%v: %v", names(res), err)
	}
	_, err = target.CopyDatabase(t.Context(), "shop", "copy2", mgx.CopyOptions{Source: source, Only: []string{"orders", "oders"}})
	if !errors.Is(err, mgx.ErrNamespaceNotFound) || !strings.Contains(err.Error(), `"oders"`) {
		t.Error(err)
	}
	if list, err := target.Database("copy2").ListCollectionNames(t.Context(), nil); err != nil || len(list) > 0 {
		t.Errorf("copied all the same: %v (%v)", list, err)
	}
}

func TestCopyDropsTheTarget(t *testing.T) {
	source, target, _ := copyServers(t)
	db := target.Database("copy")
	insert(t, db.Collection("orders"), bson.D{{"_id", 1}, {"old", true}}, bson.D{{"_id", "x"}})
	insert(t, db.Collection("mine"), bson.D{{"_id", 1}})
	_, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source})
	if !errors.Is(err, mgx.ErrNamespaceExists) || !strings.Contains(err.Error(), `"orders"`) {
		t.Errorf("without being asked to: %v", err)
	}
	if res, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source, Drop: true}); err != nil || res.Documents != 200 {
		t.Fatalf("%+v: %v", res, err)
	}
	for name, want := range map[string]int64{"orders": 100, "mine": 1} {
		if n, err := db.Collection(name).CountDocuments(t.Context(), nil); n != want || err != nil {
			t.Errorf("%s has %d (%v)", name, n, err)
		}
	}
	if _, err := target.CopyDatabase(t.Context(), "shop", "x", mgx.CopyOptions{Source: source, Drop: true, Merge: true}); !errors.Is(err, mgx.ErrInvalidArgument) {
		t.Error(err)
	}
}

// Documents that are there already stay as they are, and the others come.
func TestCopyMerges(t *testing.T) {
	source, target, _ := copyServers(t)
	orders := target.Database("copy").Collection("orders")
	insert(t, orders, bson.D{{"_id", 0}, {"mine", true}}, bson.D{{"_id", 57}}, bson.D{{"_id", "x"}})
	res, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source, Merge: true})
	if c := res.Collections[2]; err != nil || c.Name != "orders" || c.Documents != 98 || c.Duplicates != 2 || c.Indexes != 1 || res.Duplicates != 2 {
		t.Fatalf("%+v: %v", res, err)
	}
	if n, err := orders.CountDocuments(t.Context(), nil); n != 101 || err != nil {
		t.Errorf("there are %d (%v)", n, err)
	}
	if one, err := orders.FindOne(t.Context(), bson.D{{"_id", 0}}).Raw(); err != nil || !one.Lookup("mine").Boolean() {
		t.Errorf("%v %v", one, err)
	}
}

// Two clients may well be of one server.
func TestCopyOntoItself(t *testing.T) {
	server := mgxtest.Standalone(t)
	a, b := connectTo(t, server.URI()), connectTo(t, server.URI())
	c := a.Database("shop").Collection("orders")
	insert(t, c, bson.D{{"_id", 1}})
	_, err := a.CopyDatabase(t.Context(), "shop", "shop", mgx.CopyOptions{Source: b, Drop: true})
	if !errors.Is(err, mgx.ErrInvalidArgument) || !strings.Contains(err.Error(), "UUID") {
		t.Error(err)
	}
	if n, err := c.CountDocuments(t.Context(), nil); n != 1 || err != nil {
		t.Errorf("there are %d (%v)", n, err)
	}
}

// A source that does not answer leaves the target as it is.
func TestCopyOfASourceThatFails(t *testing.T) {
	a, b := mgxtest.Standalone(t), mgxtest.Standalone(t)
	source, target := connectTo(t, a.URI()), connectTo(t, b.URI())
	insert(t, source.Database("shop").Collection("orders"), bson.D{{"_id", 1}})
	insert(t, target.Database("copy").Collection("orders"), bson.D{{"_id", "old"}})
	a.FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, ErrorCode: 13})
	_, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source, Drop: true})
	var failed *mgx.CopyError
	if !errors.As(err, &failed) || failed.Result.Collections[0].Begun || !strings.Contains(err.Error(), "0 of 1 collections were copied, 0 in part, 1 not") {
		t.Errorf("%v", err)
	}
	if one, err := target.Database("copy").Collection("orders").FindOne(t.Context(), nil).Raw(); err != nil || one.Lookup("_id").StringValue() != "old" {
		t.Errorf("%v %v", one, err)
	}
}

func TestCopyVerifies(t *testing.T) {
	for _, c := range []struct {
		name    string
		source  int32 // what it answers to count
		target  int32
		counted int32 // what the source answers to a count by aggregation
		says    string
	}{
		{"all is well", 1, 1, 1, ""},
		{"a document got lost", 1, 0, 1, "the target should have 1 documents, and has 0"},
		{"the source's metadata is wrong", 9, 1, 1, ""},
		{"the source did not send all", 9, 1, 9, "1 documents were read from the source, which has 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := mgxtest.Standalone(t), mgxtest.Standalone(t)
			source, target := connectTo(t, a.URI()), connectTo(t, b.URI())
			insert(t, source.Database("shop").Collection("orders"), bson.D{{"_id", 1}})
			counted := func(n int32) func(*mgxtest.Command) (bson.D, error) {
				return func(*mgxtest.Command) (bson.D, error) {
					return bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "shop.orders"}, {"firstBatch", bson.A{bson.D{{"n", n}}}}}}}, nil
				}
			}
			a.Handle("count", func(*mgxtest.Command) (bson.D, error) { return bson.D{{"ok", 1}, {"n", c.source}}, nil })
			a.Handle("aggregate", counted(c.counted))
			b.Handle("aggregate", counted(c.target))
			_, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source})
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCopyIsCancelled(t *testing.T) {
	source, target, server := copyServers(t)
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	server.OnCommand(func(c mgxtest.Command) {
		if c.Name == "createIndexes" { // of orders, the last of the collections
			once.Do(cancel)
		}
	})
	res, err := target.CopyDatabase(ctx, "shop", "copy", mgx.CopyOptions{Source: source, Parallel: 1})
	var failed *mgx.CopyError
	if !errors.As(err, &failed) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !strings.Contains(err.Error(), "2 of 4 collections were copied, 1 in part, 1 not: orders (100 documents were copied): ") ||
		!strings.Contains(err.Error(), "sevens: not begun: ") {
		t.Error(err)
	}
	for _, c := range res.Collections {
		if (c.Err == nil) != (c.Name == "items" || c.Name == "log") || c.Begun != (c.Name != "sevens") {
			t.Errorf("%+v", c)
		}
	}
}
