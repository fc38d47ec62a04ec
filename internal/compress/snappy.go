package compress

import (
	"errors"
	"slices"

	"github.com/klauspost/compress/s2"
)

const (
	snappyID = 1
	// snappyRatio: a copy of 64 bytes takes 3.
	snappyRatio = 22
)

// snappyCompressor uses snappy's block format.
type snappyCompressor struct{}

func (snappyCompressor) ID() byte     { return snappyID }
func (snappyCompressor) Name() string { return Snappy }

func (snappyCompressor) Compress(dst, src []byte) ([]byte, error) {
	bound := s2.MaxEncodedLen(len(src))
	if bound < 0 {
		return dst, errors.New("snappy: the message is too large")
	}
	dst = slices.Grow(dst, bound)
	n := len(dst)
	out := s2.EncodeSnappy(dst[n:n+bound], src)
	return dst[:n+len(out)], nil
}

func (c snappyCompressor) Decompress(dst, src []byte, size int) ([]byte, error) {
	length, err := s2.DecodedLen(src)
	if err != nil {
		return dst, corrupt(c, "%v", err)
	}
	if length != size {
		return dst, corrupt(c, "it is %d bytes, %d were announced", length, size)
	}
	if dst, err = grow(c, dst, src, size, snappyRatio); err != nil {
		return dst, err
	}
	n := len(dst)
	if _, err := s2.Decode(dst[n:n+size:n+size], src); err != nil {
		return dst, corrupt(c, "%v", err)
	}
	return dst[:n+size], nil
}
