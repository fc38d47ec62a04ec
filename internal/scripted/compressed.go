package scripted

import (
	"fmt"

	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/wire"
)

// unpack returns the message that an OP_COMPRESSED holds, and the compressor's
// name.
func unpack(frame []byte) (plain []byte, compressor string, err error) {
	c, err := wire.ParseCompressed(frame, wire.DefaultMaxMessageSize)
	if err != nil {
		return nil, "", err
	}
	with, err := compress.ByID(c.Compressor)
	if err != nil {
		return nil, "", err
	}
	plain, start := wire.Begin(nil, c.RequestID, c.ResponseTo, c.OriginalOp)
	if plain, err = with.Decompress(plain, c.Data, int(c.UncompressedSize)); err != nil {
		return nil, "", fmt.Errorf("the client compressed badly: %w", err)
	}
	return wire.End(plain, start), with.Name(), nil
}

// Compress puts a whole message, as Reply makes it, into an OP_COMPRESSED that
// announces size bytes, or, with a size below 0, as many as there are.
func Compress(frame []byte, compressor string, size int) []byte {
	with, err := compress.New(compressor, compress.DefaultLevel)
	if err != nil {
		panic(err)
	}
	h, err := wire.ParseHeader(frame, wire.DefaultMaxMessageSize)
	if err != nil {
		panic(err)
	}
	payload := frame[wire.HeaderLen:]
	if size < 0 {
		size = len(payload)
	}
	out, start := wire.BeginCompressed(nil, h.RequestID, h.ResponseTo, h.OpCode, size, with.ID())
	if out, err = with.Compress(out, payload); err != nil {
		panic(err)
	}
	return wire.End(out, start)
}
