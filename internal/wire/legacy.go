package wire

import "encoding/binary"

// Flag bits of OP_QUERY and OP_REPLY.
const (
	querySecondaryOK   = 1 << 2
	replyCursorMissing = 1 << 0
)

// AppendQuery appends a whole OP_QUERY that runs cmd against db's $cmd
// collection.
func AppendQuery(dst []byte, requestID int32, db string, cmd []byte) []byte {
	dst, start := Begin(dst, requestID, 0, OpQuery)
	dst = binary.LittleEndian.AppendUint32(dst, querySecondaryOK)
	dst = append(dst, db...)
	dst = append(dst, ".$cmd\x00"...)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, 0xFFFFFFFF) // numberToReturn -1: one document, no cursor
	return End(append(dst, cmd...), start)
}

// Query is a parsed OP_QUERY. Its bytes alias the frame.
type Query struct {
	Header
	Flags      uint32
	Collection string
	Skip       int32
	Return     int32
	Document   []byte
}

// ParseQuery parses a whole OP_QUERY.
func ParseQuery(b []byte) (Query, error) {
	h, p, err := frame(b, OpQuery)
	if err != nil {
		return Query{}, err
	}
	if len(p) < 4 {
		return Query{}, malformed("OP_QUERY ends before its flags")
	}
	q := Query{Header: h, Flags: binary.LittleEndian.Uint32(p)}
	name, p, err := cstring(p[4:])
	if err != nil {
		return Query{}, err
	}
	q.Collection = string(name)
	if len(p) < 8 {
		return Query{}, malformed("OP_QUERY ends before its document")
	}
	q.Skip = int32(binary.LittleEndian.Uint32(p))
	q.Return = int32(binary.LittleEndian.Uint32(p[4:]))
	// A field selector may follow; commands have none that matters.
	q.Document, _, err = document(p[8:])
	return q, err
}

// AppendReply appends a whole OP_REPLY with one document.
func AppendReply(dst []byte, requestID, responseTo int32, doc []byte) []byte {
	dst, start := Begin(dst, requestID, responseTo, OpReply)
	dst = append(dst, make([]byte, 16)...) // flags, cursor, starting from
	dst = binary.LittleEndian.AppendUint32(dst, 1)
	return End(append(dst, doc...), start)
}

// ParseReply parses a whole OP_REPLY and returns its header and its one
// document, which aliases the frame.
func ParseReply(b []byte) (Header, []byte, error) {
	h, p, err := frame(b, OpReply)
	if err != nil {
		return h, nil, err
	}
	if len(p) < 20 {
		return h, nil, malformed("OP_REPLY ends before its documents")
	}
	if flags := binary.LittleEndian.Uint32(p); flags&replyCursorMissing != 0 {
		return h, nil, malformed("OP_REPLY tells of a missing cursor where none was asked for")
	}
	// A reply with the query-failure flag carries the error as its document.
	if n := int32(binary.LittleEndian.Uint32(p[16:])); n != 1 {
		return h, nil, malformed("OP_REPLY has %d documents, expected 1", n)
	}
	doc, rest, err := document(p[20:])
	if err != nil {
		return h, nil, err
	}
	if len(rest) != 0 {
		return h, nil, malformed("OP_REPLY has %d bytes behind its document", len(rest))
	}
	return h, doc, nil
}
