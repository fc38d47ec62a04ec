package compress

import (
	"bytes"
	"compress/zlib"
	"io"
	"sync"
)

const (
	zlibID = 2
	// zlibRatio: 258 bytes take at least 2 bits.
	zlibRatio = 1032

	minLevel = zlib.DefaultCompression
	maxLevel = zlib.BestCompression
)

// zlibCompressor compresses with one of zlib's levels.
type zlibCompressor struct{ level int }

func (zlibCompressor) ID() byte     { return zlibID }
func (zlibCompressor) Name() string { return Zlib }

// zlibWriters has a pool for each level, for writers are of one level.
var zlibWriters [maxLevel - minLevel + 1]sync.Pool

// zlibWriter is a writer with the buffer that it appends to.
type zlibWriter struct {
	z   *zlib.Writer
	out []byte
}

func (w *zlibWriter) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	return len(p), nil
}

func (c zlibCompressor) Compress(dst, src []byte) ([]byte, error) {
	pool := &zlibWriters[c.level-minLevel]
	w, _ := pool.Get().(*zlibWriter)
	if w == nil {
		w = new(zlibWriter)
		z, err := zlib.NewWriterLevel(w, c.level)
		if err != nil {
			return dst, err
		}
		w.z = z
	} else {
		w.z.Reset(w)
	}
	defer func() {
		w.out = nil
		pool.Put(w)
	}()
	w.out = dst
	if _, err := w.z.Write(src); err != nil {
		return dst, err
	}
	if err := w.z.Close(); err != nil {
		return dst, err
	}
	return w.out, nil
}

// zlibReader is a reader with its input.
type zlibReader struct {
	in bytes.Reader
	z  io.ReadCloser
}

var zlibReaders = sync.Pool{New: func() any { return new(zlibReader) }}

func (r *zlibReader) reset(src []byte) error {
	r.in.Reset(src)
	if r.z != nil {
		return r.z.(zlib.Resetter).Reset(&r.in, nil)
	}
	z, err := zlib.NewReader(&r.in)
	r.z = z
	return err
}

func (c zlibCompressor) Decompress(dst, src []byte, size int) ([]byte, error) {
	r := zlibReaders.Get().(*zlibReader)
	defer func() {
		r.in.Reset(nil)
		zlibReaders.Put(r)
	}()
	if err := r.reset(src); err != nil {
		return dst, corrupt(c, "%v", err)
	}
	dst, err := grow(c, dst, src, size, zlibRatio)
	if err != nil {
		return dst, err
	}
	n := len(dst)
	if _, err := io.ReadFull(r.z, dst[n:n+size]); err != nil {
		return dst, corrupt(c, "it does not have the announced %d bytes: %v", size, err)
	}
	// The end is where the checksum is compared.
	var one [1]byte
	if m, err := r.z.Read(one[:]); m != 0 || err != io.EOF {
		if m == 0 && err != nil {
			return dst, corrupt(c, "%v", err)
		}
		return dst, corrupt(c, "it has more than the announced %d bytes", size)
	}
	if r.in.Len() > 0 {
		return dst, corrupt(c, "%d bytes follow its end", r.in.Len())
	}
	return dst[:n+size], nil
}
