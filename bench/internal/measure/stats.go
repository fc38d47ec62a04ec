package measure

import (
	"math"
	"slices"
)

// Median returns the middle of the values, or the mean of the middle two; NaN of
// none. It leaves the values as they are.
func Median(values []float64) float64 {
	return Percentile(values, 50)
}

// Percentile returns the value below which p per cent of the values lie,
// interpolated between neighbours; NaN of none. p is clamped to 0…100.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := min(max(p, 0), 100) / 100 * float64(len(sorted)-1)
	low := int(at)
	if low == len(sorted)-1 {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// Spread returns how far the middle half of the values lies apart, in parts of
// the median: a measure of how noisy a measurement was.
func Spread(values []float64) float64 {
	return (Percentile(values, 75) - Percentile(values, 25)) / Median(values)
}
