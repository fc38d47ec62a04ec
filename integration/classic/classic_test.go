package classic

import (
	"context"
	"errors"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestHostPortNodes(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	seed := dep.Members()[1].Addr()
	c := connectTo(t, "mongodb://"+seed+"/?replicaSet="+replicaSetName(t, dep))
	if addr := net.JoinHostPort(c.Host(), itoa(c.Port())); addr != dep.Primary().Addr() {
		t.Errorf("host and port are %s, the primary is %s", addr, dep.Primary().Addr())
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(c.Nodes()) != 3 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	for _, m := range dep.Members() {
		if !slices.Contains(c.Nodes(), m.Addr()) {
			t.Errorf("nodes %v miss %s", c.Nodes(), m.Addr())
		}
	}
}

func TestIsPrimary(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	if c := connectTo(t, dep.URI()); !c.IsPrimary() {
		t.Error("a client of the set is not at the primary")
	}
	if c := connectTo(t, dep.Secondaries()[0].URI()); c.IsPrimary() {
		t.Error("a client of a secondary is at the primary")
	}
	if c := connect(t); !c.IsPrimary() || c.IsMongos() {
		t.Error("a standalone server does not count as primary, or does as mongos")
	}
}

func TestIsMongos(t *testing.T) {
	if c := connectTo(t, mgxtest.Sharded(t).URI()); !c.IsMongos() || !c.IsPrimary() {
		t.Error("a mongos was not recognised")
	}
}

func TestMaxSizes(t *testing.T) {
	size := 7
	c := connect(t, func(o *mgx.Options) { o.MaxPoolSize = &size })
	if c.MaxPoolSize() != 7 || c.MaxBSONSize() != 16<<20 || c.MaxMessageSize() != 48_000_000 {
		t.Errorf("%d %d %d", c.MaxPoolSize(), c.MaxBSONSize(), c.MaxMessageSize())
	}
}

func TestDocumentClass(t *testing.T) {
	c := connect(t, func(o *mgx.Options) { o.DocumentType = reflect.TypeFor[bson.M]() })
	if c.DocumentType() != reflect.TypeFor[bson.M]() {
		t.Error(c.DocumentType())
	}
	ctx := t.Context()
	db := c.Database("document_class")
	t.Cleanup(func() { _ = db.Drop(context.Background()) })
	coll := db.Collection("c")
	if _, err := coll.InsertOne(ctx, bson.D{{"_id", 1}, {"sub", bson.D{{"a", 1}}}}); err != nil {
		t.Fatal(err)
	}
	typeOf := func(coll *mgx.Collection, options ...mgx.FindOption) reflect.Type {
		var v struct{ Sub any }
		if err := coll.FindOne(ctx, nil, options...).Decode(&v); err != nil {
			t.Fatal(err)
		}
		return reflect.TypeOf(v.Sub)
	}
	for name, got := range map[string]struct{ got, want reflect.Type }{
		"client":     {typeOf(coll), reflect.TypeFor[bson.M]()},
		"database":   {typeOf(c.Database("document_class", mgx.WithDocumentType(reflect.TypeFor[bson.D]())).Collection("c")), reflect.TypeFor[bson.D]()},
		"collection": {typeOf(db.Collection("c", mgx.WithDocumentType(reflect.TypeFor[map[string]any]()))), reflect.TypeFor[map[string]any]()},
		"call":       {typeOf(coll, mgx.WithDocumentType(reflect.TypeFor[bson.Raw]())), reflect.TypeFor[bson.Raw]()},
	} {
		if got.got != got.want {
			t.Errorf("%s: a document in an any is a %v, want %v", name, got.got, got.want)
		}
	}
}

func TestTZAware(t *testing.T) {
	zone := time.FixedZone("somewhere", 3600)
	c := connect(t, func(o *mgx.Options) { o.TimeLocation = zone })
	ctx := t.Context()
	coll := c.Database("tz_aware").Collection("c")
	when := time.Date(2013, 9, 1, 12, 0, 0, 0, time.UTC)
	if _, err := coll.InsertOne(ctx, bson.D{{"when", when}}); err != nil {
		t.Fatal(err)
	}
	type doc struct{ When any }
	aware, err := mgx.FindOne[doc](ctx, coll, nil)
	if got, ok := aware.When.(time.Time); err != nil || !ok || !got.Equal(when) || got.Location() != zone {
		t.Errorf("%v %v", aware, err)
	}
	naive, err := mgx.FindOne[doc](ctx, coll, nil, mgx.WithTimeLocation(nil))
	if _, ok := naive.When.(bson.DateTime); err != nil || !ok {
		t.Errorf("%T %v", naive.When, err)
	}
}

func TestReadPreference(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.Tags(1, "dc", "east"), mgxtest.Tags(2, "dc", "west"))
	c := connectTo(t, dep.URI(), func(o *mgx.Options) {
		o.ReadPreference = mgx.ReadPreference{Mode: mgx.Secondary, TagSets: []map[string]string{{"dc": "north"}, {"dc": "west"}, {}}}
		o.LocalThreshold = 20 * time.Millisecond
	})
	if c.ReadPreference().Mode != mgx.Secondary || len(c.ReadPreference().TagSets) != 3 || c.LocalThreshold() != 20*time.Millisecond {
		t.Errorf("%v %v", c.ReadPreference(), c.LocalThreshold())
	}
	var mu sync.Mutex
	seen := map[string]int{}
	defer dep.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name == "find" {
			mu.Lock()
			seen[cmd.Member.Addr()]++
			mu.Unlock()
		}
	})()
	find := func() {
		if err := c.Database("a").Collection("b").FindOne(t.Context(), nil).Err(); !errors.Is(err, mgx.ErrNoDocuments) {
			t.Fatal(err)
		}
	}
	// Until the member with the tags is discovered, the empty tag set decides.
	west := dep.Members()[2].Addr()
	discovered := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen[west] > 0
	}
	for deadline := time.Now().Add(5 * time.Second); !discovered() && time.Now().Before(deadline); {
		find()
	}
	mu.Lock()
	clear(seen)
	mu.Unlock()
	for range 10 {
		find()
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 1 || seen[west] != 10 {
		t.Errorf("reads went to %v, not to %s", seen, west)
	}
}

func TestWriteConcern(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	c := connectTo(t, dep.URI())
	coll := c.Database("write_concern").Collection("c") // before the changes
	concerns := make(chan bson.Raw, 10)
	defer dep.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name == "insert" {
			wc, _ := cmd.Body.Lookup("writeConcern").DocumentOK()
			concerns <- slices.Clone(wc)
		}
	})()
	insert := func() error { _, err := coll.InsertOne(t.Context(), bson.D{}); return err }

	if err := insert(); err != nil || len(<-concerns) != 0 {
		t.Errorf("the default is sent (%v)", err)
	}
	if err := c.SetWriteConcern(mgx.WriteConcern{W: 2}); err != nil {
		t.Fatal(err)
	}
	if err := c.ChangeWriteConcern(func(w *mgx.WriteConcern) { w.Timeout = time.Second }); err != nil {
		t.Fatal(err)
	}
	if w := c.WriteConcern(); w.W != 2 || w.Timeout != time.Second {
		t.Errorf("%+v", w)
	}
	if err := insert(); err != nil {
		t.Fatal(err)
	}
	if wc := <-concerns; wc.Lookup("w").AsInt64() != 2 || wc.Lookup("wtimeout").AsInt64() != 1000 {
		t.Errorf("sent %v", wc)
	}
	if err := c.SetWriteConcern(mgx.WriteConcern{W: -1}); !errors.Is(err, mgx.ErrConfiguration) || c.WriteConcern().W != 2 {
		t.Errorf("a bad one: %v", err)
	}
	// An expired wtimeout is an error beside the result.
	for _, m := range dep.Secondaries() {
		m.PauseReplication()
	}
	if err := c.SetWriteConcern(mgx.WriteConcern{W: 3, Timeout: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	res, err := coll.InsertOne(t.Context(), bson.D{})
	var wce *mgx.WriteConcernError
	if !errors.As(err, &wce) || !errors.Is(err, mgx.ErrWriteConcern) || res.InsertedID == nil {
		t.Errorf("%v, %v", res, err)
	}
	// w=0 turns acknowledgement off.
	if err := c.SetWriteConcern(mgx.Unacknowledged()); err != nil {
		t.Fatal(err)
	}
	if res, err := coll.InsertOne(t.Context(), bson.D{}); err != nil || res.Acknowledged {
		t.Errorf("%+v %v", res, err)
	}
	// Concurrent changes do not undo each other.
	var wg sync.WaitGroup
	_ = c.SetWriteConcern(mgx.WriteConcern{W: 0})
	for range 50 {
		wg.Go(func() { _ = c.ChangeWriteConcern(func(w *mgx.WriteConcern) { w.W = w.W.(int) + 1 }) })
	}
	wg.Wait()
	if w := c.WriteConcern().W; w != 50 {
		t.Errorf("w is %v after 50 increments", w)
	}
}

func TestFsyncLock(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI())
	ctx := t.Context()
	if err := c.Fsync(ctx, mgx.FsyncLock|mgx.FsyncAsync); !errors.Is(err, mgx.ErrInvalidArgument) {
		t.Error(err)
	}
	if err := c.Fsync(ctx, mgx.FsyncWait); err != nil {
		t.Error(err)
	}
	if locked, err := c.IsLocked(ctx); locked || err != nil {
		t.Errorf("%v %v", locked, err)
	}
	if err := c.Fsync(ctx, mgx.FsyncLock); err != nil {
		t.Fatal(err)
	}
	if locked, err := c.IsLocked(ctx); !locked || err != nil {
		t.Errorf("%v %v", locked, err)
	}
	coll := c.Database("fsync").Collection("c")
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := coll.InsertOne(short, bson.D{}); !errors.Is(err, mgx.ErrTimeout) {
		t.Errorf("a write went on while locked: %v", err)
	}
	if err := coll.FindOne(ctx, nil).Err(); !errors.Is(err, mgx.ErrNoDocuments) {
		t.Errorf("a read did not pass: %v", err)
	}
	if err := c.Unlock(ctx); err != nil {
		t.Error(err)
	}
	if _, err := coll.InsertOne(ctx, bson.D{}); err != nil {
		t.Error(err)
	}
}

func TestDatabaseNames(t *testing.T) {
	c := connect(t)
	ctx := t.Context()
	for _, name := range []string{"names_a", "names_b"} {
		if err := c.Database(name).CreateCollection(ctx, "c"); err != nil {
			t.Fatal(err)
		}
	}
	names, err := c.ListDatabaseNames(ctx, nil)
	if err != nil || !slices.Contains(names, "names_a") || !slices.Contains(names, "names_b") {
		t.Errorf("%v %v", names, err)
	}
	if err := c.DropDatabase(ctx, "names_a"); err != nil {
		t.Error(err)
	}
	if err := c.Database("names_b").Drop(ctx); err != nil {
		t.Error(err)
	}
	names, err = c.ListDatabaseNames(ctx, nil)
	if err != nil || slices.Contains(names, "names_a") || slices.Contains(names, "names_b") {
		t.Errorf("after dropping: %v %v", names, err)
	}
}

func TestServerInfo(t *testing.T) {
	info, err := connect(t).ServerInfo(t.Context())
	if err != nil || info.Version == "" || info.MaxBSONSize != 16<<20 || len(info.Raw) == 0 {
		t.Errorf("%+v %v", info, err)
	}
}

func TestGetDefaultDatabase(t *testing.T) {
	if db, err := connectTo(t, strings.TrimSuffix(uri, "/")+"/shop").DefaultDatabase(); err != nil || db.Name() != "shop" {
		t.Error(err)
	}
	if _, err := connect(t).DefaultDatabase(); !errors.Is(err, mgx.ErrConfiguration) {
		t.Error(err)
	}
}

func TestCloseCursorKillCursors(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	c := connectTo(t, dep.URI())
	ctx := t.Context()
	db := c.Database("cursors")
	for _, name := range []string{"a", "b"} {
		if _, err := db.Collection(name).InsertMany(ctx, tenDocuments()); err != nil {
			t.Fatal(err)
		}
	}
	kills := make(chan mgxtest.Command, 10)
	defer dep.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name == "killCursors" {
			kills <- cmd
		}
	})()
	open := func(collection string) *mgx.Cursor {
		cur := db.Collection(collection).Find(ctx, nil, mgx.BatchSize(2))
		if !cur.Next() {
			t.Fatal(cur.Err())
		}
		return cur
	}
	// Kills are grouped by collection.
	a1, a2, b1 := open("a"), open("a"), open("b")
	if err := c.KillCursors(ctx, a1.ID(), a2.ID(), b1.ID(), 12345); err != nil {
		t.Error(err)
	}
	if len(kills) != 2 {
		t.Errorf("%d commands, want one for each of two collections", len(kills))
	}
	for len(kills) > 0 {
		cmd := <-kills
		ids, _ := cmd.Body.Lookup("cursors").Array().Values()
		if want := map[string]int{"a": 2, "b": 1}[cmd.Body.Lookup("killCursors").StringValue()]; len(ids) != want {
			t.Errorf("%v", cmd.Body)
		}
	}
	if _, err := mgx.Collect[bson.Raw](a1); !errors.Is(err, mgx.ErrCursorNotFound) {
		t.Errorf("a killed cursor: %v", err)
	}
	// By identifier, one cursor.
	cur := open("a")
	if err := c.CloseCursor(ctx, cur.ID()); err != nil || len(kills) != 1 {
		t.Errorf("%v, %d commands", err, len(kills))
	}
	<-kills
}

func TestSetCursorManager(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI())
	ctx := t.Context()
	coll := c.Database("cursors").Collection("c")
	if _, err := coll.InsertMany(ctx, tenDocuments()); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	kills := 0
	defer dep.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name == "killCursors" {
			mu.Lock()
			kills++
			mu.Unlock()
		}
	})()
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return kills
	}
	closeOne := func() {
		cur := coll.Find(ctx, nil, mgx.BatchSize(2))
		if !cur.Next() {
			t.Fatal(cur.Err())
		}
		if err := cur.Close(); err != nil {
			t.Fatal(err)
		}
	}
	closeOne()
	if count() != 1 {
		t.Errorf("by default, %d kills for one cursor", count())
	}
	batched := mgx.NewBatchedCursors(c, 3)
	c.SetCursorManager(batched)
	for range 4 {
		closeOne()
	}
	if count() != 2 {
		t.Errorf("batched: %d kills after four cursors, want 1 more for three", count()-1)
	}
	batched.Flush()
	if count() != 3 {
		t.Errorf("flush: %d kills", count())
	}
	c.SetCursorManager(mgx.NewTimedCursors(c, 20*time.Millisecond))
	closeOne()
	closeOne()
	deadline := time.Now().Add(5 * time.Second)
	for count() != 4 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if count() != 4 {
		t.Errorf("timed: %d kills for two cursors, want 1", count()-3)
	}
	c.SetCursorManager(nil)
	closeOne()
	if count() != 5 {
		t.Errorf("back to the default: %d", count())
	}
}

func TestStartRequest(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI())
	var mu sync.Mutex
	used := map[int64]int{}
	defer dep.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name == "find" || cmd.Name == "insert" {
			mu.Lock()
			used[cmd.ConnectionID]++
			mu.Unlock()
		}
	})()
	coll := c.Database("requests").Collection("c")
	ctx, req := c.StartRequest(t.Context())
	nested, again := c.StartRequest(ctx)
	if again != req {
		t.Error("a nested start made another request")
	}
	again.End()
	if !req.Active() {
		t.Error("a nested End ended the request")
	}
	// Read-your-own-unacknowledged-writes, from many goroutines at once.
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				id := i*100 + j
				if _, err := coll.InsertOne(nested, bson.D{{"_id", id}}, mgx.WithWriteConcern(mgx.Unacknowledged())); err != nil {
					t.Error(err)
				}
				if err := coll.FindOne(ctx, bson.D{{"_id", id}}).Err(); err != nil {
					t.Errorf("document %d: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	mu.Lock()
	if len(used) != 1 {
		t.Errorf("the request used %d connections", len(used))
	}
	mu.Unlock()
	// A dead socket is replaced; the operation that met it hears of it.
	dep.Members()[0].CloseConnections()
	err := coll.FindOne(ctx, nil).Err()
	if !errors.Is(err, mgx.ErrAutoReconnect) {
		t.Errorf("on a dead connection: %v", err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for err = coll.FindOne(ctx, nil).Err(); err != nil && time.Now().Before(deadline); err = coll.FindOne(ctx, nil).Err() {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		t.Errorf("after it: %v", err)
	}
	req.End()
	req.End() // harmless
	if req.Active() {
		t.Error("still active")
	}
	if err := coll.FindOne(ctx, nil).Err(); err != nil {
		t.Errorf("an operation after End: %v", err)
	}
}

func TestAutoStartRequest(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI(), func(o *mgx.Options) { o.AutoStartRequest = true })
	if !c.AutoStartRequest() {
		t.Error("not in force")
	}
	var mu sync.Mutex
	used := map[int64]bool{}
	defer dep.OnCommand(func(cmd mgxtest.Command) {
		if cmd.Name == "find" {
			mu.Lock()
			used[cmd.ConnectionID] = true
			mu.Unlock()
		}
	})()
	coll := c.Database("requests").Collection("c")
	parent, cancel := context.WithCancel(t.Context())
	ctx := mgx.WithAffinity(parent)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if err := coll.FindOne(ctx, nil).Err(); !errors.Is(err, mgx.ErrNoDocuments) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	mu.Lock()
	if len(used) != 1 {
		t.Errorf("%d connections under one affinity", len(used))
	}
	mu.Unlock()
	cancel()
}

func TestCopyDatabase(t *testing.T) {
	source, target := mgxtest.Standalone(t), connect(t)
	src := connectTo(t, source.URI())
	ctx := t.Context()
	t.Cleanup(func() {
		for _, name := range []string{"copy", "copy2"} {
			_ = target.DropDatabase(context.Background(), name)
		}
	})
	db := src.Database("shop")
	for _, name := range []string{"orders", "items", "empty"} {
		if err := db.CreateCollection(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"orders", "items"} {
		docs := make([]bson.D, 5000)
		for i := range docs {
			docs[i] = bson.D{{"_id", i}, {"text", strings.Repeat("x", i%100)}}
		}
		if _, err := db.Collection(name).InsertMany(ctx, docs); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Collection(name).CreateIndex(ctx, mgx.Index{Keys: mgx.Keys("-text"), Name: "by_text"}); err != nil {
			t.Fatal(err)
		}
	}
	done := map[string]bool{}
	res, err := target.CopyDatabase(ctx, "shop", "copy", mgx.CopyOptions{
		FromHost: source.URI(), Progress: func(p mgx.CopyProgress) { done[p.Collection] = p.Done },
	})
	if err != nil || res.Documents != 10_000 || len(res.Collections) != 3 {
		t.Fatalf("%+v %v", res, err)
	}
	if len(done) != 3 || !done["orders"] || !done["items"] || !done["empty"] {
		t.Errorf("progress: %v", done)
	}
	for _, name := range []string{"orders", "items"} {
		a, err1 := mgx.Collect[bson.Raw](db.Collection(name).Find(ctx, nil, mgx.Sort("_id")))
		b, err2 := mgx.Collect[bson.Raw](target.Database("copy").Collection(name).Find(ctx, nil, mgx.Sort("_id")))
		if err1 != nil || err2 != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%s: the documents differ (%v, %v)", name, err1, err2)
		}
		indexes, err := mgx.Collect[struct{ Name string }](target.Database("copy").Collection(name).ListIndexes(ctx))
		if err != nil || len(indexes) != 2 || indexes[1].Name != "by_text" {
			t.Errorf("%s: indexes %v %v", name, indexes, err)
		}
	}
	// An existing target is an error, unless asked for.
	if _, err := target.CopyDatabase(ctx, "shop", "copy", mgx.CopyOptions{Source: src}); !errors.Is(err, mgx.ErrNamespaceExists) {
		t.Error(err)
	}
	if _, err := target.CopyDatabase(ctx, "shop", "a b", mgx.CopyOptions{}); !errors.Is(err, mgx.ErrInvalidName) {
		t.Error(err)
	}
	if _, err := target.CopyDatabase(ctx, "nothing", "x", mgx.CopyOptions{}); !errors.Is(err, mgx.ErrNamespaceNotFound) {
		t.Error(err)
	}
	// A copy that fails tells what is there: these documents are there already.
	res, err = target.CopyDatabase(ctx, "shop", "copy", mgx.CopyOptions{Source: src, Merge: true})
	var ce *mgx.CopyError
	if !errors.As(err, &ce) || !errors.Is(err, mgx.ErrDuplicateKey) || len(ce.Result.Collections) != 3 {
		t.Errorf("%+v %v", res, err)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := target.CopyDatabase(short, "shop", "never", mgx.CopyOptions{Source: src}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// Within a server.
	if res, err := target.CopyDatabase(ctx, "copy", "copy2", mgx.CopyOptions{Parallel: 1}); err != nil || res.Documents != 10_000 {
		t.Errorf("%+v %v", res, err)
	}
}
