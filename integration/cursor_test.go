package integration

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// watched returns a collection with n documents whose client's commands are
// recorded from now on.
func watched(t *testing.T, n int) (*mgx.Collection, *recorder) {
	t.Helper()
	r := new(recorder)
	c := database(t, r.watch).Collection("c")
	insert(t, c, numbered(n)...)
	r.reset()
	return c, r
}

func TestCursorBatches(t *testing.T) {
	c, r := watched(t, 10)
	cur := c.Find(t.Context(), nil, mgx.Sort("_id"), mgx.BatchSize(4))
	if len(r.names()) > 0 {
		t.Error("Find sent something before the first document was asked for")
	}
	for i := range 10 {
		if !cur.Next() {
			t.Fatalf("no document %d: %v", i, cur.Err())
		}
		var doc struct {
			ID int `bson:"_id"`
		}
		if err := cur.Decode(&doc); err != nil || doc.ID != i {
			t.Fatalf("document %d is %+v: %v", i, doc, err)
		}
		if open := cur.ID() != 0; open != (i < 8) {
			t.Errorf("at document %d the cursor's id is %d", i, cur.ID())
		}
	}
	if cur.Next() || cur.Err() != nil || !cur.Closed() {
		t.Errorf("at the end: closed %v, %v", cur.Closed(), cur.Err())
	}
	if got := r.names(); !slices.Equal(got, []string{"find", "getMore", "getMore"}) {
		t.Errorf("%v was sent", got)
	}
	if n := r.last(t, "getMore").Lookup("batchSize").AsInt64(); n != 4 {
		t.Errorf("getMore asks for %d documents", n)
	}
	if find, more := r.last(t, "find").Lookup("lsid").Value, r.last(t, "getMore").Lookup("lsid").Value; !slices.Equal(find, more) {
		t.Error("the cursor changed its session")
	}
	if err := cur.Close(); err != nil {
		t.Errorf("closed after its end: %v", err)
	}
}

// The server's first batch ends at 101 documents, by default.
func TestCursorDefaultBatch(t *testing.T) {
	c, r := watched(t, 250)
	list, err := mgx.Collect[bson.Raw](c.Find(t.Context(), nil))
	if err != nil || len(list) != 250 {
		t.Fatalf("%d documents: %v", len(list), err)
	}
	if got := r.names(); !slices.Equal(got, []string{"find", "getMore"}) {
		t.Errorf("%v was sent", got)
	}
	if _, err := r.last(t, "find").LookupErr("batchSize"); err == nil {
		t.Error("a batch size is sent that nobody asked for")
	}
}

// A limit over several batches ends where it should, with no cursor left open.
func TestCursorLimit(t *testing.T) {
	for _, tt := range []struct {
		limit int64
		batch int32
		want  int
		sent  []string
	}{
		{7, 3, 7, []string{"find", "getMore", "getMore"}},
		{4, 4, 4, []string{"find"}},
		{-6, 3, 6, []string{"find"}},
		{100, 0, 20, []string{"find"}},
	} {
		c, r := watched(t, 20)
		list, err := mgx.Collect[bson.Raw](c.Find(t.Context(), nil, mgx.Limit(tt.limit), mgx.BatchSize(tt.batch)))
		if err != nil || len(list) != tt.want {
			t.Errorf("limit %d, batches of %d: %d documents: %v", tt.limit, tt.batch, len(list), err)
		}
		if got := r.names(); !slices.Equal(got, tt.sent) {
			t.Errorf("limit %d, batches of %d: %v was sent", tt.limit, tt.batch, got)
		}
	}
}

func TestCursorClosedEarly(t *testing.T) {
	c, r := watched(t, 20)
	ends := map[string]func() error{
		"Close": func() error {
			cur := c.Find(t.Context(), nil, mgx.BatchSize(5))
			if !cur.Next() {
				t.Fatal(cur.Err())
			}
			return errors.Join(cur.Close(), cur.Close())
		},
		"break": func() error {
			for _, err := range mgx.Each[bson.Raw](c.Find(t.Context(), nil, mgx.BatchSize(5))) {
				return err
			}
			return errors.New("no document")
		},
		"decode error": func() error {
			_, err := mgx.Collect[struct {
				A string `bson:"a"`
			}](c.Find(t.Context(), nil, mgx.BatchSize(5)))
			if err == nil {
				return errors.New("an int decodes into a string")
			}
			return nil
		},
		"cancelled": func() error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cur := c.Find(ctx, nil, mgx.BatchSize(2))
			cur.Next()
			cancel()
			for cur.Next() {
			}
			if !errors.Is(cur.Err(), context.Canceled) {
				return cur.Err()
			}
			return nil
		},
	}
	for name, end := range ends {
		r.reset()
		if err := end(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		kill := r.take("killCursors")
		// After the end of its context nobody waits for it.
		for deadline := time.Now().Add(10 * time.Second); name == "cancelled" && len(kill) == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
			kill = r.take("killCursors")
		}
		if len(kill) != 1 {
			t.Errorf("%s: %v was sent", name, r.names())
			continue
		}
		if n := kill[0].Lookup("killCursors").StringValue(); n != "c" || count(t, kill[0], "cursors") != 1 {
			t.Errorf("%s: %v", name, kill[0])
		}
	}
	// One that is at its end needs no word to the server.
	r.reset()
	cur := c.Find(t.Context(), nil)
	for cur.Next() {
	}
	_ = cur.Close()
	if got := r.names(); !slices.Equal(got, []string{"find"}) {
		t.Errorf("%v was sent for a cursor that came to its end", got)
	}
	// Nor does one that was never used.
	r.reset()
	if err := c.Find(t.Context(), nil).Close(); err != nil || len(r.names()) > 0 {
		t.Errorf("%v was sent for a cursor that was not used: %v", r.names(), err)
	}
}

// A cursor that the server killed says so.
func TestCursorNotFound(t *testing.T) {
	c, r := watched(t, 20)
	cur := c.Find(t.Context(), nil, mgx.BatchSize(3))
	for range 3 {
		cur.Next()
	}
	err := c.Database().RunCommand(t.Context(), bson.D{{"killCursors", "c"}, {"cursors", bson.A{cur.ID()}}}).Err()
	if err != nil {
		t.Fatal(err)
	}
	r.reset()
	if cur.Next() {
		t.Fatal("a killed cursor goes on")
	}
	var se *mgx.ServerError
	if err := cur.Err(); !errors.Is(err, mgx.ErrCursorNotFound) || !errors.As(err, &se) || se.Command != "getMore" || se.Code != 43 {
		t.Errorf("%v (%T)", err, err)
	}
	if got := r.names(); !slices.Equal(got, []string{"getMore"}) {
		t.Errorf("%v was sent", got)
	}
	if !cur.Closed() || cur.ID() != 0 || cur.Next() {
		t.Error("the cursor is not closed")
	}
	if _, err := mgx.Collect[bson.Raw](cur); !errors.Is(err, mgx.ErrCursorNotFound) {
		t.Errorf("collected: %v", err)
	}
}

func TestEach(t *testing.T) {
	c := collection(t, numbered(12)...)
	type doc struct {
		ID int `bson:"_id"`
	}
	n := 0
	for d, err := range mgx.Each[doc](c.Find(t.Context(), nil, mgx.Sort("_id"), mgx.BatchSize(5))) {
		if err != nil || d.ID != n {
			t.Fatalf("document %d is %+v: %v", n, d, err)
		}
		n++
	}
	if n != 12 {
		t.Errorf("%d documents", n)
	}
	n = 0
	for _, err := range mgx.Each[doc](c.Find(t.Context(), bson.D{{"$nonsense", 1}})) {
		if n++; err == nil {
			t.Error("no error")
		}
	}
	if n != 1 {
		t.Errorf("the error came %d times", n)
	}
}

func TestAll(t *testing.T) {
	c := collection(t, numbered(12)...)
	list := make([]bson.M, 3, 5)
	list[0] = bson.M{"left": "over"}
	if err := c.Find(t.Context(), nil, mgx.Sort("_id"), mgx.BatchSize(5)).All(&list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 12 || len(list[0]) != 2 || list[11]["_id"] != int32(11) {
		t.Errorf("%v", list)
	}
	if err := c.Find(t.Context(), nil).All(list); !errors.Is(err, mgx.ErrInvalidArgument) {
		t.Errorf("into a slice: %v", err)
	}
}

// A tailable cursor gives what comes later. FerretDB loses documents, gives others twice
// or fails, where its wait for new ones runs out in the middle of its search, and it
// drops the cursor with the time of the find that has opened it. So its waits are long
// here; TestTailableAtItsEnd looks at what ends them, on a server that does it well.
func TestTailable(t *testing.T) {
	needs(t, "capped collections")
	needs(t, "tailable cursors")
	c := logOf(t, database(t), 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cur := tailing(ctx, t, c, 3, time.Minute)
	insertion := insertLater(cancel, c, func() bool { return true }, 3, 4)
	for i := 3; i < 5; i++ {
		if !cur.Next() || cur.Current().Lookup("_id").AsInt64() != int64(i) {
			t.Fatalf("instead of document %d came %v, closed %v: %v; inserted: %v", i, cur.Current(), cur.Closed(), cur.Err(), <-insertion)
		}
	}
	if err := <-insertion; err != nil {
		t.Error(err)
	}
}

// insertLater inserts documents, as soon as the server is ready, while somebody else
// waits for them, who does so no more if it fails.
func insertLater(cancel context.CancelFunc, c *mgx.Collection, ready func() bool, ids ...int) <-chan error {
	done := make(chan error, 1)
	go func() {
		for !ready() {
			time.Sleep(time.Millisecond)
		}
		var errs []error
		for _, id := range ids {
			_, err := c.InsertOne(context.Background(), bson.D{{"_id", id}})
			errs = append(errs, err)
		}
		err := errors.Join(errs...)
		if err != nil {
			cancel()
		}
		done <- err
	}()
	return done
}

// logOf creates a capped collection with n documents.
func logOf(t *testing.T, db *mgx.Database, n int) *mgx.Collection {
	t.Helper()
	if err := db.CreateCollection(t.Context(), "log", mgx.Capped(1<<16, 0)); err != nil {
		t.Fatal(err)
	}
	insert(t, db.Collection("log"), numbered(n)...)
	return db.Collection("log")
}

// tailing opens a cursor on a log, and reads its n documents. The first batch is small:
// FerretDB does not keep a cursor open that had its fill.
func tailing(ctx context.Context, t *testing.T, c *mgx.Collection, n int, await time.Duration) *mgx.Cursor {
	t.Helper()
	cur := c.Find(ctx, nil, mgx.WithCursorType(mgx.TailableAwait), mgx.MaxAwaitTime(await), mgx.BatchSize(2))
	t.Cleanup(func() { _ = cur.Close() })
	for i := range n {
		if !cur.Next() || cur.Current().Lookup("_id").AsInt64() != int64(i) {
			t.Fatalf("instead of document %d came %v: %v", i, cur.Current(), cur.Err())
		}
	}
	return cur
}

func TestTailableAtItsEnd(t *testing.T) {
	var r recorder
	dep := mgxtest.Standalone(t)
	c := logOf(t, connectTo(t, dep.URI(), r.watch).Database("tail"), 3)
	stats := func(command string) int { return dep.Members()[0].Stats().Commands[command] }

	t.Run("an answer without documents", func(t *testing.T) {
		r.reset()
		cur := tailing(t.Context(), t, c, 3, 40*time.Millisecond)
		began := time.Now()
		if cur.TryNext() || cur.Err() != nil || cur.Closed() || cur.ID() == 0 {
			t.Errorf("closed %v, id %d: %v", cur.Closed(), cur.ID(), cur.Err())
		}
		if took := time.Since(began); took < 40*time.Millisecond {
			t.Errorf("the server has waited %v", took)
		}
		if _, err := r.last(t, "find").LookupErr("maxTimeMS"); err == nil {
			t.Error("the time to wait for documents bounds the find")
		}
		if ms := r.last(t, "getMore").Lookup("maxTimeMS").AsInt64(); ms != 40 {
			t.Errorf("getMore waits for %d ms", ms)
		}
	})
	t.Run("a document while the server waits", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		cur := tailing(ctx, t, c, 3, time.Minute)
		asked := stats("getMore")
		insertion := insertLater(cancel, c, func() bool { return stats("getMore") > asked }, 3)
		if !cur.Next() || cur.Current().Lookup("_id").AsInt64() != 3 {
			t.Errorf("instead of the new document came %v: %v", cur.Current(), cur.Err())
		}
		if err := <-insertion; err != nil {
			t.Error(err)
		}
		if n := stats("getMore") - asked; n != 1 {
			t.Errorf("it took %d getMores", n)
		}
	})
	t.Run("the end of its context", func(t *testing.T) {
		killed := stats("killCursors")
		r.reset()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		cur := tailing(ctx, t, c, 4, 20*time.Millisecond)
		if cur.Next() {
			t.Errorf("%v came from nowhere", cur.Current())
		}
		if err := cur.Err(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mgx.ErrTimeout) || ctx.Err() == nil {
			t.Errorf("ended with %v", err)
		}
		if ms := r.last(t, "find").Lookup("maxTimeMS").AsInt64(); ms < 1 || ms > 300 {
			t.Errorf("find may take %d ms", ms)
		}
		for _, more := range r.take("getMore") {
			if ms := more.Lookup("maxTimeMS").AsInt64(); ms != 20 {
				t.Errorf("getMore waits for %d ms", ms)
			}
		}
		for deadline := time.Now().Add(10 * time.Second); stats("killCursors") == killed; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the server still has the cursor")
			}
		}
	})
	t.Run("the end on the server", func(t *testing.T) {
		cur := tailing(t.Context(), t, c, 4, 20*time.Millisecond)
		if err := c.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		var se *mgx.ServerError
		if cur.Next() || !errors.As(cur.Err(), &se) || !cur.Closed() {
			t.Errorf("closed %v: %v", cur.Closed(), cur.Err())
		}
	})
}
