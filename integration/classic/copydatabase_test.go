package classic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/mgxtest"
)

// shop makes a database with what a copy has to take along.
func shop(t *testing.T, c *mgx.Client) *mgx.Database {
	t.Helper()
	db := c.Database("shop")
	for _, name := range []string{"items", "orders"} {
		docs := make([]bson.D, 100)
		for i := range docs {
			docs[i] = bson.D{{"_id", i}, {"n", i % 10}, {"text", strings.Repeat("x", i)}}
		}
		if _, err := db.Collection(name).InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Collection("orders").CreateIndex(t.Context(),
		mgx.Index{Keys: mgx.Keys("-n"), Name: "by_n"}); err != nil {
		t.Fatal(err)
	}
	for name, option := range map[string]mgx.CreateCollectionOption{
		"log": mgx.Capped(1<<20, 50), "zeros": mgx.View("orders", []bson.D{{{"$match", bson.D{{"n", 0}}}}}),
	} {
		if err := db.CreateCollection(t.Context(), name, option); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// two are clients of two servers; the first has a database shop.
func two(t *testing.T) (source, target *mgx.Client, from, to *mgxtest.Deployment) {
	t.Helper()
	from, to = mgxtest.Standalone(t), mgxtest.Standalone(t)
	source, target = connectTo(t, from.URI()), connectTo(t, to.URI())
	shop(t, source)
	return source, target, from, to
}

// documents are a collection's, in order.
func documents(t *testing.T, coll *mgx.Collection) []bson.Raw {
	t.Helper()
	list, err := mgx.Collect[bson.Raw](coll.Find(t.Context(), nil, mgx.Sort("_id")))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCopyDatabase(t *testing.T) {
	source, target, from, _ := two(t)
	ctx := t.Context()
	last := map[string]mgx.CopyProgress{}
	res, err := target.CopyDatabase(ctx, "shop", "copy", mgx.CopyOptions{
		FromHost: from.URI(), Progress: func(p mgx.CopyProgress) { last[p.Collection] = p },
	})
	if err != nil || res.Documents != 200 || len(res.Collections) != 4 || res.Elapsed <= 0 {
		t.Fatalf("%+v %v", res, err)
	}
	for _, name := range []string{"items", "orders"} {
		p := last[name]
		if !p.Done || p.Documents != 100 || p.Total != 100 || p.Bytes == 0 || p.Rate() <= 0 {
			t.Errorf("%s: progress %+v", name, p)
		}
	}
	for _, name := range []string{"items", "orders", "log", "zeros"} {
		a, b := documents(t, source.Database("shop").Collection(name)),
			documents(t, target.Database("copy").Collection(name))
		if !slices.EqualFunc(a, b, func(a, b bson.Raw) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%s: %d documents became %d, or others", name, len(a), len(b))
		}
	}
	indexes, err := mgx.Collect[struct{ Name string }](target.Database("copy").Collection("orders").ListIndexes(ctx))
	if err != nil || len(indexes) != 2 || indexes[1].Name != "by_n" {
		t.Errorf("indexes %v %v", indexes, err)
	}
	specs, err := mgx.Collect[struct {
		Name, Type string
		Options    struct {
			Capped bool
			Max    int
			ViewOn string `bson:"viewOn"`
		}
	}](target.Database("copy").ListCollections(ctx, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		if s.Options.Capped != (s.Name == "log") || (s.Options.Max == 50) != (s.Name == "log") ||
			(s.Options.ViewOn == "orders") != (s.Name == "zeros") {
			t.Errorf("%+v", s)
		}
	}
	// Within a server.
	if res, err := target.CopyDatabase(ctx, "copy", "copy2", mgx.CopyOptions{}); err != nil || res.Documents != 200 {
		t.Errorf("%+v %v", res, err)
	}
}

// Onto a server that others wrote.
func TestCopyDatabaseToFerretDB(t *testing.T) {
	source, target := connectTo(t, mgxtest.Standalone(t).URI()), connect(t)
	t.Cleanup(func() { _ = target.DropDatabase(context.Background(), "copied") })
	if _, err := source.Database("shop").Collection("c").InsertMany(t.Context(), tenDocuments()); err != nil {
		t.Fatal(err)
	}
	res, err := target.CopyDatabase(t.Context(), "shop", "copied", mgx.CopyOptions{Source: source})
	if list := documents(t, target.Database("copied").Collection("c")); err != nil || res.Documents != 10 ||
		len(list) != 10 {
		t.Errorf("%+v, %d documents (%v)", res, len(list), err)
	}
}

func TestCopyDatabaseRefused(t *testing.T) {
	source, target, _, _ := two(t)
	ctx := t.Context()
	if _, err := target.Database("copy").Collection("items").InsertOne(ctx, bson.D{{"_id", 1}}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		from, to string
		options  mgx.CopyOptions
		want     error
	}{
		"an existing target":    {"shop", "copy", mgx.CopyOptions{Source: source}, mgx.ErrNamespaceExists},
		"an invalid target":     {"shop", "a b", mgx.CopyOptions{Source: source}, mgx.ErrInvalidName},
		"an empty target":       {"shop", "", mgx.CopyOptions{Source: source}, mgx.ErrInvalidName},
		"an invalid source":     {"a.b", "x", mgx.CopyOptions{Source: source}, mgx.ErrInvalidName},
		"a source without data": {"nothing", "x", mgx.CopyOptions{Source: source}, mgx.ErrNamespaceNotFound},
		"a source with no host": {"shop", "x", mgx.CopyOptions{FromHost: "mongodb://"}, mgx.ErrConfiguration},
		"a source nobody is at": {"shop", "x",
			mgx.CopyOptions{FromHost: "mongodb://" + scripted.Refusing(t) + "/?serverSelectionTimeoutMS=100"},
			mgx.ErrConnectionFailure},
		"two sources": {"shop", "x", mgx.CopyOptions{Source: source, FromHost: "db1"},
			mgx.ErrInvalidArgument},
		"the source as a target": {"copy", "copy", mgx.CopyOptions{}, mgx.ErrInvalidArgument},
	} {
		if _, err := target.CopyDatabase(ctx, test.from, test.to, test.options); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if names, err := target.Database("copy").ListCollectionNames(ctx, nil); err != nil || len(names) != 1 {
		t.Errorf("something was copied: %v %v", names, err)
	}
	// Unless asked for.
	res, err := target.CopyDatabase(ctx, "shop", "copy", mgx.CopyOptions{Source: source, Drop: true})
	if list := documents(t, target.Database("copy").Collection("items")); err != nil || res.Documents != 200 ||
		len(list) != 100 {
		t.Errorf("%+v, %d documents (%v)", res, len(list), err)
	}
}

// A copy that fails says what was copied and what was not.
func TestCopyDatabaseFails(t *testing.T) {
	source, target, _, to := two(t)
	to.FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Namespace: "copy.orders", ErrorCode: 13})
	res, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source})
	var ce *mgx.CopyError
	if !errors.As(err, &ce) || ce.From != "shop" || ce.To != "copy" ||
		len(ce.Result.Collections) != len(res.Collections) {
		t.Fatalf("%+v %v", res, err)
	}
	const says = "3 of 4 collections were copied, 1 in part, 0 not: orders (0 documents were copied): "
	if !strings.Contains(err.Error(), says) {
		t.Error(err)
	}
	for _, c := range ce.Result.Collections {
		if (c.Err != nil) != (c.Name == "orders") || c.Name == "items" && c.Documents != 100 {
			t.Errorf("%+v", c)
		}
	}
}

func TestCopyDatabaseCancelled(t *testing.T) {
	source, target, _, to := two(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer to.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name == "insert" {
			cancel()
		}
	})()
	res, err := target.CopyDatabase(ctx, "shop", "copy", mgx.CopyOptions{Source: source, Parallel: 1})
	var ce *mgx.CopyError
	if !errors.As(err, &ce) || !errors.Is(err, context.Canceled) || len(res.Collections) != 4 {
		t.Fatalf("%+v %v", res, err)
	}
	for _, c := range res.Collections {
		if c.Err == nil && c.Name != "log" {
			t.Errorf("%+v", c)
		}
	}
}

// Who may read the source is told by username and password.
func TestCopyDatabaseAuthentication(t *testing.T) {
	p := ferretdbcmd.ForTest(t, ferretdbcmd.Options{Username: "root", Password: "pencil"})
	root := connectTo(t, p.UserURI("root", "pencil", "admin"))
	if _, err := root.Database("shop").Collection("c").InsertMany(t.Context(), tenDocuments()); err != nil {
		t.Fatal(err)
	}
	target := connectTo(t, mgxtest.Standalone(t).URI())
	_, err := target.CopyDatabase(t.Context(), "shop", "copy",
		mgx.CopyOptions{FromHost: p.Addr(), Username: "root", Password: "chalk"})
	if !errors.Is(err, mgx.ErrAuthentication) || strings.Contains(err.Error(), "chalk") {
		t.Errorf("a wrong password: %v", err)
	}
	res, err := target.CopyDatabase(t.Context(), "shop", "copy",
		mgx.CopyOptions{FromHost: p.Addr(), Username: "root", Password: "pencil"})
	if err != nil || res.Documents != 10 {
		t.Errorf("%+v %v", res, err)
	}
	// Also of the client's own server.
	_, err = root.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Username: "root", Password: "chalk"})
	if !errors.Is(err, mgx.ErrAuthentication) {
		t.Errorf("a wrong password: %v", err)
	}
	res, err = root.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Username: "root", Password: "pencil"})
	if err != nil || res.Documents != 10 {
		t.Errorf("%+v %v", res, err)
	}
}

// Several collections are copied at once.
func TestCopyDatabaseParallel(t *testing.T) {
	source, target, _, to := two(t)
	var inserting atomic.Int32
	both := make(chan struct{})
	defer to.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name != "insert" {
			return
		}
		if inserting.Add(1) == 2 {
			close(both)
		}
		select {
		case <-both:
		case <-time.After(20 * time.Second):
			t.Error("one collection waits for the other")
		}
	})()
	if _, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source}); err != nil {
		t.Error(err)
	}
}

// A copy reads on while it writes, but only so far.
func TestCopyDatabasePipeline(t *testing.T) {
	from, to := mgxtest.Standalone(t), mgxtest.Standalone(t)
	source, target := connectTo(t, from.URI()), connectTo(t, to.URI())
	// The first batch is the server's to size.
	const batches, size = 8, 4000
	docs := make([]bson.D, batches*size)
	for i := range docs {
		docs[i] = bson.D{{"_id", i}}
	}
	if _, err := source.Database("shop").Collection("c").InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	gets := watch(t, from, "getMore")
	var first atomic.Bool
	var ahead, later int
	defer to.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name != "insert" || first.Swap(true) {
			return
		}
		for deadline := time.Now().Add(20 * time.Second); gets.count() < 2 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		ahead = gets.count()
		time.Sleep(100 * time.Millisecond)
		later = gets.count()
	})()
	res, err := target.CopyDatabase(t.Context(), "shop", "copy", mgx.CopyOptions{Source: source})
	if err != nil || res.Documents != batches*size {
		t.Errorf("%+v %v", res, err)
	}
	if ahead < 2 || later > 3 {
		t.Errorf("while the first batch was written, %d more were read, then %d", ahead, later)
	}
	if text := fmt.Sprint(res.Collections); !strings.Contains(text, "32000") {
		t.Error(text)
	}
}
