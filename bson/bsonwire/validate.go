package bsonwire

import (
	"encoding/binary"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Validate checks that doc is exactly one BSON document: lengths and terminators of everything in it, at any depth up to
// MaxDepth, that its types are known, that keys and strings are UTF-8, and that booleans are 0 or 1. It does not
// allocate unless it returns an error, which is a *SyntaxError.
//
// Equal keys, empty keys and arrays whose keys are not "0", "1", … are valid, as the specification's corpus has them.
func Validate(doc []byte) error { return validate(doc, true) }

// ValidateStructure is Validate for documents as servers have them: they store keys and strings that are not UTF-8, and
// do not look into binary values.
func ValidateStructure(doc []byte) error { return validate(doc, false) }

func validate(doc []byte, strict bool) error {
	n, err := Size(doc)
	if err != nil {
		return err
	}
	if n != len(doc) {
		return syntaxError(n, "%d bytes follow the document", len(doc)-n)
	}
	return validateDocument(doc, 0, n, 1, strict)
}

// ValidateValue checks that data is exactly one value of type t, as Validate does.
func ValidateValue(t Type, data []byte) error {
	n, err := ValueSize(t, data)
	if err != nil {
		return err
	}
	if n != len(data) {
		return syntaxError(n, "%d bytes follow the %s", len(data)-n, t)
	}
	return validateValue(data, byte(t), 0, n, 1, true)
}

// validateDocument checks the document in buf[start:end], of which only the length is known to be right.
// buf is whole so that errors can name the offset in it.
func validateDocument(buf []byte, start, end, depth int, strict bool) error {
	if depth > MaxDepth {
		return syntaxError(start, "documents are nested more than %d deep", MaxDepth)
	}
	end--
	if buf[end] != 0 {
		return syntaxError(end, "document does not end in a zero byte")
	}
	for pos := start + lengthSize; pos < end; {
		t := buf[pos]
		keyEnd := KeyEnd(buf[:end], pos+1)
		if keyEnd < 0 {
			return syntaxError(pos, "key does not end")
		}
		if strict && !utf8.Valid(buf[pos+1:keyEnd]) {
			return syntaxError(pos+1, "key is not UTF-8")
		}
		n := ValueLen(t, buf[keyEnd+1:end])
		if n < 0 {
			_, err := ValueSize(Type(t), buf[keyEnd+1:end])
			return syntaxError(keyEnd+1, "value of key %q: %s", buf[pos+1:keyEnd], err.(*SyntaxError).Reason)
		}
		pos = keyEnd + 1 + n
		if sizes[t] >= 0 && t != byte(bson.TypeBoolean) {
			continue
		}
		if err := validateValue(buf, t, keyEnd+1, pos, depth, strict); err != nil {
			return err
		}
	}
	return nil
}

// validateValue checks the value of type t in buf[start:end], whose length ValueLen found.
func validateValue(buf []byte, t byte, start, end, depth int, strict bool) error {
	switch Type(t) {
	case bson.TypeBoolean:
		if buf[start] > 1 {
			return syntaxError(start, "boolean is %d", buf[start])
		}
	case bson.TypeString, bson.TypeJavaScript, bson.TypeSymbol:
		return validateString(buf, start, end, strict)
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return validateDocument(buf, start, end, depth+1, strict)
	case bson.TypeBinary:
		if strict && buf[start+4] == bson.TypeBinaryBinaryOld {
			if end-start < 9 || int64(int32(binary.LittleEndian.Uint32(buf[start+5:]))) != int64(end-start-9) {
				return syntaxError(start+5, "binary of subtype 2 has a wrong second length")
			}
		}
	case bson.TypeRegex:
		if strict && !utf8.Valid(buf[start:end]) {
			return syntaxError(start, "regular expression is not UTF-8")
		}
	case bson.TypeDBPointer:
		return validateString(buf, start, end-12, strict)
	case bson.TypeCodeWithScope:
		n := ValueLen(byte(bson.TypeString), buf[start+4:end])
		if n < 0 {
			return syntaxError(start+4, "code has a wrong length")
		}
		scope := start + 4 + n
		if ValueLen(byte(bson.TypeEmbeddedDocument), buf[scope:end]) != end-scope {
			return syntaxError(scope, "code and scope do not fill their length")
		}
		if err := validateString(buf, start+4, scope, strict); err != nil {
			return err
		}
		return validateDocument(buf, scope, end, depth+1, strict)
	}
	return nil
}

func validateString(buf []byte, start, end int, strict bool) error {
	if buf[end-1] != 0 {
		return syntaxError(end-1, "string does not end in a zero byte")
	}
	if s := buf[start+4 : end-1]; strict && !utf8.Valid(s) {
		return syntaxError(start+4+invalidAt(s), "string is not UTF-8")
	}
	return nil
}

// invalidAt returns where s stops being UTF-8.
func invalidAt(s []byte) int {
	at := 0
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			break
		}
		at, s = at+n, s[n:]
	}
	return at
}
