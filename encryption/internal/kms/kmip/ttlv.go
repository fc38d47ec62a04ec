// Package kmip writes and reads the messages of the Key Management Interoperability Protocol that the keys of data keys
// need: bytes in, bytes out, no sockets. Messages are items of a tag, a type, a length and a value (TTLV).
package kmip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Tag says what an item is.
type Tag uint32

// The tags of the messages here.
const (
	attribute              Tag = 0x420008
	attributeName          Tag = 0x42000A
	attributeValue         Tag = 0x42000B
	batchCount             Tag = 0x42000D
	batchItem              Tag = 0x42000F
	blockCipherMode        Tag = 0x420011
	cryptographicAlgorithm Tag = 0x420028
	cryptographicParams    Tag = 0x42002B
	ivCounterNonce         Tag = 0x42003D
	keyBlock               Tag = 0x420040
	keyFormatType          Tag = 0x420042
	keyMaterial            Tag = 0x420043
	keyValue               Tag = 0x420045
	objectType             Tag = 0x420057
	operation              Tag = 0x42005C
	paddingMethod          Tag = 0x42005F
	protocolVersion        Tag = 0x420069
	protocolVersionMajor   Tag = 0x42006A
	protocolVersionMinor   Tag = 0x42006B
	requestHeader          Tag = 0x420077
	requestMessage         Tag = 0x420078
	requestPayload         Tag = 0x420079
	responseMessage        Tag = 0x42007B
	responsePayload        Tag = 0x42007C
	resultMessage          Tag = 0x42007D
	resultReason           Tag = 0x42007E
	resultStatus           Tag = 0x42007F
	secretData             Tag = 0x420085
	secretDataType         Tag = 0x420086
	templateAttribute      Tag = 0x420091
	uniqueIdentifier       Tag = 0x420094
	data                   Tag = 0x4200C2
	randomIV               Tag = 0x4200C5
)

// The types of values.
const (
	typeStructure   = 1
	typeInteger     = 2
	typeEnumeration = 5
	typeBoolean     = 6
	typeText        = 7
	typeBytes       = 8
)

// headerSize is that of an item: three bytes of tag, one of type, four of length.
const headerSize = 8

// maxDepth bounds how deep structures are nested.
const maxDepth = 16

// item is one of a message to write.
type item func(dst []byte) []byte

func header(dst []byte, t Tag, kind byte, n int) []byte {
	dst = append(dst, byte(t>>16), byte(t>>8), byte(t), kind)
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

func structure(t Tag, items ...item) item {
	return func(dst []byte) []byte {
		start := len(dst)
		dst = header(dst, t, typeStructure, 0)
		for _, i := range items {
			dst = i(dst)
		}
		binary.BigEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-headerSize))
		return dst
	}
}

func number(t Tag, kind byte, n uint32) item {
	return func(dst []byte) []byte {
		return append(binary.BigEndian.AppendUint32(header(dst, t, kind, 4), n), 0, 0, 0, 0)
	}
}

func integer(t Tag, n uint32) item     { return number(t, typeInteger, n) }
func enumeration(t Tag, n uint32) item { return number(t, typeEnumeration, n) }

func yes(t Tag) item {
	return func(dst []byte) []byte { return binary.BigEndian.AppendUint64(header(dst, t, typeBoolean, 8), 1) }
}

func padded(t Tag, kind byte, b []byte) item {
	return func(dst []byte) []byte {
		dst = append(header(dst, t, kind, len(b)), b...)
		return append(dst, make([]byte, pad(len(b)))...)
	}
}

func text(t Tag, s string) item     { return padded(t, typeText, []byte(s)) }
func octets(t Tag, b []byte) item   { return padded(t, typeBytes, b) }
func pad(n int) int                 { return (8 - n%8) % 8 }
func write(message item) []byte     { return message(nil) }
func attr(name string, v item) item { return structure(attribute, text(attributeName, name), v) }

// node is an item that was read.
type node struct {
	tag   Tag
	kind  byte
	value []byte
	items []node
}

var errShort = errors.New("a KMIP message is cut short")

// parse reads one item, and returns what is behind it.
func parse(b []byte, depth int) (n node, rest []byte, err error) {
	if len(b) < headerSize || depth > maxDepth {
		return n, nil, errShort
	}
	n.tag, n.kind = Tag(b[0])<<16|Tag(b[1])<<8|Tag(b[2]), b[3]
	size := uint64(binary.BigEndian.Uint32(b[4:]))
	full := size + uint64(pad(int(size%8)))
	b = b[headerSize:]
	if uint64(len(b)) < full {
		return n, nil, errShort
	}
	n.value, rest = b[:size], b[full:]
	switch n.kind {
	case typeStructure:
		for inner := n.value; len(inner) > 0; {
			var i node
			if i, inner, err = parse(inner, depth+1); err != nil {
				return n, nil, err
			}
			n.items = append(n.items, i)
		}
	case typeInteger, typeEnumeration:
		if size != 4 {
			return n, nil, fmt.Errorf("a number in a KMIP message has %d bytes", size)
		}
	}
	return n, rest, nil
}

// find returns the item that the tags lead to.
func (n *node) find(path ...Tag) (*node, bool) {
	for _, t := range path {
		next := -1
		for i := range n.items {
			if n.items[i].tag == t {
				next = i
				break
			}
		}
		if next < 0 {
			return nil, false
		}
		n = &n.items[next]
	}
	return n, true
}

func (n *node) number(path ...Tag) (uint32, bool) {
	i, ok := n.find(path...)
	if !ok || i.kind != typeInteger && i.kind != typeEnumeration {
		return 0, false
	}
	return binary.BigEndian.Uint32(i.value), true
}

func (n *node) bytes(kind byte, path ...Tag) ([]byte, bool) {
	i, ok := n.find(path...)
	if !ok || i.kind != kind {
		return nil, false
	}
	return i.value, true
}
