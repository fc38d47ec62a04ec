package clientbench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// latencies counts how long operations took, in buckets of a 16th of a power of
// two: about 4 % of the value. Counting allocates nothing.
type latencies [64 * 16]int64

func bucket(ns uint64) int {
	if ns < 16 {
		return int(ns)
	}
	shift := bits.Len64(ns) - 5
	return shift*16 + int(ns>>shift)
}

// middle is the value in the middle of a bucket.
func middle(b int) float64 {
	if b < 32 {
		return float64(b)
	}
	shift := b/16 - 1
	return (float64(b%16+16) + 0.5) * float64(uint64(1)<<shift)
}

// add may be called by several goroutines.
func (l *latencies) add(d time.Duration) { atomic.AddInt64(&l[bucket(uint64(max(d, 0)))], 1) }

func (l *latencies) merge(other *latencies) {
	for i, n := range other {
		l[i] += n
	}
}

// percentile returns the nanoseconds that p per cent of the operations stayed
// below; 0 of none.
func (l *latencies) percentile(p float64) float64 {
	var total int64
	for _, n := range l {
		total += n
	}
	if total == 0 {
		return 0
	}
	want, seen := int64(p/100*float64(total-1))+1, int64(0)
	for i, n := range l {
		if seen += n; seen >= want {
			return middle(i)
		}
	}
	return 0
}
