package wire

import (
	"math/bits"
	"sync"
)

// Buffer is a byte slice from a pool. Whoever holds one releases it exactly
// once, or keeps it for good and leaves it to the garbage collector.
type Buffer struct {
	B []byte
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
		return b
	}
	return &Buffer{B: make([]byte, 0, classSize(c))}
}

// Release gives the buffer back. Nothing may use its bytes afterwards.
func (b *Buffer) Release() {
	if b == nil || cap(b.B) < classSize(0) {
		return
	}
	// The largest class that the buffer's capacity fills.
	c := min(bits.Len(uint(cap(b.B)))-1-minClassBits, classes-1)
	b.B = b.B[:0]
	buffers[c].Put(b)
}

func class(size int) int {
	if size <= classSize(0) {
		return 0
	}
	return bits.Len(uint(size-1)) - minClassBits
}

func classSize(c int) int { return 1 << (minClassBits + c) }
