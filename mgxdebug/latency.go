package mgxdebug

import (
	"math"
	"time"
)

// The buckets of a histogram begin at fastest and grow by growth each: a percentile is
// off by half of that at most.
const (
	buckets = 72
	fastest = 20 * time.Microsecond
	growth  = 1.25
)

var logGrowth = math.Log(growth)

// histogram counts durations.
type histogram struct {
	counts        [buckets]uint32
	count, failed uint32
	total, most   time.Duration
}

func (h *histogram) add(took time.Duration, failed bool) {
	i := 0
	if took > fastest {
		i = min(int(math.Log(float64(took)/float64(fastest))/logGrowth)+1, buckets-1)
	}
	h.counts[i]++
	h.count++
	if failed {
		h.failed++
	}
	h.total += took
	h.most = max(h.most, took)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.count += other.count
	h.failed += other.failed
	h.total += other.total
	h.most = max(h.most, other.most)
}

// percentile returns the duration that a share of all is not longer than.
func (h *histogram) percentile(share float64) time.Duration {
	rank := uint32(math.Ceil(float64(h.count) * share))
	seen := uint32(0)
	for i, n := range h.counts {
		if seen += n; seen >= rank && n > 0 {
			middle := float64(fastest) * math.Pow(growth, float64(i)-0.5)
			return min(time.Duration(middle), h.most)
		}
	}
	return 0
}

func (h *histogram) slot() Slot {
	return Slot{
		Count: int(h.count), Failed: int(h.failed), P50: h.percentile(.5), P95: h.percentile(.95), P99: h.percentile(.99), Max: h.most,
	}
}

// ring is histograms of successive stretches of time, the oldest of which is used again.
type ring struct {
	step  time.Duration
	slots []histogram
	last  int64 // the number of the latest one since the beginning of time
}

func newRing(step time.Duration, n int) *ring { return &ring{step: step, slots: make([]histogram, n)} }

// advance makes the slot of a moment the latest.
func (r *ring) advance(at time.Time) {
	now := at.UnixNano() / int64(r.step)
	if now <= r.last {
		return
	}
	for i := max(r.last+1, now-int64(len(r.slots))+1); i <= now; i++ {
		r.slots[i%int64(len(r.slots))] = histogram{}
	}
	r.last = now
}

func (r *ring) add(at time.Time, took time.Duration, failed bool) {
	r.advance(at)
	r.slots[r.last%int64(len(r.slots))].add(took, failed)
}

// history returns the slots in the order of time, and all of them together.
func (r *ring) history(at time.Time) (list []Slot, all histogram) {
	r.advance(at)
	n := int64(len(r.slots))
	list = make([]Slot, 0, n)
	for i := r.last - n + 1; i <= r.last; i++ {
		h := &r.slots[(i%n+n)%n]
		list = append(list, h.slot())
		all.merge(h)
	}
	return list, all
}
