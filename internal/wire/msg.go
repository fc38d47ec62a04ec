package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// Flags are the flag bits of an OP_MSG.
type Flags uint32

// The flag bits that the specification defines. The low 16 bits are required:
// a receiver that does not know one must refuse the message.
const (
	ChecksumPresent Flags = 1 << 0
	MoreToCome      Flags = 1 << 1
	ExhaustAllowed  Flags = 1 << 16

	knownRequired = ChecksumPresent | MoreToCome
	required      = Flags(0xFFFF)
)

// The kinds of sections of an OP_MSG.
const (
	kindBody     = 0
	kindSequence = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// BeginMsg appends the header and the flags of an OP_MSG and returns its
// position, for End.
func BeginMsg(dst []byte, requestID, responseTo int32, flags Flags) ([]byte, int) {
	dst, start := Begin(dst, requestID, responseTo, OpMsg)
	return binary.LittleEndian.AppendUint32(dst, uint32(flags)), start
}

// BeginBody opens the section that holds the command. The caller appends one
// BSON document.
func BeginBody(dst []byte) []byte { return append(dst, kindBody) }

// BeginSequence opens a section of documents named by the command's argument
// that they stand for. The caller appends BSON documents, then calls
// EndSequence with the returned position.
func BeginSequence(dst []byte, identifier string) ([]byte, int) {
	dst = append(dst, kindSequence)
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, identifier...)
	return append(dst, 0), start
}

// EndSequence fills in the length of the section that starts at start.
func EndSequence(dst []byte, start int) []byte { return End(dst, start) }

// SequenceOverhead is what a sequence section adds to its documents, in bytes.
func SequenceOverhead(identifier string) int { return 1 + 4 + len(identifier) + 1 }

// Sequence is a section of documents.
type Sequence struct {
	Identifier string
	Documents  []byte // the documents, one behind the other
}

// Next splits the first document off.
func (s *Sequence) Next() (doc []byte, ok bool) {
	if len(s.Documents) == 0 {
		return nil, false
	}
	doc, rest, err := document(s.Documents)
	if err != nil {
		return nil, false
	}
	s.Documents = rest
	return doc, true
}

// Msg is a parsed OP_MSG. Its bytes alias the frame.
type Msg struct {
	Header
	Flags     Flags
	Body      []byte
	Sequences []Sequence
}

// ParseMsg parses a whole OP_MSG. It checks every length, the flags, that
// there is exactly one body, that identifiers are unique, and the checksum if
// there is one.
func ParseMsg(b []byte) (Msg, error) {
	h, p, err := frame(b, OpMsg)
	if err != nil {
		return Msg{}, err
	}
	if len(p) < 4 {
		return Msg{}, malformed("OP_MSG ends before its flags")
	}
	m := Msg{Header: h, Flags: Flags(binary.LittleEndian.Uint32(p))}
	p = p[4:]
	if unknown := m.Flags & required &^ knownRequired; unknown != 0 {
		return Msg{}, malformed("OP_MSG has unknown required flags %#x", uint32(unknown))
	}
	if m.Flags&ChecksumPresent != 0 {
		if len(p) < 4 {
			return Msg{}, malformed("OP_MSG ends before its checksum")
		}
		end := len(b) - 4
		if got, want := crc32.Checksum(b[:end], castagnoli), binary.LittleEndian.Uint32(b[end:]); got != want {
			return Msg{}, malformed("OP_MSG has checksum %#x, its bytes give %#x", want, got)
		}
		p = p[:len(p)-4]
	}
	for len(p) > 0 {
		if p, err = m.section(p); err != nil {
			return Msg{}, err
		}
	}
	if m.Body == nil {
		return Msg{}, malformed("OP_MSG has no body")
	}
	return m, nil
}

func (m *Msg) section(p []byte) (rest []byte, err error) {
	kind, p := p[0], p[1:]
	switch kind {
	case kindBody:
		if m.Body != nil {
			return nil, malformed("OP_MSG has a second body")
		}
		m.Body, rest, err = document(p)
		return rest, err
	case kindSequence:
		if len(p) < 4 {
			return nil, malformed("a sequence ends before its length")
		}
		n := int32(binary.LittleEndian.Uint32(p))
		if n < 5 || int64(n) > int64(len(p)) {
			return nil, malformed("a sequence states %d bytes, %d are left", n, len(p))
		}
		id, docs, err := cstring(p[4:n])
		if err != nil {
			return nil, err
		}
		s := Sequence{Identifier: string(id), Documents: docs}
		for left := docs; len(left) > 0; {
			if _, left, err = document(left); err != nil {
				return nil, err
			}
		}
		for _, other := range m.Sequences {
			if other.Identifier == s.Identifier {
				return nil, malformed("OP_MSG has two sequences %q", s.Identifier)
			}
		}
		m.Sequences = append(m.Sequences, s)
		return p[n:], nil
	}
	return nil, malformed("OP_MSG has a section of unknown kind %d", kind)
}
