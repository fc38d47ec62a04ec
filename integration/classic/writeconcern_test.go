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

// writer is a client of a set of three, with a handle that was made before its
// write concern is changed.
type writer struct {
	*mgx.Client
	dep     *mgxtest.Deployment
	coll    *mgx.Collection
	inserts *commands
}

func newWriter(t *testing.T, options string) *writer {
	t.Helper()
	dep := mgxtest.ReplicaSet(t, 3)
	c := connectTo(t, dep.URI()+options)
	return &writer{c, dep, c.Database("write_concern").Collection("c"), watch(t, dep, "insert")}
}

// sent returns the write concern that an insertion is sent with; nil: none. Errors
// of the insertion do not matter: the set has no such tags.
func (w *writer) sent(t *testing.T) bson.Raw {
	t.Helper()
	res, err := w.coll.InsertOne(t.Context(), bson.D{})
	var se *mgx.ServerError
	if err != nil && !errors.Is(err, mgx.ErrWriteConcern) && !errors.As(err, &se) {
		t.Fatal(err)
	}
	if err == nil && !res.Acknowledged {
		var list []mgxtest.Command
		eventually(t, "an unacknowledged write arrives", func() bool { list = w.inserts.take(); return len(list) > 0 })
		wc, _ := list[0].Body.Lookup("writeConcern").DocumentOK()
		return wc
	}
	cmd := w.inserts.one(t)
	wc, _ := cmd.Body.Lookup("writeConcern").DocumentOK()
	return slices.Clone(wc)
}

// change changes one option.
func (w *writer) change(t *testing.T, change func(*mgx.WriteConcern)) {
	t.Helper()
	if err := w.ChangeWriteConcern(change); err != nil {
		t.Fatal(err)
	}
}

// Each option can be changed by itself, and the next write has it.
func TestWriteConcern(t *testing.T) {
	w := newWriter(t, "")
	if wc := w.sent(t); len(wc) != 0 {
		t.Errorf("the default is sent: %v", wc)
	}
	steps := []struct {
		name   string
		change func(*mgx.WriteConcern)
		want   bson.D
	}{
		{"w", func(w *mgx.WriteConcern) { w.W = 2 }, bson.D{{"w", int32(2)}}},
		{"wtimeout", func(w *mgx.WriteConcern) { w.Timeout = time.Second },
			bson.D{{"w", int32(2)}, {"wtimeout", int64(1000)}}},
		{"j", func(w *mgx.WriteConcern) { w.Journal = new(true) },
			bson.D{{"j", true}, {"w", int32(2)}, {"wtimeout", int64(1000)}}},
		{"w as a tag", func(w *mgx.WriteConcern) { w.W = "eastDC" },
			bson.D{{"j", true}, {"w", "eastDC"}, {"wtimeout", int64(1000)}}},
		{"fsync instead of j", func(w *mgx.WriteConcern) { w.Journal, w.Fsync = nil, new(true) },
			bson.D{{"fsync", true}, {"w", "eastDC"}, {"wtimeout", int64(1000)}}},
		{"nothing", func(w *mgx.WriteConcern) { *w = mgx.WriteConcern{} }, bson.D{}},
	}
	for _, step := range steps {
		w.change(t, step.change)
		var want mgx.WriteConcern
		for _, s := range steps {
			if s.change(&want); s.name == step.name {
				break
			}
		}
		if got := w.WriteConcern(); got.String() != want.String() {
			t.Errorf("%s: reads %v, want %v", step.name, got, want)
		}
		var got bson.D
		if wc := w.sent(t); len(wc) > 0 {
			if err := bson.Unmarshal(wc, &got); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortFunc(got, func(a, b bson.E) int {
			if a.Key < b.Key {
				return -1
			}
			return 1
		})
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: sent %v, want %v", step.name, got, step.want)
		}
	}
	// The handle's and the call's go before it.
	w.change(t, func(w *mgx.WriteConcern) { w.W = 2 })
	own := w.Database("write_concern", mgx.WithWriteConcern(mgx.WriteConcern{W: 1})).Collection("c")
	if _, err := own.InsertOne(t.Context(), bson.D{}); err != nil {
		t.Error(err)
	}
	if wc := w.inserts.one(t).Body.Lookup("writeConcern").Document(); wc.Lookup("w").AsInt64() != 1 {
		t.Errorf("sent %v", wc)
	}
}

// What no server takes is refused, and changes nothing.
func TestWriteConcernRefused(t *testing.T) {
	c := connect(t)
	if err := c.SetWriteConcern(mgx.WriteConcern{W: 2}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []mgx.WriteConcern{
		{W: -1}, {W: 1.5}, {W: true}, {Timeout: -1}, {W: 0, Journal: new(true)}, {Journal: new(true), Fsync: new(true)},
	} {
		if err := c.SetWriteConcern(bad); !errors.Is(err, mgx.ErrConfiguration) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if w := c.WriteConcern(); w.String() != "{w: 2}" {
		t.Errorf("it is %v now", w)
	}
}

// An expired wtimeout is an error beside the result.
func TestWTimeout(t *testing.T) {
	w := newWriter(t, "&w=3&wtimeout=20")
	for _, m := range w.dep.Secondaries() {
		m.PauseReplication()
	}
	res, err := w.coll.InsertOne(t.Context(), bson.D{{"_id", 1}})
	var wce *mgx.WriteConcernError
	if !errors.As(err, &wce) || !errors.Is(err, mgx.ErrWriteConcern) || res.InsertedID != int32(1) ||
		!res.Acknowledged {
		t.Errorf("insert: %+v, %v", res, err)
	}
	updated, err := w.coll.UpdateOne(t.Context(), nil, bson.D{{"$set", bson.D{{"x", 1}}}})
	if !errors.Is(err, mgx.ErrWriteConcern) || updated.ModifiedCount != 1 {
		t.Errorf("update: %+v, %v", updated, err)
	}
	var before struct{ X int }
	err = w.coll.FindOneAndDelete(t.Context(), nil).Decode(&before)
	if !errors.Is(err, mgx.ErrWriteConcern) || before.X != 1 {
		t.Errorf("find and delete: %v, %v", before, err)
	}
	if n, err := w.coll.CountDocuments(t.Context(), nil); err != nil || n != 0 {
		t.Errorf("the writes were not done: %d documents (%v)", n, err)
	}
}

// w=0 turns acknowledgement off, and back on.
func TestWriteConcernUnacknowledged(t *testing.T) {
	w := newWriter(t, "")
	if err := w.SetWriteConcern(mgx.Unacknowledged()); err != nil {
		t.Fatal(err)
	}
	// Errors are not reported.
	for range 2 {
		if res, err := w.coll.InsertOne(t.Context(), bson.D{{"_id", 1}}); err != nil || res.Acknowledged {
			t.Errorf("%+v %v", res, err)
		}
	}
	eventually(t, "both writes arrive", func() bool { return w.inserts.count() == 2 })
	for _, cmd := range w.inserts.take() {
		if cmd.Body.Lookup("writeConcern", "w").AsInt64() != 0 {
			t.Errorf("sent %v", cmd.Body)
		}
	}
	w.change(t, func(w *mgx.WriteConcern) { w.W = 1 })
	if _, err := w.coll.InsertOne(t.Context(), bson.D{{"_id", 1}}); !errors.Is(err, mgx.ErrDuplicateKey) {
		t.Errorf("with w=1 again: %v", err)
	}
}

// Changes by several goroutines do not undo each other, while others write.
func TestWriteConcernConcurrency(t *testing.T) {
	w := newWriter(t, "")
	if err := w.SetWriteConcern(mgx.WriteConcern{W: 1}); err != nil {
		t.Fatal(err)
	}
	const n = 50
	var wg sync.WaitGroup
	for range n {
		// Two options by two goroutines, also through what was read.
		wg.Go(func() {
			_ = w.ChangeWriteConcern(func(w *mgx.WriteConcern) { w.Timeout += time.Second })
		})
		wg.Go(func() {
			_ = w.ChangeWriteConcern(func(w *mgx.WriteConcern) {
				if w.Journal == nil {
					w.Journal = new(true)
				}
				*w.Journal = !*w.Journal
			})
			if j := w.WriteConcern().Journal; j != nil {
				*j = !*j // a copy
			}
		})
		wg.Go(func() {
			if _, err := w.coll.InsertOne(t.Context(), bson.D{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// The journal began with false: n changes later it is that of n-1 turns.
	if got := w.WriteConcern(); got.Timeout != n*time.Second || *got.Journal != ((n-1)%2 == 1) || got.W != 1 {
		t.Errorf("%v after %d changes of two options", got, n)
	}
	for _, cmd := range w.inserts.take() {
		if wc := cmd.Body.Lookup("writeConcern").Document(); wc.Lookup("w").AsInt64() != 1 {
			t.Errorf("sent %v", wc)
		}
	}
}

// The classic safe.
func TestSafe(t *testing.T) {
	if wc := newWriter(t, "&safe=false").sent(t); wc.Lookup("w").AsInt64() != 0 {
		t.Errorf("safe=false sends %v", wc)
	}
	if wc := newWriter(t, "&safe=true").sent(t); wc.Lookup("w").AsInt64() != 1 {
		t.Errorf("safe=true sends %v", wc)
	}
	if wc := newWriter(t, "&safe=false&w=2").sent(t); wc.Lookup("w").AsInt64() != 2 {
		t.Errorf("w does not go before safe: %v", wc)
	}
}

// The classic get_, set_ and unset_lasterror_options.
func TestLastErrorOptions(t *testing.T) {
	w := newWriter(t, "&w=2&wtimeout=1000")
	if got := w.WriteConcern(); got.W != 2 || got.Timeout != time.Second {
		t.Errorf("get: %v", got)
	}
	w.change(t, func(w *mgx.WriteConcern) { w.Timeout = 2 * time.Second }) // set one
	if wc := w.sent(t); wc.Lookup("wtimeout").AsInt64() != 2000 || wc.Lookup("w").AsInt64() != 2 {
		t.Errorf("set: %v", wc)
	}
	w.change(t, func(w *mgx.WriteConcern) { w.Timeout = 0 }) // unset one
	if wc := w.sent(t); wc.Lookup("w").AsInt64() != 2 || wc.Lookup("wtimeout").Type != 0 {
		t.Errorf("unset one: %v", wc)
	}
	w.change(t, func(w *mgx.WriteConcern) { *w = mgx.WriteConcern{} }) // unset all
	if wc := w.sent(t); len(wc) != 0 {
		t.Errorf("unset all: %v", wc)
	}
}

// The classic slave_okay.
func TestSlaveOkay(t *testing.T) {
	for _, name := range []string{"slaveOk", "slave_okay"} {
		c := connectTo(t, mgxtest.ReplicaSet(t, 1).URI()+"&"+name+"=true")
		if c.ReadPreference().Mode != mgx.SecondaryPreferred {
			t.Errorf("%s is %v", name, c.ReadPreference())
		}
	}
}
