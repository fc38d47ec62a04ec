package bsonwire

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A Value is one BSON value. Data aliases the document that it was read from.
//
// The As methods return false if the value has another type, or if its data is damaged.
type Value struct {
	Type Type
	Data []byte
}

// IsZero reports whether v is the zero Value, which stands for no value at all.
func (v Value) IsZero() bool { return v.Type == 0 && len(v.Data) == 0 }

// IsNull reports whether v is null, undefined, or no value at all.
func (v Value) IsNull() bool {
	return v.Type == bson.TypeNull || v.Type == bson.TypeUndefined || v.IsZero()
}

// IsNumber reports whether v is an int32, an int64, a double or a decimal.
func (v Value) IsNumber() bool {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// Equal reports whether v and w have the same type and the same bytes.
func (v Value) Equal(w Value) bool { return v.Type == w.Type && bytes.Equal(v.Data, w.Data) }

// Raw returns v as a RawValue that shares its data.
func (v Value) Raw() bson.RawValue { return bson.RawValue{Type: v.Type, Value: v.Data} }

// AsString returns a string.
func (v Value) AsString() (string, bool) {
	b, ok := v.AsStringBytes()
	return string(b), ok
}

// AsStringBytes returns a string as a view into the document.
func (v Value) AsStringBytes() ([]byte, bool) {
	if v.Type != bson.TypeString {
		return nil, false
	}
	return stringData(v.Data)
}

// AsJavaScript returns JavaScript code.
func (v Value) AsJavaScript() (string, bool) {
	if v.Type != bson.TypeJavaScript {
		return "", false
	}
	b, ok := stringData(v.Data)
	return string(b), ok
}

// AsSymbol returns a symbol.
func (v Value) AsSymbol() (string, bool) {
	if v.Type != bson.TypeSymbol {
		return "", false
	}
	b, ok := stringData(v.Data)
	return string(b), ok
}

// stringData returns the characters of a length, characters, zero byte.
func stringData(b []byte) ([]byte, bool) {
	if len(b) < 5 || int64(int32(binary.LittleEndian.Uint32(b))) != int64(len(b)-4) || b[len(b)-1] != 0 {
		return nil, false
	}
	return b[4 : len(b)-1 : len(b)-1], true
}

// AsInt64 returns an int32, an int64, or a double without a fraction that an int64 can hold.
func (v Value) AsInt64() (int64, bool) {
	switch {
	case v.Type == bson.TypeInt32 && len(v.Data) == 4:
		return int64(int32(binary.LittleEndian.Uint32(v.Data))), true
	case v.Type == bson.TypeInt64 && len(v.Data) == 8:
		return int64(binary.LittleEndian.Uint64(v.Data)), true
	case v.Type == bson.TypeDouble && len(v.Data) == 8:
		f := math.Float64frombits(binary.LittleEndian.Uint64(v.Data))
		if f != math.Trunc(f) || f < -(1<<63) || f >= 1<<63 {
			return 0, false
		}
		return int64(f), true
	}
	return 0, false
}

// AsInt32 is AsInt64 for numbers that an int32 can hold.
func (v Value) AsInt32() (int32, bool) {
	i, ok := v.AsInt64()
	if !ok || i < math.MinInt32 || i > math.MaxInt32 {
		return 0, false
	}
	return int32(i), true
}

// AsDouble returns a double, an int32 or an int64 (which may lose precision).
func (v Value) AsDouble() (float64, bool) {
	if v.Type == bson.TypeDouble && len(v.Data) == 8 {
		return math.Float64frombits(binary.LittleEndian.Uint64(v.Data)), true
	}
	i, ok := v.AsInt64()
	return float64(i), ok
}

// AsBool returns a boolean, or whether a number is not zero. Servers answer "ok" as either.
func (v Value) AsBool() (bool, bool) {
	if v.Type == bson.TypeBoolean {
		return len(v.Data) == 1 && v.Data[0] == 1, len(v.Data) == 1 && v.Data[0] <= 1
	}
	f, ok := v.AsDouble()
	return ok && f != 0, ok
}

// AsDocument returns a document, as a view.
func (v Value) AsDocument() ([]byte, bool) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, false
	}
	return v.Data, true
}

// AsArray returns an array, as a view. Read it as a document.
func (v Value) AsArray() ([]byte, bool) {
	if v.Type != bson.TypeArray {
		return nil, false
	}
	return v.Data, true
}

// AsObjectID returns an ObjectID.
func (v Value) AsObjectID() (bson.ObjectID, bool) {
	if v.Type != bson.TypeObjectID || len(v.Data) != 12 {
		return bson.ObjectID{}, false
	}
	return bson.ObjectID(v.Data), true
}

// AsDateTime returns a datetime in milliseconds after the Unix epoch.
func (v Value) AsDateTime() (int64, bool) {
	if v.Type != bson.TypeDateTime || len(v.Data) != 8 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(v.Data)), true
}

// AsTime returns a datetime as a time in UTC.
func (v Value) AsTime() (time.Time, bool) {
	ms, ok := v.AsDateTime()
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMilli(ms).UTC(), true
}

// AsTimestamp returns a timestamp's seconds and ordinal.
func (v Value) AsTimestamp() (t, i uint32, ok bool) {
	if v.Type != bson.TypeTimestamp || len(v.Data) != 8 {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint32(v.Data[4:]), binary.LittleEndian.Uint32(v.Data), true
}

// AsBinary returns binary data as a view, and its subtype. The second length of subtype 2 is taken off.
func (v Value) AsBinary() (subtype byte, data []byte, ok bool) {
	if v.Type != bson.TypeBinary || ValueLen(byte(v.Type), v.Data) != len(v.Data) {
		return 0, nil, false
	}
	subtype, data = v.Data[4], v.Data[5:]
	// Very old drivers wrote subtype 2 without the second length; what cannot hold one is taken as it is.
	if subtype == bson.TypeBinaryBinaryOld && len(data) >= 4 {
		if int64(int32(binary.LittleEndian.Uint32(data))) != int64(len(data)-4) {
			return 0, nil, false
		}
		data = data[4:]
	}
	return subtype, data[:len(data):len(data)], true
}

// AsRegex returns a regular expression's pattern and options.
func (v Value) AsRegex() (pattern, options string, ok bool) {
	if v.Type != bson.TypeRegex || regexSize(v.Data) != len(v.Data) {
		return "", "", false
	}
	i := bytes.IndexByte(v.Data, 0)
	return string(v.Data[:i]), string(v.Data[i+1 : len(v.Data)-1]), true
}

// AsDBPointer returns a DBPointer's namespace and id.
func (v Value) AsDBPointer() (ns string, id bson.ObjectID, ok bool) {
	if v.Type != bson.TypeDBPointer || len(v.Data) < 12 {
		return "", bson.ObjectID{}, false
	}
	at := len(v.Data) - 12
	b, ok := stringData(v.Data[:at])
	if !ok {
		return "", bson.ObjectID{}, false
	}
	return string(b), bson.ObjectID(v.Data[at:]), true
}

// AsCodeWithScope returns JavaScript code and, as a view, its scope.
func (v Value) AsCodeWithScope() (code string, scope []byte, ok bool) {
	b := v.Data
	if v.Type != bson.TypeCodeWithScope || ValueLen(byte(v.Type), b) != len(b) {
		return "", nil, false
	}
	b = b[4:]
	n := ValueLen(byte(bson.TypeString), b)
	if n < 0 {
		return "", nil, false
	}
	s, ok := stringData(b[:n])
	if !ok || ValueLen(byte(bson.TypeEmbeddedDocument), b[n:]) != len(b)-n {
		return "", nil, false
	}
	return string(s), b[n:], true
}

// AsDecimal128 returns a decimal.
func (v Value) AsDecimal128() (bson.Decimal128, bool) {
	if v.Type != bson.TypeDecimal128 || len(v.Data) != 16 {
		return bson.Decimal128{}, false
	}
	return bson.NewDecimal128(binary.LittleEndian.Uint64(v.Data[8:]), binary.LittleEndian.Uint64(v.Data)), true
}
