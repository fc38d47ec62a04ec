//go:build !race

package prose

import "time"

// ms is what stands for a millisecond of the prose.
const (
	slow = false
	ms   = 10 * time.Millisecond
)
