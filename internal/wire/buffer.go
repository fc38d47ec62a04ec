package wire

import (
	"math/bits"
	"sync"
)

// Buffer is a byte slice from a pool. Whoever holds one releases it exactly
// once, or keeps it for good and leaves it to the garbage collector.
type Buffer struct {
	B    []byte
	free bool // only known where releases are watched
}

// Buffers come in classes of powers of two, from 1 KiB to 64 MiB.
const (
	minClassBits = 10
	classes      = 17
)

var buffers [classes]sync.Pool

// GetBuffer returns an empty buffer with room for at least size bytes.
func GetBuffer(size int) *Buffer {
	c := class(size)
	if c >= classes {
		return &Buffer{B: make([]byte, 0, size)}
	}
	if b, ok := buffers[c].Get().(*Buffer); ok {
		b.free = false
		return b
	}
	return &Buffer{B: make([]byte, 0, classSize(c))}
}

// Release gives the buffer back. Nothing may use its bytes afterwards: builds with
// the race detector overwrite them at once, so that tests see who does.
func (b *Buffer) Release() {
	if b == nil || cap(b.B) < classSize(0) {
		return
	}
	if watched {
		b.spoil()
	}
	// The largest class that the buffer's capacity fills.
	c := min(bits.Len(uint(cap(b.B)))-1-minClassBits, classes-1)
	b.B = b.B[:0]
	buffers[c].Put(b)
}

// spoil makes later uses of the buffer's bytes show, and a second release fail.
func (b *Buffer) spoil() {
	if b.free {
		panic("wire: a buffer was released twice")
	}
	b.free = true
	if len(b.B) == 0 {
		return
	}
	b.B[0] = spoilt
	for n := 1; n < len(b.B); n *= 2 {
		copy(b.B[n:], b.B[:n])
	}
}

// spoilt is what the bytes of released buffers are made in builds with the race
// detector: as the length of a document it is negative.
const spoilt = 0xDB

func class(size int) int {
	if size <= classSize(0) {
		return 0
	}
	return bits.Len(uint(size-1)) - minClassBits
}

func classSize(c int) int { return 1 << (minClassBits + c) }
