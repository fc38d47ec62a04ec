package bson_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"unicode/utf8"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// wellFormed says what is wrong with a document by the letter of bsonspec.org,
// every length, terminator and string in it. It shares no code with the codecs
// under test: it decides when one of them may refuse what the other takes.
func wellFormed(doc []byte) error {
	rest, err := formDocument(doc, 1)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes after the document", len(rest))
	}
	return err
}

var (
	errShort = errors.New("it ends too early")
	errUTF8  = errors.New("not UTF-8")
	errDeep  = errors.New("it is nested deeper than mgx goes")
)

func formDocument(b []byte, depth int) (rest []byte, err error) {
	if depth > bsonwire.MaxDepth {
		return nil, errDeep
	}
	if len(b) < 5 {
		return nil, errShort
	}
	n := int64(int32(le.Uint32(b)))
	if n < 5 || n > int64(len(b)) {
		return nil, fmt.Errorf("a document of length %d in %d bytes", n, len(b))
	}
	body, rest := b[4:n], b[n:]
	for body[0] != 0 {
		typ := official.Type(body[0])
		key, after, err := formCString(body[1:])
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		if body, err = formValue(typ, after, depth); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
		if len(body) == 0 {
			return nil, errors.New("no terminator")
		}
	}
	if len(body) != 1 {
		return nil, errors.New("the terminator comes before the end")
	}
	return rest, nil
}

func formCString(b []byte) (s string, rest []byte, err error) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return "", nil, errShort
	}
	if !utf8.Valid(b[:i]) {
		return "", nil, errUTF8
	}
	return string(b[:i]), b[i+1:], nil
}

func formString(b []byte) (rest []byte, err error) {
	if len(b) < 4 {
		return nil, errShort
	}
	n := int64(int32(le.Uint32(b)))
	switch b = b[4:]; {
	case n < 1 || n > int64(len(b)):
		return nil, fmt.Errorf("a string of length %d in %d bytes", n, len(b))
	case b[n-1] != 0:
		return nil, errors.New("a string without its terminator")
	case !utf8.Valid(b[:n-1]):
		return nil, errUTF8
	}
	return b[n:], nil
}

var fixedSizes = map[official.Type]int{
	official.TypeDouble: 8, official.TypeObjectID: 12, official.TypeDateTime: 8, official.TypeInt32: 4,
	official.TypeTimestamp: 8, official.TypeInt64: 8, official.TypeDecimal128: 16,
	official.TypeUndefined: 0, official.TypeNull: 0, official.TypeMinKey: 0, official.TypeMaxKey: 0,
}

func formValue(typ official.Type, b []byte, depth int) (rest []byte, err error) {
	if n, ok := fixedSizes[typ]; ok {
		if len(b) < n {
			return nil, errShort
		}
		return b[n:], nil
	}
	switch typ {
	case official.TypeString, official.TypeJavaScript, official.TypeSymbol:
		return formString(b)
	case official.TypeEmbeddedDocument, official.TypeArray:
		return formDocument(b, depth+1)
	case official.TypeBinary:
		return formBinary(b)
	case official.TypeBoolean:
		if len(b) < 1 {
			return nil, errShort
		}
		if b[0] > 1 {
			return nil, fmt.Errorf("the boolean %d", b[0])
		}
		return b[1:], nil
	case official.TypeRegex:
		if _, b, err = formCString(b); err == nil {
			_, b, err = formCString(b)
		}
		return b, err
	case official.TypeDBPointer:
		if b, err = formString(b); err != nil {
			return nil, err
		}
		if len(b) < 12 {
			return nil, errShort
		}
		return b[12:], nil
	case official.TypeCodeWithScope:
		return formCodeWithScope(b, depth+1)
	}
	return nil, fmt.Errorf("unknown type %#x", byte(typ))
}

func formBinary(b []byte) (rest []byte, err error) {
	if len(b) < 5 {
		return nil, errShort
	}
	n, subtype := int64(int32(le.Uint32(b))), b[4]
	if b = b[5:]; n < 0 || n > int64(len(b)) {
		return nil, fmt.Errorf("a binary of length %d in %d bytes", n, len(b))
	}
	if subtype == official.TypeBinaryBinaryOld && (n < 4 || int64(int32(le.Uint32(b))) != n-4) {
		return nil, errors.New("a binary of subtype 2 whose lengths do not agree")
	}
	return b[n:], nil
}

func formCodeWithScope(b []byte, depth int) (rest []byte, err error) {
	if len(b) < 14 {
		return nil, errShort
	}
	n := int64(int32(le.Uint32(b)))
	if n < 14 || n > int64(len(b)) {
		return nil, fmt.Errorf("a code with scope of length %d in %d bytes", n, len(b))
	}
	inner, err := formString(b[4:n])
	if err == nil {
		inner, err = formDocument(inner, depth)
	}
	if err == nil && len(inner) > 0 {
		err = errors.New("a code with scope that is longer than its parts")
	}
	return b[n:], err
}

// TestWellFormed holds this checker against the official package's own, which is
// laxer, and sees to it that the generator and its mutations do what they say.
func TestWellFormed(t *testing.T) {
	broken := 0
	for seed := range uint64(2000) {
		c := seeded(seed)
		doc := c.document(nil, 3)
		if err := wellFormed(doc); err != nil {
			t.Fatalf("seed %d: a generated document is not well-formed: %v\n%x", seed, err, doc)
		}
		if err := official.Raw(doc).Validate(); err != nil {
			t.Fatalf("seed %d: the official package refuses a generated document: %v\n%x", seed, err, doc)
		}
		if doc = c.mutate(doc); wellFormed(doc) != nil {
			broken++
		} else if err := official.Raw(doc).Validate(); err != nil {
			t.Fatalf("seed %d: the official package refuses what passes as well-formed: %v\n%x", seed, err, doc)
		}
	}
	if broken < 500 || broken > 1900 {
		t.Errorf("%d of 2000 mutated documents are broken; too few or too many to compare much", broken)
	}
}
