package wire

import "testing"

func TestBufferClasses(t *testing.T) {
	for _, size := range []int{0, 1, 1023, 1024, 1025, 4095, 4096, 4097, 1 << 20, 1<<20 + 1, 1 << 26, 1<<26 + 1} {
		b := GetBuffer(size)
		if len(b.B) != 0 || cap(b.B) < size {
			t.Errorf("size %d: length %d, capacity %d", size, len(b.B), cap(b.B))
		}
		if size >= 1024 && cap(b.B) > 2*size {
			t.Errorf("size %d: capacity %d wastes memory", size, cap(b.B))
		}
		b.Release()
	}
}

// A buffer that append moved to an odd capacity must not serve a class that it
// is too small for.
func TestBufferOddCapacity(t *testing.T) {
	for _, capacity := range []int{1, 1500, 4095, 5000, 1<<26 + 5} {
		for range 10 {
			(&Buffer{B: make([]byte, 0, capacity)}).Release()
		}
		for c := range classes {
			if b := GetBuffer(classSize(c)); cap(b.B) < classSize(c) {
				t.Fatalf("a buffer of %d bytes was served for %d", cap(b.B), classSize(c))
			}
		}
	}
}
