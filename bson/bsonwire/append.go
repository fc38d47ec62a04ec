package bsonwire

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Begin opens a top-level document at the end of dst and returns dst together with the document's start, which End
// wants back.
func Begin(dst []byte) ([]byte, int) {
	return append(dst, 0, 0, 0, 0), len(dst)
}

// BeginDocument opens a document under key. See Begin.
func BeginDocument(dst []byte, key string) ([]byte, int) {
	return Begin(AppendHeader(dst, bson.TypeEmbeddedDocument, key))
}

// BeginArray opens an array under key. An array is a document whose keys are "0", "1", and so on: AppendIndex makes
// them without allocating. See Begin.
func BeginArray(dst []byte, key string) ([]byte, int) {
	return Begin(AppendHeader(dst, bson.TypeArray, key))
}

// End closes the document or array that began at start: it writes the terminator and fills the length in.
func End(dst []byte, start int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// AppendHeader appends the type and key of an element. Its value must follow.
func AppendHeader(dst []byte, t Type, key string) []byte {
	dst = append(dst, byte(t))
	return appendCString(dst, key)
}

func appendCString(dst []byte, s string) []byte {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	dst = append(dst, s...)
	return append(dst, 0)
}

// ValidKey reports whether key can be a BSON key: it holds no zero byte. (Whether it is UTF-8 is not looked at.)
func ValidKey(key string) bool { return strings.IndexByte(key, 0) < 0 }

// AppendIndexHeader appends the type and the key of the array element with index i.
func AppendIndexHeader(dst []byte, t Type, i int) []byte {
	dst = append(dst, byte(t))
	if i >= 0 && i < 10 {
		return append(dst, '0'+byte(i), 0)
	}
	if i >= 10 && i < 100 {
		return append(dst, '0'+byte(i/10), '0'+byte(i%10), 0)
	}
	dst = strconv.AppendInt(dst, int64(i), 10)
	return append(dst, 0)
}

// Index returns the key of the array element with index i. It does not allocate for i below 100.
func Index(i int) string { return strconv.Itoa(i) }

// AppendDouble appends a double.
func AppendDouble(dst []byte, key string, f float64) []byte {
	return binary.LittleEndian.AppendUint64(AppendHeader(dst, bson.TypeDouble, key), math.Float64bits(f))
}

// AppendString appends a string.
func AppendString(dst []byte, key, s string) []byte {
	return AppendStringValue(AppendHeader(dst, bson.TypeString, key), s)
}

// AppendStringValue appends the value of a string, JavaScript or symbol element, without type and key.
func AppendStringValue(dst []byte, s string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)+1))
	dst = append(dst, s...)
	return append(dst, 0)
}

// AppendDocument appends doc, a complete BSON document, as it is.
func AppendDocument(dst []byte, key string, doc []byte) []byte {
	return append(AppendHeader(dst, bson.TypeEmbeddedDocument, key), doc...)
}

// AppendArray appends arr, a complete BSON array, as it is.
func AppendArray(dst []byte, key string, arr []byte) []byte {
	return append(AppendHeader(dst, bson.TypeArray, key), arr...)
}

// AppendBinary appends binary data. Subtype 2, the old binary, gets its second length.
func AppendBinary(dst []byte, key string, subtype byte, b []byte) []byte {
	return AppendBinaryValue(AppendHeader(dst, bson.TypeBinary, key), subtype, b)
}

// AppendBinaryValue appends the value of a binary element, without type and key.
func AppendBinaryValue(dst []byte, subtype byte, b []byte) []byte {
	if subtype == bson.TypeBinaryBinaryOld {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)+4))
		dst = append(dst, subtype)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
		return append(dst, b...)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	dst = append(dst, subtype)
	return append(dst, b...)
}

// AppendUndefined appends an undefined value, which the BSON specification deprecates.
func AppendUndefined(dst []byte, key string) []byte {
	return AppendHeader(dst, bson.TypeUndefined, key)
}

// AppendObjectID appends an ObjectID.
func AppendObjectID(dst []byte, key string, id bson.ObjectID) []byte {
	return append(AppendHeader(dst, bson.TypeObjectID, key), id[:]...)
}

// AppendBoolean appends a boolean.
func AppendBoolean(dst []byte, key string, b bool) []byte {
	dst = AppendHeader(dst, bson.TypeBoolean, key)
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendDateTime appends a datetime, ms milliseconds after the Unix epoch.
func AppendDateTime(dst []byte, key string, ms int64) []byte {
	return binary.LittleEndian.AppendUint64(AppendHeader(dst, bson.TypeDateTime, key), uint64(ms))
}

// AppendNull appends a null.
func AppendNull(dst []byte, key string) []byte {
	return AppendHeader(dst, bson.TypeNull, key)
}

// AppendRegex appends a regular expression. Its options belong in alphabetical order; they are written as they are.
// Like keys, both strings are cut at a zero byte.
func AppendRegex(dst []byte, key, pattern, options string) []byte {
	return appendCString(appendCString(AppendHeader(dst, bson.TypeRegex, key), pattern), options)
}

// AppendDBPointer appends a DBPointer, which the BSON specification deprecates.
func AppendDBPointer(dst []byte, key, ns string, id bson.ObjectID) []byte {
	return append(AppendStringValue(AppendHeader(dst, bson.TypeDBPointer, key), ns), id[:]...)
}

// AppendJavaScript appends JavaScript code.
func AppendJavaScript(dst []byte, key, code string) []byte {
	return AppendStringValue(AppendHeader(dst, bson.TypeJavaScript, key), code)
}

// AppendSymbol appends a symbol, which the BSON specification deprecates.
func AppendSymbol(dst []byte, key, symbol string) []byte {
	return AppendStringValue(AppendHeader(dst, bson.TypeSymbol, key), symbol)
}

// AppendCodeWithScope appends JavaScript code with its scope, a complete BSON document.
func AppendCodeWithScope(dst []byte, key, code string, scope []byte) []byte {
	dst = AppendHeader(dst, bson.TypeCodeWithScope, key)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(4+4+len(code)+1+len(scope)))
	return append(AppendStringValue(dst, code), scope...)
}

// AppendInt32 appends a 32-bit integer.
func AppendInt32(dst []byte, key string, i int32) []byte {
	return binary.LittleEndian.AppendUint32(AppendHeader(dst, bson.TypeInt32, key), uint32(i))
}

// AppendTimestamp appends a timestamp: t seconds after the Unix epoch, and i, the ordinal within that second.
func AppendTimestamp(dst []byte, key string, t, i uint32) []byte {
	dst = AppendHeader(dst, bson.TypeTimestamp, key)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(dst, i), t)
}

// AppendInt64 appends a 64-bit integer.
func AppendInt64(dst []byte, key string, i int64) []byte {
	return binary.LittleEndian.AppendUint64(AppendHeader(dst, bson.TypeInt64, key), uint64(i))
}

// AppendDecimal128 appends a decimal.
func AppendDecimal128(dst []byte, key string, d bson.Decimal128) []byte {
	h, l := d.GetBytes()
	dst = AppendHeader(dst, bson.TypeDecimal128, key)
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(dst, l), h)
}

// AppendMinKey appends the value that sorts before all others.
func AppendMinKey(dst []byte, key string) []byte {
	return AppendHeader(dst, bson.TypeMinKey, key)
}

// AppendMaxKey appends the value that sorts after all others.
func AppendMaxKey(dst []byte, key string) []byte {
	return AppendHeader(dst, bson.TypeMaxKey, key)
}

// AppendValue appends v, whose data must be complete, as it is.
func AppendValue(dst []byte, key string, v Value) []byte {
	return append(AppendHeader(dst, v.Type, key), v.Data...)
}
