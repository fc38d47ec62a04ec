//go:build race

package prose

import "time"

// Under the race detector, simulated servers take seconds for documents of megabytes.
const (
	slow = true
	ms   = 40 * time.Millisecond
)
