// Package compress is the compressors of OP_COMPRESSED messages, after
// MongoDB's specification of that name: snappy, zlib and zstd, how one of them
// is agreed on, and which commands are never compressed.
//
// A [Compressor] is stateless and safe for concurrent use; what is costly to
// build is pooled. None of them starts a goroutine.
//
// Decompression is for data from outside: the size that a message announces is
// compared with what its payload could hold at best before anything is
// allocated, never exceeded, and has to be exact.
package compress

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mgxdb/mgx/internal/setup"
)

// The names of the compressors, in the compressors option and in hello.
const (
	Snappy = setup.Snappy
	Zlib   = setup.Zlib
	Zstd   = setup.Zstd
)

// DefaultLevel is a compressor's own choice of its level.
const DefaultLevel = setup.DefaultLevel

// Compressor compresses and decompresses the payload of messages.
type Compressor interface {
	// ID is the compressor's number in OP_COMPRESSED.
	ID() byte
	// Name is its name in hello.
	Name() string
	// Compress appends the compressed form of src to dst, with which src must
	// not overlap.
	Compress(dst, src []byte) ([]byte, error)
	// Decompress appends the size bytes that src stands for to dst, with which
	// src must not overlap. If src stands for more or fewer bytes, or for
	// nothing at all, it returns dst and an error that errors.Is ErrCorrupt. No
	// more than size bytes are written; the caller has checked size against its
	// limit for messages.
	Decompress(dst, src []byte, size int) ([]byte, error)
}

// ErrCorrupt is the category of errors of payloads that cannot be decompressed.
var ErrCorrupt = errors.New("corrupt compressed message")

func corrupt(c Compressor, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrCorrupt, c.Name(), fmt.Sprintf(format, args...))
}

// New returns the compressor of a name. The level is its own: for zlib from 0
// (none) to 9 (smallest), for zstd up to 22, and [DefaultLevel]; snappy has none.
func New(name string, level int) (Compressor, error) {
	asked := setup.Connections{Compressors: []string{name}}
	switch name {
	case Zlib:
		asked.ZlibLevel = &level
	case Zstd:
		asked.ZstdLevel = &level
	}
	if err := asked.Check(); err != nil {
		return nil, err
	}
	switch name {
	case Snappy:
		return snappyCompressor{}, nil
	case Zlib:
		return zlibCompressor{level: level}, nil
	default:
		return zstdCompressor{level: zstdLevel(level)}, nil
	}
}

// NewList returns the compressors of names in their order, duplicates left
// out. A level that is not among levels is [DefaultLevel].
func NewList(names []string, levels map[string]int) ([]Compressor, error) {
	var out []Compressor
	for _, name := range names {
		if slices.ContainsFunc(out, func(c Compressor) bool { return c.Name() == name }) {
			continue
		}
		level, ok := levels[name]
		if !ok {
			level = DefaultLevel
		}
		c, err := New(name, level)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// ByID returns the compressor that a message names. The noop compressor, 0, is
// among them: servers use it in tests.
func ByID(id byte) (Compressor, error) {
	switch id {
	case noopID:
		return noopCompressor{}, nil
	case snappyID:
		return snappyCompressor{}, nil
	case zlibID:
		return zlibCompressor{level: DefaultLevel}, nil
	case zstdID:
		return zstdCompressor{level: zstdLevel(DefaultLevel)}, nil
	}
	return nil, fmt.Errorf("%w: no compressor has the number %d", ErrCorrupt, id)
}

// Negotiate returns the first of the client's compressors that the server's
// hello reply names, nil if there is none.
func Negotiate(client []Compressor, server []string) Compressor {
	for _, c := range client {
		if slices.Contains(server, c.Name()) {
			return c
		}
	}
	return nil
}

// Allowed reports whether a command may be compressed. What carries secrets is
// not: how well it compresses would tell about them.
func Allowed(command string) bool {
	switch command {
	case "hello", "isMaster", "ismaster",
		"saslStart", "saslContinue", "getnonce", "authenticate",
		"createUser", "updateUser",
		"copydbSaslStart", "copydbgetnonce", "copydb":
		return false
	}
	return true
}

// grow makes room for size bytes that src stands for. ratio is how many bytes
// one byte of src can stand for at best. A
// small message that announces a large one is refused before memory is.
func grow(c Compressor, dst, src []byte, size, ratio int) ([]byte, error) {
	if size < 0 || size/ratio > len(src) {
		return dst, corrupt(c, "%d bytes cannot stand for the announced %d", len(src), size)
	}
	return slices.Grow(dst, size), nil
}
