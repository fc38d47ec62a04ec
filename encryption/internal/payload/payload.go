// Package payload reads and writes the data of binaries of subtype 6: encrypted values, and what clients send to the
// server to have one stored or looked for. The first byte, the blob type, says which.
package payload

import (
	"encoding/binary"
	"fmt"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Type is the first byte of the data.
type Type byte

// The blob types. Those of version 1 of Queryable Encryption, which servers since 7.0 refuse, are only read.
const (
	Marking           Type = 0
	Deterministic     Type = 1
	Random            Type = 2
	QueryableMarking  Type = 3
	InsertUpdateV1    Type = 4
	FindEqualityV1    Type = 5
	UnindexedV1       Type = 6
	IndexedEqualityV1 Type = 7
	IndexedRangeV1    Type = 9
	FindRangeV1       Type = 10
	InsertUpdate      Type = 11
	FindEquality      Type = 12
	FindRange         Type = 13
	IndexedEquality   Type = 14
	IndexedRange      Type = 15
	Unindexed         Type = 16
	IndexedText       Type = 17
	FindText          Type = 18
	headerSize             = 1 + 16 + 1
	metadataSize           = 96
	minEncryptedValue      = 16 + 16 // what the server's encryption adds, and a key identifier
	readable               = 1<<Deterministic | 1<<Random | 1<<InsertUpdateV1 | 1<<UnindexedV1 | 1<<IndexedEqualityV1 | 1<<IndexedRangeV1 | 1<<InsertUpdate | 1<<IndexedEquality | 1<<IndexedRange | 1<<Unindexed | 1<<IndexedText
)

// Readable reports whether data of the type hold an encrypted value. Others are questions (markings and the payloads of
// queries), or unknown.
func (t Type) Readable() bool { return t < 32 && readable&(1<<t) != 0 }

// Outer reports whether what is encrypted lies in another encryption, under the token of the index key: values
// that the server has stored for indexed fields.
func (t Type) Outer() bool {
	switch t {
	case IndexedEqualityV1, IndexedRangeV1, IndexedEquality, IndexedRange, IndexedText:
		return true
	}
	return false
}

// A Value is an encrypted value, taken apart. Its slices alias the data.
type Value struct {
	Type Type
	// Key is the data key under which Sealed is encrypted; of a type with an outer encryption, the index key.
	Key [16]byte
	// Kind is the BSON type of the value.
	Kind bson.Type
	// Sealed is what is encrypted, and AAD the data that its authentication covers, too.
	Sealed, AAD []byte
}

// Parse takes data apart whose type is readable.
func Parse(data []byte) (Value, error) {
	if len(data) == 0 {
		return Value{}, fmt.Errorf("a binary of subtype 6 is empty")
	}
	v := Value{Type: Type(data[0])}
	switch {
	case !v.Type.Readable():
		return v, fmt.Errorf("a binary of subtype 6 is of the blob type %d, which holds no encrypted value", v.Type)
	case v.Type == InsertUpdate || v.Type == InsertUpdateV1:
		return v, v.parseInsert(data[1:])
	case len(data) < headerSize:
		return v, fmt.Errorf("an encrypted value of blob type %d has at least %d bytes, not %d", v.Type, headerSize, len(data))
	}
	v.Key, v.Kind = [16]byte(data[1:17]), bson.Type(data[17])
	v.Sealed, v.AAD = data[headerSize:], data[:headerSize]
	if v.Type == IndexedEquality || v.Type == IndexedRange || v.Type == IndexedText {
		return v, v.cutMetadata()
	}
	return v, nil
}

// cutMetadata leaves only what is encrypted of a stored value of version 2: edges' metadata stand behind it.
func (v *Value) cutMetadata() error {
	edges := uint64(1)
	switch v.Type {
	case IndexedRange:
		if len(v.Sealed) < 1 || v.Sealed[0] == 0 {
			return fmt.Errorf("a stored value with range queries has no edges")
		}
		edges, v.Sealed = uint64(v.Sealed[0]), v.Sealed[1:]
	case IndexedText:
		if len(v.Sealed) < 12 {
			return fmt.Errorf("a stored value with text queries is cut short")
		}
		edges = uint64(binary.LittleEndian.Uint32(v.Sealed))
		parts := uint64(binary.LittleEndian.Uint32(v.Sealed[4:])) + uint64(binary.LittleEndian.Uint32(v.Sealed[8:]))
		if edges < parts+1 {
			return fmt.Errorf("a stored value with text queries has %d tags, fewer than the parts that it names", edges)
		}
		v.Sealed = v.Sealed[12:]
	}
	if uint64(len(v.Sealed)) < edges*metadataSize+minEncryptedValue {
		return fmt.Errorf("a stored value with %d tags is cut short at %d bytes", edges, len(v.Sealed))
	}
	v.Sealed = v.Sealed[:uint64(len(v.Sealed))-edges*metadataSize]
	return nil
}

// Inner takes apart what was in the outer encryption, now decrypted: the key, and what it encrypted. The key's
// identifier is authenticated.
func (v *Value) Inner(plain []byte) error {
	if v.Type == IndexedEqualityV1 || v.Type == IndexedRangeV1 {
		if len(plain) < 8 {
			return fmt.Errorf("a stored value is cut short")
		}
		n := binary.LittleEndian.Uint64(plain)
		if n > uint64(len(plain)-8) {
			return fmt.Errorf("a stored value says that it has %d bytes, more than there are", n)
		}
		plain = plain[8 : 8+n]
	}
	return v.userValue(plain)
}

// userValue takes apart a key identifier and what was encrypted under that key.
func (v *Value) userValue(b []byte) error {
	if len(b) < 16 {
		return fmt.Errorf("an encrypted value has no room for its key's identifier")
	}
	v.Key, v.AAD, v.Sealed = [16]byte(b[:16]), b[:16], b[16:]
	return nil
}

// parseInsert reads the value in a payload that was meant for the server, which stores it in another way.
func (v *Value) parseInsert(doc []byte) error {
	if err := bsonwire.ValidateStructure(doc); err != nil {
		return fmt.Errorf("an insert payload is damaged: %w", err)
	}
	kind, ok := bsonwire.Lookup(doc, "t")
	n, isInt := kind.AsInt32()
	if !ok || !isInt || n < 0 || n > 255 {
		return fmt.Errorf("an insert payload does not say its value's type")
	}
	field, _ := bsonwire.Lookup(doc, "v")
	_, data, ok := field.AsBinary()
	if !ok {
		return fmt.Errorf("an insert payload has no value")
	}
	v.Kind = bson.Type(byte(n))
	return v.userValue(data)
}

// Check reports whether a decrypted value is one of the type that was promised.
func (v *Value) Check(plain []byte) (bsonwire.Value, error) {
	if err := bsonwire.ValidateValue(v.Kind, plain); err != nil {
		return bsonwire.Value{}, fmt.Errorf("a decrypted value is no %s: %w", v.Kind, err)
	}
	return bsonwire.Value{Type: v.Kind, Data: plain}, nil
}

// AppendHeader appends the beginning of an encrypted value that stands for itself: blob type, key, BSON type.
func AppendHeader(dst []byte, t Type, key [16]byte, kind bson.Type) []byte {
	dst = append(dst, byte(t))
	dst = append(dst, key[:]...)
	return append(dst, byte(kind))
}
