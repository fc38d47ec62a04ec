//go:build !race

package wire

// watched builds spoil what is released. See Buffer.Release.
const watched = false
