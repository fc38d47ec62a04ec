// Package wire frames and parses the messages of the MongoDB wire protocol:
// OP_MSG, OP_COMPRESSED, and the OP_QUERY/OP_REPLY pair in which other clients may
// greet a server.
//
// It moves bytes and knows no sockets. Parsed messages alias the frame they
// were parsed from.
//
// See the specifications "OP_MSG" and "OP_COMPRESSED", and the server manual's
// "MongoDB Wire Protocol".
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
)

// HeaderLen is the length of a message header in bytes.
const HeaderLen = 16

// DefaultMaxMessageSize bounds a message until the server's hello says
// otherwise. It is the default of the hello reply's maxMessageSizeBytes.
const DefaultMaxMessageSize = 48_000_000

// OpCode tells what a message holds.
type OpCode int32

// The operation codes that servers with OP_MSG understand.
const (
	OpReply      OpCode = 1
	OpQuery      OpCode = 2004
	OpCompressed OpCode = 2012
	OpMsg        OpCode = 2013
)

// String returns the manual's name of the code.
func (c OpCode) String() string {
	switch c {
	case OpReply:
		return "OP_REPLY"
	case OpQuery:
		return "OP_QUERY"
	case OpCompressed:
		return "OP_COMPRESSED"
	case OpMsg:
		return "OP_MSG"
	}
	return fmt.Sprintf("opcode %d", int32(c))
}

// ErrMalformed is the category of every error about bytes that break the
// protocol. The connection they came from cannot be used further.
var ErrMalformed = errors.New("malformed message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Header is the first 16 bytes of every message.
type Header struct {
	Length     int32
	RequestID  int32
	ResponseTo int32
	OpCode     OpCode
}

var lastRequestID atomic.Int32

// NextRequestID returns an identifier for a request, unique in the process
// until the counter wraps around.
func NextRequestID() int32 { return lastRequestID.Add(1) }

// ParseHeader reads the header at the start of b. The message length that it
// states must lie between a header's length and maxSize.
func ParseHeader(b []byte, maxSize int32) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, malformed("%d bytes are too few for a header", len(b))
	}
	h := Header{
		Length:     int32(binary.LittleEndian.Uint32(b)),
		RequestID:  int32(binary.LittleEndian.Uint32(b[4:])),
		ResponseTo: int32(binary.LittleEndian.Uint32(b[8:])),
		OpCode:     OpCode(binary.LittleEndian.Uint32(b[12:])),
	}
	if h.Length < HeaderLen || h.Length > maxSize {
		if string(b[:4]) == "HTTP" {
			return h, malformed("a web server answers on this port, not MongoDB")
		}
		return h, malformed("the header states a length of %d bytes, outside of %d to %d", h.Length, HeaderLen, maxSize)
	}
	return h, nil
}

// Begin appends a header whose length End fills in, and returns the position
// of the message.
func Begin(dst []byte, requestID, responseTo int32, op OpCode) ([]byte, int) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(requestID))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(responseTo))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(op))
	return dst, start
}

// End fills in the length of the message that starts at start.
func End(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// frame checks that b is one whole message of the expected kind and returns
// its header and payload.
func frame(b []byte, want OpCode) (Header, []byte, error) {
	h, err := ParseHeader(b, 1<<31-1)
	if err != nil {
		return h, nil, err
	}
	if int(h.Length) != len(b) {
		return h, nil, malformed("the header states %d bytes, the message has %d", h.Length, len(b))
	}
	if h.OpCode != want {
		return h, nil, malformed("expected %v, got %v", want, h.OpCode)
	}
	return h, b[HeaderLen:], nil
}

// document splits the BSON document at the start of b off. Only its length
// and its terminator are checked; its elements are checked by who reads them.
func document(b []byte) (doc, rest []byte, err error) {
	if len(b) < 5 {
		return nil, nil, malformed("%d bytes are too few for a document", len(b))
	}
	n := int32(binary.LittleEndian.Uint32(b))
	if n < 5 || int64(n) > int64(len(b)) {
		return nil, nil, malformed("a document states %d bytes, %d are left", n, len(b))
	}
	if b[n-1] != 0 {
		return nil, nil, malformed("a document of %d bytes has no terminator", n)
	}
	return b[:n:n], b[n:], nil
}

// cstring splits a NUL-terminated string off.
func cstring(b []byte) (s, rest []byte, err error) {
	for i, c := range b {
		if c == 0 {
			return b[:i], b[i+1:], nil
		}
	}
	return nil, nil, malformed("a string has no terminator")
}
