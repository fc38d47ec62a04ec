package conn

import (
	"fmt"

	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/wire"
)

// compressFrame appends the OP_COMPRESSED form of a whole message to dst.
func compressFrame(dst, frame []byte, with compress.Compressor) ([]byte, error) {
	h, err := wire.ParseHeader(frame, 1<<31-1)
	if err != nil {
		return nil, err
	}
	payload := frame[wire.HeaderLen:]
	dst, start := wire.BeginCompressed(dst, h.RequestID, h.ResponseTo, h.OpCode, len(payload), with.ID())
	if dst, err = with.Compress(dst, payload); err != nil {
		return nil, fmt.Errorf("compress with %s: %w", with.Name(), err)
	}
	return wire.End(dst, start), nil
}

// decompressFrame returns the message that an OP_COMPRESSED holds.
func decompressFrame(frame []byte, maxSize int32) (*wire.Buffer, error) {
	c, err := wire.ParseCompressed(frame, maxSize)
	if err != nil {
		return nil, err
	}
	with, err := compress.ByID(c.Compressor)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrMalformed, err)
	}
	// What is announced is believed once the compressor has seen the data.
	buf := wire.GetBuffer(wire.HeaderLen + min(int(c.UncompressedSize), usualRatio*len(c.Data)))
	b, start := wire.Begin(buf.B, c.RequestID, c.ResponseTo, c.OriginalOp)
	if b, err = with.Decompress(b, c.Data, int(c.UncompressedSize)); err != nil {
		buf.Release()
		return nil, fmt.Errorf("%w: decompress with %s: %w", wire.ErrMalformed, with.Name(), err)
	}
	buf.B = wire.End(b, start)
	return buf, nil
}

// usualRatio is how many bytes one compressed byte seldom stands for more of.
const usualRatio = 16
