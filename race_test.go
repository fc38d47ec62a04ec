//go:build race

package mgx_test

const raceDetector = true
