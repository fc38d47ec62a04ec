package clientbench

import (
	"math"
	"testing"
	"time"
)

func TestLatencies(t *testing.T) {
	var l, more latencies
	if l.percentile(50) != 0 {
		t.Error("nothing took a while")
	}
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Microsecond)
	}
	more.add(time.Second)
	l.merge(&more)
	for _, c := range []struct{ p, want float64 }{{0, 1e3}, {50, 500e3}, {99, 990e3}, {100, 1e9}} {
		if got := l.percentile(c.p); math.Abs(got-c.want) > 0.07*c.want {
			t.Errorf("percentile %g is %g, want about %g", c.p, got, c.want)
		}
	}
}

func TestBucketsHoldTheirMiddle(t *testing.T) {
	for _, ns := range []uint64{0, 1, 15, 16, 31, 32, 33, 1000, 1 << 20, 1<<40 + 1, math.MaxInt64} {
		b := bucket(ns)
		if b >= len(latencies{}) {
			t.Fatalf("%d ns goes to bucket %d", ns, b)
		}
		if got, want := middle(b), float64(ns); math.Abs(got-want) > want/16 {
			t.Errorf("%d ns is in a bucket around %g", ns, got)
		}
	}
}
