// Package extjson is Extended JSON as the bson package writes and reads it, and keeps
// what that loses: bytes that are not UTF-8, which servers store, and the quotes in
// the namespace of a DBPointer.
//
// JSON has no bytes. Each that is not UTF-8 is written as the escape of a surrogate
// that stands alone, \udc80 to \udcff for 0x80 to 0xff, which is what Python's
// "surrogateescape" (PEP 383) makes of it: valid JSON that no text has. Reading makes
// the byte of it again.
package extjson

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Marshal returns a document in Extended JSON.
func Marshal(doc bson.Raw, canonical bool) ([]byte, error) {
	if !odd(doc) {
		return bson.MarshalExtJSON(doc, canonical, false)
	}
	base, err := vacant(doc)
	if err != nil {
		return nil, err
	}
	text, err := bson.MarshalExtJSON(bson.Raw(rewrite(doc, func(s []byte, pointer bool) []byte { return hide(s, pointer, base) })), canonical, false)
	if err != nil {
		return nil, err
	}
	return escape(text, base), nil
}

// Unmarshal reads one document, which has to be JSON: the bson package goes on where
// it is not.
func Unmarshal(text []byte) (bson.Raw, error) {
	var doc bson.Raw
	if !bytes.Contains(text, []byte(`\ud`)) && !bytes.Contains(text, []byte(`\uD`)) {
		err := bson.UnmarshalExtJSON(text, false, &doc)
		return doc, err
	}
	base, err := vacant(text)
	if err != nil {
		return nil, err
	}
	if err := bson.UnmarshalExtJSON(unescape(text, base), false, &doc); err != nil {
		return nil, err
	}
	return rewrite(doc, func(s []byte, _ bool) []byte { return reveal(s, base) }), nil
}

// odd reports whether a document has texts that the bson package would change.
func odd(doc []byte) bool {
	for r := bsonwire.NewReader(doc); r.Next(); {
		v := r.Value()
		if !utf8.Valid(r.Key()) {
			return true
		}
		switch v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if odd(v.Data) {
				return true
			}
		case bson.TypeDBPointer:
			if ns, _, _ := v.AsDBPointer(); !utf8.ValidString(ns) || !plain(ns) {
				return true
			}
		case bson.TypeCodeWithScope:
			if code, scope, _ := v.AsCodeWithScope(); !utf8.ValidString(code) || odd(scope) {
				return true
			}
		case bson.TypeString, bson.TypeJavaScript, bson.TypeSymbol, bson.TypeRegex:
			// The lengths before them are no text, but do not begin what is.
			if !validText(v) {
				return true
			}
		}
	}
	return false
}

func validText(v bsonwire.Value) bool {
	if v.Type == bson.TypeRegex {
		return utf8.Valid(v.Data)
	}
	return len(v.Data) < 4 || utf8.Valid(v.Data[4:])
}

// plain reports whether a text needs no escaping.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// The characters that stand for bytes on their way through the bson package are 256 of
// those for private use, which nobody has agreed on, and which the text at hand does
// not have.
const (
	firstPrivate = 0xF0000
	lastPrivate  = 0x10FF00
)

// vacant returns where 256 characters begin that a text does not have.
func vacant(text []byte) (rune, error) {
	taken := map[rune]bool{}
	for i := range text {
		if text[i] < 0xf3 {
			continue
		}
		if c, _ := utf8.DecodeRune(text[i:]); c >= firstPrivate {
			taken[c&^0xff] = true
		}
	}
	for base := rune(firstPrivate); base <= lastPrivate; base += 0x100 {
		if !taken[base] {
			return base, nil
		}
	}
	return 0, errors.New("the document has text that is not UTF-8, beside all characters that could stand for it")
}

// hide puts a character in the place of each byte that the bson package would change.
func hide(s []byte, pointer bool, base rune) []byte {
	out := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRune(s[i:])
		if c == utf8.RuneError && size <= 1 || pointer && !plain(string(s[i:i+size])) {
			out = utf8.AppendRune(out, base+rune(s[i]))
		} else {
			out = append(out, s[i:i+size]...)
		}
		i += size
	}
	return out
}

// reveal undoes hide.
func reveal(s []byte, base rune) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRune(s[i:])
		if c&^0xff == base {
			out = append(out, byte(c))
		} else {
			out = append(out, s[i:i+size]...)
		}
		i += size
	}
	return out
}

// escape puts the escapes of bytes in the place of the characters that stand for them.
func escape(text []byte, base rune) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		switch b := byte(c); {
		case c&^0xff != base:
			out = append(out, text[i:i+size]...)
		case b < utf8.RuneSelf:
			out = fmt.Appendf(out, `\u%04x`, b)
		default:
			out = fmt.Appendf(out, `\udc%02x`, b)
		}
		i += size
	}
	return out
}

// unescape puts characters in the place of the escapes of bytes: surrogates that
// stand alone. Behind one of the first half, one of the second is a part of a
// character.
func unescape(text []byte, base rune) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] != '\\' || i+1 == len(text) {
			out = append(out, text[i])
			i++
			continue
		}
		n, unit := 2, unitAt(text[i:])
		if unit >= 0 {
			n = 6
		}
		next := -1
		if unit >= 0xd800 && unit < 0xdc00 {
			next = unitAt(text[i+n:])
		}
		switch {
		case next >= 0xdc00 && next < 0xe000:
			out = append(out, text[i:i+2*n]...)
			n *= 2
		case unit >= 0xdc80 && unit <= 0xdcff:
			out = utf8.AppendRune(out, base+rune(unit&0xff))
		default:
			out = append(out, text[i:i+n]...)
		}
		i += n
	}
	return out
}

// unitAt reads an escape \uXXXX at the start of a text; -1 if there is none.
func unitAt(text []byte) int {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// rewrite returns a document with other texts, keys among them. f is told whether a
// text is a DBPointer's.
func rewrite(doc []byte, f func(s []byte, pointer bool) []byte) []byte {
	out, at := bsonwire.Begin(make([]byte, 0, len(doc)+64))
	return bsonwire.End(rewriteElements(out, doc, f), at)
}

func rewriteElements(dst, doc []byte, f func(s []byte, pointer bool) []byte) []byte {
	text := func(s string) string { return string(f([]byte(s), false)) }
	for r := bsonwire.NewReader(doc); r.Next(); {
		key, v := text(string(r.Key())), r.Value()
		switch v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			var at int
			if v.Type == bson.TypeArray {
				dst, at = bsonwire.BeginArray(dst, key)
			} else {
				dst, at = bsonwire.BeginDocument(dst, key)
			}
			dst = bsonwire.End(rewriteElements(dst, v.Data, f), at)
		case bson.TypeString:
			s, _ := v.AsString()
			dst = bsonwire.AppendString(dst, key, text(s))
		case bson.TypeJavaScript:
			s, _ := v.AsJavaScript()
			dst = bsonwire.AppendJavaScript(dst, key, text(s))
		case bson.TypeSymbol:
			s, _ := v.AsSymbol()
			dst = bsonwire.AppendSymbol(dst, key, text(s))
		case bson.TypeRegex:
			pattern, options, _ := v.AsRegex()
			dst = bsonwire.AppendRegex(dst, key, text(pattern), text(options))
		case bson.TypeDBPointer:
			ns, id, _ := v.AsDBPointer()
			dst = bsonwire.AppendDBPointer(dst, key, string(f([]byte(ns), true)), id)
		case bson.TypeCodeWithScope:
			code, scope, _ := v.AsCodeWithScope()
			dst = bsonwire.AppendCodeWithScope(dst, key, text(code), rewrite(scope, f))
		default:
			dst = bsonwire.AppendValue(dst, key, v)
		}
	}
	return dst
}
