//go:build !race

package mgxtest_test

// raceEnabled reports whether the race detector is on.
const raceEnabled = false
