//go:build race

package bson_test

const raceEnabled = true
