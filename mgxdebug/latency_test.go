package mgxdebug

import (
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Percentiles are off by the width of a bucket at most, and never more than the longest.
func TestPercentiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	all := make([]time.Duration, 5000)
	for i := range all {
		all[i] = time.Duration(random.ExpFloat64() * float64(5*time.Millisecond))
		h.add(all[i], i%10 == 0)
	}
	slices.Sort(all)
	for _, share := range []float64{.5, .95, .99} {
		got, want := h.percentile(share), all[int(share*float64(len(all)))]
		if ratio := float64(got) / float64(want); ratio < 1/growth || ratio > growth {
			t.Errorf("%v: %v, want about %v", share, got, want)
		}
	}
	if s := h.slot(); s.Count != 5000 || s.Failed != 500 || s.Max != all[len(all)-1] || s.P99 > s.Max {
		t.Errorf("%+v", s)
	}
	var one histogram
	one.add(time.Second, false)
	if got := one.percentile(.5); got > time.Second || got < 800*time.Millisecond {
		t.Errorf("of one second the median is %v", got)
	}
	for _, d := range []time.Duration{-1, 0, 1, time.Hour * 1e5} {
		one.add(d, false) // finds a bucket
	}
}

// Slots move with time, are empty when they come again, and all is forgotten after a
// pause.
func TestRing(t *testing.T) {
	r := newRing(time.Second, 5)
	at := time.Unix(1_000_000, 0)
	for i := range 7 {
		for range i + 1 {
			r.add(at.Add(time.Duration(i)*time.Second), time.Millisecond, false)
		}
	}
	counts := func(at time.Time) (list []int) {
		slots, _ := r.history(at)
		for _, s := range slots {
			list = append(list, s.Count)
		}
		return list
	}
	if got := counts(at.Add(6 * time.Second)); !slices.Equal(got, []int{3, 4, 5, 6, 7}) {
		t.Error(got)
	}
	if got := counts(at.Add(8 * time.Second)); !slices.Equal(got, []int{5, 6, 7, 0, 0}) {
		t.Error(got)
	}
	r.add(at, time.Millisecond, false) // the clock went back
	if got := counts(at); !slices.Equal(got, []int{5, 6, 7, 0, 1}) {
		t.Error(got)
	}
	if got := counts(at.Add(time.Hour)); !slices.Equal(got, make([]int, 5)) {
		t.Error(got)
	}
}

func TestPerSecond(t *testing.T) {
	s := &Snapshot{Step: 2 * time.Second, History: []Slot{{Count: 100}, {Count: 4}, {Count: 4}, {Count: 4}, {Count: 4}, {Count: 4}, {Count: 1}}}
	if got := s.PerSecond(); got != 2 {
		t.Error(got)
	}
	if got := (&Snapshot{Step: time.Second}).PerSecond(); got != 0 {
		t.Error(got)
	}
}

// The plots are well-formed, of whatever there is.
func TestPlots(t *testing.T) {
	empty := &Snapshot{Step: step, History: make([]Slot, steps)}
	full := &Snapshot{Step: step, History: make([]Slot, steps)}
	for i := range full.History {
		if i%7 != 0 {
			full.History[i] = Slot{Count: i * i * i, Failed: i, P50: time.Duration(i) * time.Microsecond, P95: time.Duration(i) * time.Millisecond, P99: time.Duration(i) * time.Second, Max: time.Hour}
		}
	}
	for name, svg := range map[string]string{
		"no latencies": string(latencies(empty)), "latencies": string(latencies(full)), "no throughput": string(throughput(empty)), "throughput": string(throughput(full)),
		"round trips": string(spark([]time.Duration{1, 5, 0, 3})), "no connections": string(share(Pool{})), "connections": string(share(Pool{InUse: 3, Idle: 200, Max: 100})),
	} {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, svg)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || strings.Contains(svg, "%!") || !strings.HasPrefix(svg, "<svg") {
			t.Errorf("%s: %s", name, svg)
		}
	}
	if spark(nil) != "" {
		t.Error("round trips of a server that was never checked")
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "–", 7 * time.Microsecond: "7 µs", 999 * time.Microsecond: "999 µs", 1234 * time.Microsecond: "1.23 ms", 99*time.Millisecond + 960*time.Microsecond: "100 ms",
		2500 * time.Millisecond: "2.50 s", 90 * time.Second: "1 min 30 s", 90 * time.Minute: "1 h 30 min", 80 * time.Hour: "3 days",
	} {
		if got := short(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
	for v, want := range map[float64]string{1: "1", 3: "5", 6: "10", 40: "50", 100: "100", .3: "0.50"} {
		if got := rate(roundUp(v)); strings.TrimSuffix(strings.TrimSuffix(got, ".00"), ".0") != want {
			t.Errorf("%v is rounded to %s, want %s", v, got, want)
		}
	}
}
