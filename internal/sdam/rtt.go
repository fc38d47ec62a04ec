package sdam

import "time"

// rttSamples is how many recent samples the lowest round trip time is taken from.
const rttSamples = 10

// RTT measures a server's round trip time: an exponentially weighted moving
// average (each sample counts a fifth) and the lowest of the last ten samples.
// The zero value has no samples.
type RTT struct {
	average float64
	count   int
	recent  [rttSamples]time.Duration
}

// Add takes a sample.
func (r *RTT) Add(sample time.Duration) {
	sample = max(sample, 0)
	if r.count == 0 {
		r.average = float64(sample)
	} else {
		const weight = 0.2
		r.average = weight*float64(sample) + (1-weight)*r.average
	}
	r.recent[r.count%rttSamples] = sample
	r.count++
}

// Reset forgets all samples; it is due when the server becomes Unknown.
func (r *RTT) Reset() { *r = RTT{} }

// Average returns the moving average; 0 without samples.
func (r *RTT) Average() time.Duration { return time.Duration(r.average) }

// Min returns the lowest recent sample; 0 until there are two.
func (r *RTT) Min() time.Duration {
	if r.count < 2 {
		return 0
	}
	lowest := r.recent[0]
	for _, sample := range r.recent[1:min(r.count, rttSamples)] {
		lowest = min(lowest, sample)
	}
	return lowest
}
