//go:build race

package pool

// raceEnabled tells that sync.Pool drops things at random.
const raceEnabled = true
