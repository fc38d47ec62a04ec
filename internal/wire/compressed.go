package wire

import "encoding/binary"

// Compressed is a parsed OP_COMPRESSED. Data aliases the frame.
type Compressed struct {
	Header
	OriginalOp       OpCode
	UncompressedSize int32 // of the original message without its header
	Compressor       byte  // its number in the specification
	Data             []byte
}

// BeginCompressed appends the header of an OP_COMPRESSED. The caller appends
// the compressed payload, then calls End.
func BeginCompressed(dst []byte, requestID, responseTo int32, original OpCode, uncompressedSize int, compressor byte) ([]byte, int) {
	dst, start := Begin(dst, requestID, responseTo, OpCompressed)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(original))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(uncompressedSize))
	return append(dst, compressor), start
}

// ParseCompressed parses a whole OP_COMPRESSED. The size that it announces
// for the original message must not exceed maxSize.
func ParseCompressed(b []byte, maxSize int32) (Compressed, error) {
	h, p, err := frame(b, OpCompressed)
	if err != nil {
		return Compressed{}, err
	}
	if len(p) < 9 {
		return Compressed{}, malformed("OP_COMPRESSED ends before its payload")
	}
	c := Compressed{
		Header:           h,
		OriginalOp:       OpCode(binary.LittleEndian.Uint32(p)),
		UncompressedSize: int32(binary.LittleEndian.Uint32(p[4:])),
		Compressor:       p[8],
		Data:             p[9:],
	}
	if c.OriginalOp == OpCompressed {
		return Compressed{}, malformed("OP_COMPRESSED holds OP_COMPRESSED")
	}
	if c.UncompressedSize < 0 || c.UncompressedSize > maxSize-HeaderLen {
		return Compressed{}, malformed("OP_COMPRESSED announces %d bytes, at most %d are allowed", c.UncompressedSize, maxSize-HeaderLen)
	}
	return c, nil
}
