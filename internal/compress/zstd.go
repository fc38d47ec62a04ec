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

// zstdCompressor compresses with one of the encoder's levels. Encoders and decoders
// are used for whole buffers only, with a concurrency of one: they start no
// goroutines and can be dropped.
type zstdCompressor struct{ level zstd.EncoderLevel }

// zstdLevel returns the encoder's level that is nearest to one of zstd's own.
func zstdLevel(level int) zstd.EncoderLevel {
	if level <= 0 {
		return zstd.SpeedDefault
	}
	return zstd.EncoderLevelFromZstd(level)
}

func (zstdCompressor) ID() byte     { return zstdID }
func (zstdCompressor) Name() string { return Zstd }

// zstdEncoders has a pool for each level, for encoders are of one level.
var zstdEncoders [zstd.SpeedBestCompression + 1]sync.Pool

var zstdDecoders sync.Pool

func (c zstdCompressor) Compress(dst, src []byte) ([]byte, error) {
	pool := &zstdEncoders[c.level]
	e, _ := pool.Get().(*zstd.Encoder)
	if e == nil {
		var err error
		e, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(c.level), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
		if err != nil {
			return dst, err
		}
	}
	defer pool.Put(e)
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
