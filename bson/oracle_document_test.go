package bson_test

import (
	"encoding/binary"
	"math"
	"strconv"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// The bytes in this file are put together by hand, with neither of the two
// codecs that are compared.

var le = binary.LittleEndian

// everyType has every type that an element can have.
var everyType = []official.Type{
	official.TypeDouble, official.TypeString, official.TypeEmbeddedDocument, official.TypeArray,
	official.TypeBinary, official.TypeUndefined, official.TypeObjectID, official.TypeBoolean,
	official.TypeDateTime, official.TypeNull, official.TypeRegex, official.TypeDBPointer,
	official.TypeJavaScript, official.TypeSymbol, official.TypeCodeWithScope, official.TypeInt32,
	official.TypeTimestamp, official.TypeInt64, official.TypeDecimal128, official.TypeMinKey, official.TypeMaxKey,
}

// document appends a random well-formed document.
func (c *choices) document(dst []byte, depth int) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for range c.n(7) {
		dst = c.element(dst, c.key(), depth)
	}
	return finish(dst, start)
}

// array appends a random array; once in a while its keys are not 0, 1, 2, which
// every reader takes.
func (c *choices) array(dst []byte, depth int) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	odd := c.oneIn(10)
	same := c.oneIn(3)
	typ := pick(c, everyType)
	for i := range c.n(5) {
		key := strconv.Itoa(i)
		if odd {
			key = c.key()
		}
		if same {
			dst = c.elementOf(dst, typ, key, depth)
		} else {
			dst = c.element(dst, key, depth)
		}
	}
	return finish(dst, start)
}

func finish(dst []byte, start int) []byte {
	dst = append(dst, 0)
	le.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

func (c *choices) element(dst []byte, key string, depth int) []byte {
	return c.elementOf(dst, pick(c, everyType), key, depth)
}

func (c *choices) elementOf(dst []byte, typ official.Type, key string, depth int) []byte {
	if depth <= 0 {
		switch typ {
		case official.TypeEmbeddedDocument, official.TypeArray, official.TypeCodeWithScope:
			typ = official.TypeInt32
		}
	}
	dst = append(dst, byte(typ))
	dst = append(dst, key...)
	dst = append(dst, 0)
	return c.payload(dst, typ, depth)
}

// payload appends the bytes of a value of the type.
func (c *choices) payload(dst []byte, typ official.Type, depth int) []byte {
	switch typ {
	case official.TypeDouble:
		return le.AppendUint64(dst, math.Float64bits(c.float64()))
	case official.TypeString, official.TypeJavaScript, official.TypeSymbol:
		return appendString(dst, c.string())
	case official.TypeEmbeddedDocument:
		return c.document(dst, depth-1)
	case official.TypeArray:
		return c.array(dst, depth-1)
	case official.TypeBinary:
		return c.binary(dst)
	case official.TypeObjectID:
		for range 12 {
			dst = append(dst, byte(c.n(256)))
		}
		return dst
	case official.TypeBoolean:
		return append(dst, byte(c.n(2)))
	case official.TypeDateTime, official.TypeInt64:
		return le.AppendUint64(dst, uint64(c.int64()))
	case official.TypeTimestamp:
		return le.AppendUint64(dst, c.uint64())
	case official.TypeRegex:
		dst = append(append(dst, pick(c, []string{"", "^a.*b$", "ü+"})...), 0)
		return append(append(dst, pick(c, []string{"", "i", "imx"})...), 0)
	case official.TypeDBPointer:
		dst = appendString(dst, c.string())
		return append(dst, "pointer12345"...)
	case official.TypeCodeWithScope:
		start := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dst = c.document(appendString(dst, c.string()), depth-1)
		le.PutUint32(dst[start:], uint32(len(dst)-start))
		return dst
	case official.TypeInt32:
		return le.AppendUint32(dst, uint32(c.int64()))
	case official.TypeDecimal128:
		if c.oneIn(3) {
			return le.AppendUint64(le.AppendUint64(dst, c.uint64()), c.uint64())
		}
		return le.AppendUint64(le.AppendUint64(dst, uint64(c.n(1000))), 0x3040000000000000)
	}
	return dst
}

var someFloats = []float64{
	0, 1, -1, 0.5, 1.0 / 3, 42, 255, 256, 3e9, 1 << 53, 1 << 62, 9.3e18, -9.3e18, 1e300, 5e-324,
	math.MaxFloat32, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1),
}

func (c *choices) float64() float64 {
	if c.oneIn(6) {
		return math.Float64frombits(c.uint64())
	}
	return pick(c, someFloats)
}

func (c *choices) binary(dst []byte) []byte {
	data := c.bytes(20)
	subtype := pick(c, []byte{0, 0, 0, 2, 3, 4, 5, 6, 9, 9, 0x80, 0xff})
	switch subtype {
	case 2:
		data = append(le.AppendUint32(nil, uint32(len(data))), data...)
	case 9:
		data = c.vector().Binary().Data
	}
	dst = le.AppendUint32(dst, uint32(len(data)))
	return append(append(dst, subtype), data...)
}

func appendString(dst []byte, s string) []byte {
	dst = le.AppendUint32(dst, uint32(len(s)+1))
	return append(append(dst, s...), 0)
}

// mutate changes a copy of the document into one that is likely not well-formed.
func (c *choices) mutate(doc []byte) []byte {
	doc = append([]byte(nil), doc...)
	for range 1 + c.n(3) {
		if len(doc) == 0 {
			return doc
		}
		at := c.n(len(doc))
		switch c.n(9) {
		case 0:
			doc[at] ^= 1 << c.n(8)
		case 1:
			doc[at] = byte(c.n(256))
		case 2:
			doc[at] = pick(c, []byte{0, 1, 4, 5, 0x7f, 0x80, 0xff})
		case 3:
			doc = doc[:at]
		case 4:
			doc = append(doc, byte(c.n(256)))
		case 5:
			doc = append(doc[:at:at], doc[at+1:]...)
		case 6:
			doc = append(doc[:at:at], append([]byte{byte(c.n(256))}, doc[at:]...)...)
		case 7: // a length that is off, or negative
			if at+4 <= len(doc) {
				le.PutUint32(doc[at:], le.Uint32(doc[at:])+uint32(c.n(9))-4)
			}
		case 8: // the type of an element, most often
			doc[at] = byte(pick(c, everyType))
		}
		if len(doc) >= 4 && c.n(3) > 0 { // let it past the check of the whole length
			le.PutUint32(doc, uint32(len(doc)))
		}
	}
	return doc
}
