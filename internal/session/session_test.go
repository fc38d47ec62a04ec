package session

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

const timeout = 30 * time.Minute

func TestLSID(t *testing.T) {
	var p Pool
	seen := map[string]bool{}
	for range 100 {
		s := p.Get(timeout, time.Now())
		v, ok := bsonwire.Lookup(s.LSID, "id")
		if !ok {
			t.Fatalf("% x has no id", s.LSID)
		}
		subtype, id, ok := v.AsBinary()
		if !ok || subtype != bson.TypeBinaryUUID || len(id) != 16 {
			t.Fatalf("the id is subtype %d, %d bytes", subtype, len(id))
		}
		if id[6]>>4 != 4 || id[8]>>6 != 2 {
			t.Errorf("% x is no UUID of version 4", id)
		}
		if seen[string(id)] {
			t.Errorf("% x twice", id)
		}
		seen[string(id)] = true
	}
}

// The last session put back is the first taken: prose test 2 of the specification
// "Driver Sessions".
func TestPoolIsLastInFirstOut(t *testing.T) {
	var p Pool
	now := time.Now()
	a, b := p.Get(timeout, now), p.Get(timeout, now)
	p.Put(a, timeout, now)
	p.Put(b, timeout, now)
	if got := p.Get(timeout, now); got != b {
		t.Error("the first is not the last put back")
	}
	if got := p.Get(timeout, now); got != a {
		t.Error("the second is not the one before")
	}
	if got := p.Get(timeout, now); got == a || got == b {
		t.Error("an empty pool lent a session twice")
	}
}

func TestPoolKeepsTxnNumber(t *testing.T) {
	var p Pool
	now := time.Now()
	s := p.Get(timeout, now)
	if n := s.NextTxnNumber(); n != 1 {
		t.Errorf("the first number is %d", n)
	}
	p.Put(s, timeout, now)
	if n := p.Get(timeout, now).NextTxnNumber(); n != 2 {
		t.Errorf("the number after the pool is %d", n)
	}
}

func TestExpiry(t *testing.T) {
	began := time.Now()
	for _, c := range []struct {
		name    string
		timeout time.Duration
		idle    time.Duration
		reused  bool
	}{
		{"fresh", timeout, time.Second, true},
		{"more than a minute left", timeout, timeout - margin - time.Second, true},
		{"less than a minute left", timeout, timeout - margin + time.Second, false},
		{"expired", timeout, 2 * timeout, false},
		{"no expiry", 0, 1000 * time.Hour, true},
		{"a timeout of no more than the margin", margin, time.Nanosecond, false},
		{"the clock went back", timeout, -time.Hour, true},
	} {
		var p Pool
		s := p.Get(c.timeout, began)
		p.Put(s, c.timeout, began)
		if got := p.Get(c.timeout, began.Add(c.idle)) == s; got != c.reused {
			t.Errorf("%s: reused %v", c.name, got)
		}
	}
}

// Sessions that nobody takes from the bottom of the pool do not stay there.
func TestPutDropsExpired(t *testing.T) {
	var p Pool
	began := time.Now()
	var lent []*ServerSession
	for range 10 {
		lent = append(lent, p.Get(timeout, began))
	}
	for _, s := range lent {
		p.Put(s, timeout, began)
	}
	for i := range 60 {
		now := began.Add(time.Duration(i) * time.Minute)
		p.Put(p.Get(timeout, now), timeout, now)
	}
	if p.Len() != 1 {
		t.Errorf("%d sessions are kept", p.Len())
	}
	s := p.Get(timeout, began)
	p.Put(s, timeout, began.Add(timeout))
	if p.Len() != 0 {
		t.Error("a session was put back that is about to expire")
	}
}

// Who holds a session for long and uses it keeps it from expiring.
func TestUsed(t *testing.T) {
	var p Pool
	began := time.Now()
	s := p.Get(timeout, began)
	s.Used(began.Add(timeout))
	p.Put(s, timeout, began.Add(timeout+time.Second))
	if got := p.Get(timeout, began.Add(timeout+2*time.Second)); got != s {
		t.Error("a session that was in use was dropped as expired")
	}
}

func TestDirtyIsDropped(t *testing.T) {
	var p Pool
	now := time.Now()
	s := p.Get(timeout, now)
	s.Dirty = true
	p.Put(s, timeout, now)
	if p.Len() != 0 {
		t.Error("a dirty session was kept")
	}
}

func TestTake(t *testing.T) {
	var p Pool
	now := time.Now()
	a, b := p.Get(timeout, now), p.Get(timeout, now)
	p.Put(a, timeout, now)
	p.Put(b, timeout, now)
	if ids := p.Take(); len(ids) != 2 || !bytes.Equal(ids[0], a.LSID) || !bytes.Equal(ids[1], b.LSID) {
		t.Errorf("took %x", ids)
	}
	if p.Len() != 0 || len(p.Take()) != 0 {
		t.Error("something is left")
	}
}

func TestPoolTogether(t *testing.T) {
	var p Pool
	var lent sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				s := p.Get(timeout, time.Now())
				if _, twice := lent.LoadOrStore(s, true); twice {
					t.Error("a session is in two hands")
				}
				s.NextTxnNumber()
				lent.Delete(s)
				p.Put(s, timeout, time.Now())
			}
		})
	}
	wg.Wait()
	if p.Len() > 8 {
		t.Errorf("%d sessions for 8 goroutines", p.Len())
	}
}

func clusterTime(t, i uint32) []byte {
	doc, at := bsonwire.Begin(nil)
	doc = bsonwire.AppendTimestamp(doc, "clusterTime", t, i)
	return bsonwire.End(doc, at)
}

func TestClusterTimeGrows(t *testing.T) {
	var c ClusterTime
	if c.Load() != nil {
		t.Error("there is a time before any was seen")
	}
	for _, step := range []struct{ t, i, wantT, wantI uint32 }{
		{5, 1, 5, 1}, {5, 2, 5, 2}, {5, 1, 5, 2}, {4, 9, 5, 2}, {6, 0, 6, 0}, {1 << 31, 0, 1 << 31, 0}, {6, 1, 1 << 31, 0},
	} {
		doc := clusterTime(step.t, step.i)
		c.Advance(doc)
		clear(doc) // it is a reply's
		if want := clusterTime(step.wantT, step.wantI); !bytes.Equal(c.Load(), want) {
			t.Errorf("after %d/%d: % x, want % x", step.t, step.i, c.Load(), want)
		}
	}
	was := c.Load()
	notTimestamp, at := bsonwire.Begin(nil)
	notTimestamp = bsonwire.End(bsonwire.AppendInt64(notTimestamp, "clusterTime", 1<<62), at)
	for _, doc := range [][]byte{nil, {}, {5, 0, 0, 0, 0}, notTimestamp, []byte("garbage")} {
		if c.Advance(doc); !bytes.Equal(c.Load(), was) {
			t.Errorf("% x changed the time", doc)
		}
	}
}

func TestClusterTimeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c ClusterTime
		var wg sync.WaitGroup
		for g := range uint32(8) {
			wg.Go(func() {
				for i := range uint32(1000) {
					c.Advance(clusterTime(i, g))
				}
			})
		}
		wg.Wait()
		if !bytes.Equal(c.Load(), clusterTime(999, 7)) {
			t.Errorf("% x is not the latest", c.Load())
		}
	})
}
