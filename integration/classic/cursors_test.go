package classic

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// shelf is a database with a few collections of ten documents.
func shelf(t *testing.T, dep *mgxtest.Deployment) (*mgx.Client, *mgx.Database) {
	t.Helper()
	c := connectTo(t, dep.URI())
	db := c.Database("cursors", mgx.WithWriteConcern(mgx.WriteConcern{W: len(dep.Members())}))
	for _, name := range []string{"a", "b"} {
		if _, err := db.Collection(name).InsertMany(t.Context(), tenDocuments()); err != nil {
			t.Fatal(err)
		}
	}
	return c, db
}

// open opens a cursor that stays open on the server.
func openCursor(t *testing.T, coll *mgx.Collection, options ...mgx.FindOption) *mgx.Cursor {
	t.Helper()
	cur := coll.Find(t.Context(), nil, append(options, mgx.BatchSize(2))...)
	if !cur.Next() || cur.ID() == 0 {
		t.Fatal(cur.Err())
	}
	t.Cleanup(func() { _ = cur.Close() })
	return cur
}

// ids are the cursors that a killCursors command names.
func ids(t *testing.T, cmd mgxtest.Command) (list []int64) {
	t.Helper()
	values, err := cmd.Body.Lookup("cursors").Array().Values()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		list = append(list, v.AsInt64())
	}
	return list
}

func sorted(list ...int64) []int64 {
	slices.Sort(list)
	return list
}

func TestCloseCursor(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c, db := shelf(t, dep)
	kills := watch(t, dep, "killCursors")
	cur := openCursor(t, db.Collection("a"))
	if err := c.CloseCursor(t.Context(), cur.ID()); err != nil {
		t.Error(err)
	}
	if cmd := kills.one(t); !slices.Equal(ids(t, cmd), []int64{cur.ID()}) || cmd.DB != "cursors" ||
		cmd.Body.Lookup("killCursors").StringValue() != "a" {
		t.Errorf("sent %v", cmd.Body)
	}
	if _, err := mgx.Collect[bson.Raw](cur); !errors.Is(err, mgx.ErrCursorNotFound) {
		t.Errorf("a closed cursor: %v", err)
	}
	// One that is not open, or not this client's, is no error, and nothing is sent.
	for _, id := range []int64{cur.ID(), 12345, 0} {
		if err := c.CloseCursor(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if n := len(kills.take()); n > 0 {
		t.Errorf("%d commands were sent", n)
	}
}

// Kills are grouped by collection, and go to the server that has the cursors.
func TestKillCursors(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	c, db := shelf(t, dep)
	kills := watch(t, dep, "killCursors")
	finds := watch(t, dep, "find")
	secondary := mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Secondary})
	a1, a2, b1 := openCursor(t, db.Collection("a")), openCursor(t, db.Collection("a")),
		openCursor(t, db.Collection("b"))
	finds.take()
	far := openCursor(t, db.Collection("a"), secondary)
	home := finds.one(t).Member
	if home == dep.Primary() {
		t.Fatal("the secondary's cursor is the primary's")
	}
	if err := c.KillCursors(t.Context(), a1.ID(), b1.ID(), far.ID(), a2.ID(), 12345); err != nil {
		t.Error(err)
	}
	type target struct{ member, collection string }
	got := map[target][]int64{}
	for _, cmd := range kills.take() {
		at := target{cmd.Member.Addr(), cmd.Body.Lookup("killCursors").StringValue()}
		if got[at] != nil {
			t.Errorf("two commands for %v", at)
		}
		got[at] = sorted(ids(t, cmd)...)
	}
	want := map[target][]int64{
		{dep.Primary().Addr(), "a"}: sorted(a1.ID(), a2.ID()), {dep.Primary().Addr(), "b"}: {b1.ID()},
		{home.Addr(), "a"}: {far.ID()},
	}
	for at, list := range want {
		if !slices.Equal(got[at], list) {
			t.Errorf("%v was told of %v, want %v", at, got[at], list)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, cur := range []*mgx.Cursor{a1, a2, b1, far} {
		if _, err := mgx.Collect[bson.Raw](cur); !errors.Is(err, mgx.ErrCursorNotFound) {
			t.Errorf("a killed cursor: %v", err)
		}
	}
}

// Behind a load balancer nobody but the cursor can reach its server.
func TestKillCursorsLoadBalanced(t *testing.T) {
	dep := mgxtest.LoadBalanced(t)
	c := connectTo(t, dep.URI())
	coll := c.Database("cursors").Collection("a")
	if _, err := coll.InsertMany(t.Context(), tenDocuments()); err != nil {
		t.Fatal(err)
	}
	cur := openCursor(t, coll)
	if err := c.KillCursors(t.Context(), cur.ID()); !errors.Is(err, mgx.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if list, err := mgx.Collect[bson.Raw](cur); err != nil || len(list) != 9 {
		t.Errorf("the cursor does not go on: %d more documents (%v)", len(list), err)
	}
}

// keeper is a cursor manager that kills nothing.
type keeper struct {
	mu  sync.Mutex
	ids []int64
}

func (k *keeper) Close(id int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ids = append(k.ids, id)
}

func TestSetCursorManager(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c, db := shelf(t, dep)
	kills := watch(t, dep, "killCursors")
	coll := db.Collection("a")
	closeOne := func() int64 {
		cur := openCursor(t, coll)
		id := cur.ID()
		if err := cur.Close(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	t.Run("at once", func(t *testing.T) {
		if id := closeOne(); !slices.Equal(ids(t, kills.one(t)), []int64{id}) {
			t.Error("another cursor was killed")
		}
	})
	t.Run("batched", func(t *testing.T) {
		batched := mgx.NewBatchedCursors(c, 3)
		c.SetCursorManager(batched)
		first := []int64{closeOne(), closeOne()}
		if kills.count() != 0 {
			t.Error("killed before the batch is full")
		}
		first = append(first, closeOne())
		if got := sorted(ids(t, kills.one(t))...); !slices.Equal(got, sorted(first...)) {
			t.Errorf("killed %v, want %v", got, first)
		}
		last := closeOne()
		batched.Flush()
		if got := ids(t, kills.one(t)); !slices.Equal(got, []int64{last}) {
			t.Errorf("flushed %v", got)
		}
		// CloseCursor is the manager's to decide, KillCursors is not.
		cur := openCursor(t, coll)
		if err := c.CloseCursor(t.Context(), cur.ID()); err != nil || kills.count() != 0 {
			t.Errorf("CloseCursor killed at once (%v)", err)
		}
		if err := c.KillCursors(t.Context(), cur.ID()); err != nil || len(kills.take()) != 1 {
			t.Errorf("KillCursors waits (%v)", err)
		}
		batched.Flush()
		if kills.count() != 0 {
			t.Error("a cursor was killed twice")
		}
	})
	t.Run("by time", func(t *testing.T) {
		c.SetCursorManager(mgx.NewTimedCursors(c, 100*time.Millisecond))
		began := time.Now()
		want := sorted(closeOne(), closeOne())
		var got []int64
		eventually(t, "the cursors are killed", func() bool {
			for _, cmd := range kills.take() { // more than one on a machine that stalls
				got = append(got, ids(t, cmd)...)
			}
			return len(got) >= 2
		})
		if took := time.Since(began); took < 100*time.Millisecond {
			t.Errorf("after %v", took)
		}
		if !slices.Equal(sorted(got...), want) {
			t.Errorf("killed %v, want %v", got, want)
		}
	})
	t.Run("one's own", func(t *testing.T) {
		var own keeper
		c.SetCursorManager(&own)
		want := closeOne()
		if !slices.Equal(own.ids, []int64{want}) || kills.count() != 0 {
			t.Errorf("the manager got %v, %d kills", own.ids, kills.count())
		}
		// It can kill later: the client still knows where.
		if err := c.KillCursors(t.Context(), own.ids...); err != nil || !slices.Equal(ids(t, kills.one(t)), own.ids) {
			t.Error(err)
		}
	})
	t.Run("back to the default", func(t *testing.T) {
		c.SetCursorManager(nil)
		closeOne()
		kills.one(t)
	})
}
