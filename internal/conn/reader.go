package conn

import (
	"io"

	"github.com/mgxdb/mgx/internal/wire"
)

const (
	minRead = 1 << 10
	maxRead = 1 << 16
)

// reader takes whole messages off a socket. It keeps what it read when a read
// fails, so that a later call can go on where an earlier one was cut off.
type reader struct {
	buf *wire.Buffer // bytes of the next message; nil: none yet
	// hint is how much room the next message gets before its length is known.
	// It follows the sizes of recent messages, up at once and down slowly.
	hint int
}

// next returns the next whole message.
func (r *reader) next(src io.Reader, maxSize int32) (*wire.Buffer, error) {
	if r.buf == nil {
		r.buf = wire.GetBuffer(max(r.hint, minRead))
	}
	for {
		size := 0
		if len(r.buf.B) >= wire.HeaderLen {
			h, err := wire.ParseHeader(r.buf.B, maxSize)
			if err != nil {
				return nil, err
			}
			size = int(h.Length)
			if len(r.buf.B) >= size {
				return r.take(size), nil
			}
		}
		if size > cap(r.buf.B) {
			r.grow(size)
		}
		if err := r.fill(src); err != nil {
			return nil, err
		}
	}
}

// fill reads once.
func (r *reader) fill(src io.Reader) error {
	b := r.buf.B
	n, err := src.Read(b[len(b):cap(b)])
	r.buf.B = b[:len(b)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	if err == io.EOF && len(b) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *reader) grow(size int) {
	bigger := wire.GetBuffer(size)
	bigger.B = append(bigger.B, r.buf.B...)
	r.buf.Release()
	r.buf = bigger
}

// take hands out the first size bytes. Bytes behind them, of a reply that the
// server sent by itself, become the start of the next message.
func (r *reader) take(size int) *wire.Buffer {
	out := r.buf
	r.buf = nil
	if rest := out.B[size:]; len(rest) > 0 {
		r.buf = wire.GetBuffer(max(len(rest), minRead))
		r.buf.B = append(r.buf.B, rest...)
	}
	out.B = out.B[:size]
	if size > r.hint {
		r.hint = min(size, maxRead)
	} else {
		r.hint -= (r.hint - size) / 8
	}
	return out
}
