package compress

import (
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	zstdID = 3
	// zstdRatio: a block of 128 KB of one byte takes 4.
	zstdRatio = 128 << 10 / 4
)

// zstdCompressor uses zstd's default level. Encoders and decoders are used for
// whole buffers only, with a concurrency of one: they start no goroutines and
// can be dropped.
type zstdCompressor struct{}

func (zstdCompressor) ID() byte     { return zstdID }
func (zstdCompressor) Name() string { return Zstd }

var zstdEncoders, zstdDecoders sync.Pool

func (zstdCompressor) Compress(dst, src []byte) ([]byte, error) {
	e, _ := zstdEncoders.Get().(*zstd.Encoder)
	if e == nil {
		var err error
		e, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
		if err != nil {
			return dst, err
		}
	}
	defer zstdEncoders.Put(e)
	return e.EncodeAll(src, dst), nil
}

func (c zstdCompressor) Decompress(dst, src []byte, size int) ([]byte, error) {
	d, _ := zstdDecoders.Get().(*zstd.Decoder)
	if d == nil {
		var err error
		// The capacity of the destination is the limit for the output.
		d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return dst, err
		}
	}
	defer zstdDecoders.Put(d)
	dst, err := grow(c, dst, src, size, zstdRatio)
	if err != nil {
		return dst, err
	}
	n := len(dst)
	out, err := d.DecodeAll(src, dst[n:n:n+size])
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return dst, corrupt(c, "it has more than the announced %d bytes", size)
	case err != nil:
		return dst, corrupt(c, "%v", err)
	case len(out) != size:
		return dst, corrupt(c, "it has %d bytes, %d were announced", len(out), size)
	}
	return dst[:n+size], nil
}
