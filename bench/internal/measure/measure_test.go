package measure

import (
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{[]float64{5}, 50, 5},
		{[]float64{3, 1, 2}, 50, 2},
		{[]float64{4, 1, 3, 2}, 50, 2.5},
		{[]float64{4, 1, 3, 2}, 0, 1},
		{[]float64{4, 1, 3, 2}, 100, 4},
		{[]float64{4, 1, 3, 2}, 120, 4},
		{[]float64{0, 10}, 25, 2.5},
	} {
		values := slices.Clone(c.values)
		if got := Percentile(values, c.p); got != c.want {
			t.Errorf("percentile %g of %v is %g, want %g", c.p, c.values, got, c.want)
		}
		if !slices.Equal(values, c.values) {
			t.Errorf("%v became %v", c.values, values)
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("the median of nothing is a number")
	}
	if got := Spread([]float64{10, 10, 10, 10, 20}); got != 0 {
		t.Errorf("spread %g, want 0", got)
	}
	if got := Spread([]float64{0, 10, 20}); got != 1 {
		t.Errorf("spread %g, want 1", got)
	}
}

func TestOrderAlternates(t *testing.T) {
	var got []int
	for round := range 3 {
		for i := range 3 {
			got = append(got, order(i, round, 3))
		}
	}
	if want := []int{0, 1, 2, 2, 1, 0, 0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

var sink []byte

func TestCompare(t *testing.T) {
	var total int
	var seen []string
	results, err := Compare(Settings{Rounds: 3, Time: 2 * time.Millisecond},
		Subject{"none", func(n int) error {
			seen = append(seen, "none")
			total += n
			for i := range n {
				sink = sink[:min(len(sink), i)]
			}
			return nil
		}},
		Subject{"one", func(n int) error {
			seen = append(seen, "one")
			for range n {
				sink = make([]byte, 1000)
			}
			return nil
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	none, one := results[0], results[1]
	if none.Subject != "none" || one.Subject != "one" {
		t.Fatalf("the results are of %s and %s", none.Subject, one.Subject)
	}
	if none.AllocsOp > 0.01 || one.AllocsOp < 0.99 || one.AllocsOp > 1.1 || one.BytesOp < 1000 || one.BytesOp > 1100 {
		t.Errorf("%.3f allocations, and %.3f of %.0f bytes; want 0, and 1 of 1024", none.AllocsOp, one.AllocsOp, one.BytesOp)
	}
	if none.NsOp <= 0 || len(none.Rounds) != 3 || len(one.Rounds) != 3 {
		t.Errorf("%g ns/op in rounds %v and %v", none.NsOp, none.Rounds, one.Rounds)
	}
	// Each runs twice in a round: to fill its pools, and to be measured.
	seen = seen[len(seen)-12:]
	want := []string{"none", "none", "one", "one", "one", "one", "none", "none", "none", "none", "one", "one"}
	if !slices.Equal(seen, want) {
		t.Errorf("they went in the order %v", seen)
	}
}

func TestCompareFails(t *testing.T) {
	broken := errors.New("broken")
	calls := 0
	_, err := Compare(Quick, Subject{"x", func(int) error {
		calls++
		if calls > 3 {
			return broken
		}
		time.Sleep(Quick.Time)
		return nil
	}})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, err := Compare(Settings{}, Subject{}); err == nil {
		t.Error("no rounds are fine")
	}
}

func TestCalibrate(t *testing.T) {
	n, _, err := calibrate(Subject{"sleeps", func(n int) error { time.Sleep(time.Duration(n) * 100 * time.Microsecond); return nil }}, 20*time.Millisecond)
	if err != nil || n < 5 || n > 250 {
		t.Errorf("%d times 100 µs for 20 ms, %v", n, err)
	}
}

func TestTimes(t *testing.T) {
	// The machine was slow in the second round, and slower still for a while in the fourth.
	a := Result{Rounds: []float64{30, 90, 30, 900, 33}}
	b := Result{Rounds: []float64{10, 30, 10, 100, 10}}
	if got := Times(a, b); got != 3 {
		t.Errorf("%g times, want 3", got)
	}
	if !math.IsNaN(Times(Result{}, b)) {
		t.Error("no rounds have a ratio")
	}
}

// TestCollectEvery sees that the garbage collector rests within the rounds, and
// is on again afterwards.
func TestCollectEvery(t *testing.T) {
	cycles := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC
	}
	calls, during := 0, 0
	settings := Settings{Rounds: 4, Time: time.Microsecond, CollectEvery: 2}
	_, err := Compare(settings, Subject{"garbage", func(int) error {
		calls++
		before := cycles()
		for range 200 {
			sink = make([]byte, 100_000)
		}
		if before == cycles() {
			during++
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if calls < 5 || during < 4 {
		t.Errorf("%d calls, %d of them without the garbage collector, want the 4 rounds", calls, during)
	}
	before := debug.SetGCPercent(100)
	debug.SetGCPercent(before)
	if before < 0 {
		t.Error("the garbage collector was left off")
	}
}

func TestLimit(t *testing.T) {
	r, err := Compare(Settings{Rounds: 1000, Time: time.Millisecond, Limit: time.Nanosecond}, Subject{"slow", func(int) error {
		time.Sleep(time.Millisecond)
		return nil
	}})
	if err != nil || len(r[0].Rounds) != fewestRounds {
		t.Errorf("%d rounds, %v; want %d", len(r[0].Rounds), err, fewestRounds)
	}
}
