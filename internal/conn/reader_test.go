package conn

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/wire"
)

func message(size int) []byte {
	return (&scripted.Peer{}).Reply(scripted.Request{ID: 1, OpCode: wire.OpMsg}, bson.D{{Key: "x", Value: make([]byte, size)}})
}

func TestReaderChunks(t *testing.T) {
	var stream []byte
	var want [][]byte
	for _, size := range []int{0, 10, 5000, 1 << 17, 3, 100_000, 1} {
		m := message(size)
		want = append(want, m)
		stream = append(stream, m...)
	}
	for name, src := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)), "halves": iotest.HalfReader(bytes.NewReader(stream)),
	} {
		var r reader
		for i, m := range want {
			got, err := r.next(src, wire.DefaultMaxMessageSize)
			if err != nil || !bytes.Equal(got.B, m) {
				t.Fatalf("%s: message %d: %v", name, i, err)
			}
			got.Release()
		}
		if _, err := r.next(src, wire.DefaultMaxMessageSize); !errors.Is(err, io.EOF) {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

// The room for the next message shrinks again after a large one.
func TestReaderHint(t *testing.T) {
	var r reader
	next := func(size int) {
		m, err := r.next(bytes.NewReader(message(size)), wire.DefaultMaxMessageSize)
		if err != nil {
			t.Fatal(err)
		}
		m.Release()
	}
	next(1 << 20)
	if r.hint != maxRead {
		t.Errorf("hint %d after a large message", r.hint)
	}
	for range 50 {
		next(10)
	}
	if r.hint > 2*minRead {
		t.Errorf("hint %d after many small messages", r.hint)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(message(10), uint8(1))
	f.Add(append(message(0), message(3000)...), uint8(7))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		src := &chunks{stream, int(chunk) + 1}
		var r reader
		read := 0
		for {
			// No message that the limit forbids is waited for, or allocated.
			m, err := r.next(src, 1<<16)
			if err != nil {
				return
			}
			if !bytes.Equal(m.B, stream[read:read+len(m.B)]) {
				t.Fatal("the bytes are not those of the stream")
			}
			read += len(m.B)
			m.Release()
		}
	})
}

// chunks gives a stream away n bytes at a time.
type chunks struct {
	b []byte
	n int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(c.n, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}
