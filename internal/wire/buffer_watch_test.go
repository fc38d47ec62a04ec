package wire

import (
	"bytes"
	"testing"
)

func TestReleasedBytesAreSpoilt(t *testing.T) {
	if !watched {
		t.Skip("only builds with the race detector spoil what is released")
	}
	for _, size := range []int{1, 2, 3, 1000, 4096} {
		b := GetBuffer(size)
		b.B = append(b.B, make([]byte, size)...)
		view := b.B
		b.Release()
		if want := bytes.Repeat([]byte{spoilt}, size); !bytes.Equal(view, want) {
			t.Errorf("%d bytes are %x", size, view)
		}
	}
}

func TestSecondReleasePanics(t *testing.T) {
	if !watched {
		t.Skip("only builds with the race detector watch releases")
	}
	b := GetBuffer(10)
	b.Release()
	defer func() {
		if recover() == nil {
			t.Error("nothing happened")
		}
	}()
	b.Release()
}
