package eventlog

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/wire"
)

// maxDepth is how deep documents are written, deeper than servers let them be.
const maxDepth = 200

// Format returns a document in relaxed Extended JSON. What is longer than limit
// bytes is cut, at the end of a character, and ends with "..."; a limit below 0
// is none. The effort depends on the limit, not on the document's size. A
// document that is not valid ends where it is not. No document is {}.
func Format(doc []byte, limit int) string { return formatCommand(doc, nil, limit) }

// FormatWithout is Format for a document without some of its fields.
func FormatWithout(doc []byte, limit int, omit ...string) string {
	w := writer{limit: limit, omit: omit}
	w.b = append(w.b, '{')
	w.fields(doc, 1, true)
	w.close('}')
	return w.String()
}

// formatCommand is Format for a command with sequences of documents, which become
// its last fields.
func formatCommand(body []byte, sequences []wire.Sequence, limit int) string {
	if len(body) == 0 {
		return "{}"
	}
	if limit < 0 {
		limit = math.MaxInt - 64
	}
	w := writer{limit: limit, b: make([]byte, 0, min(limit+64, 256))}
	w.b = append(w.b, '{')
	n := w.fields(body, 1, true)
	for i := 0; i < len(sequences) && !w.done(); i++ {
		w.key(sequences[i].Identifier, n+i)
		w.sequence(sequences[i].Documents)
	}
	w.close('}')
	return w.String()
}

// writer writes Extended JSON as long as it is short enough.
type writer struct {
	b     []byte
	limit int
	cut   bool // something was left out
	omit  []string
}

// done tells that nothing more is worth writing.
func (w *writer) done() bool { return w.cut || len(w.b) > w.limit }

// room is how many bytes more may be of use: one too many tells that there was
// more.
func (w *writer) room() int { return max(w.limit-len(w.b), 0) + utf8.UTFMax }

// close ends a document or an array, unless its end is not known.
func (w *writer) close(bracket byte) {
	if !w.cut {
		w.b = append(w.b, bracket)
	}
}

// String returns what was written, cut to the limit.
func (w *writer) String() string {
	if len(w.b) <= w.limit && !w.cut {
		return string(w.b)
	}
	n := min(len(w.b), w.limit)
	for n > 0 && n < len(w.b) && !utf8.RuneStart(w.b[n]) {
		n--
	}
	return string(append(w.b[:n], "..."...))
}

// fields writes the fields of a document, with or without keys, and returns how
// many there are.
func (w *writer) fields(doc []byte, depth int, keys bool) int {
	n := 0
	r := bsonwire.NewReader(doc)
	for !w.done() && r.Next() {
		if depth == 1 && slices.Contains(w.omit, string(r.Key())) {
			continue
		}
		if keys {
			w.key(string(r.Key()), n)
		} else if n > 0 {
			w.b = append(w.b, ',')
		}
		w.value(r.Value(), depth)
		n++
	}
	if r.Err() != nil {
		w.cut = true
	}
	return n
}

func (w *writer) key(name string, before int) {
	if before > 0 {
		w.b = append(w.b, ',')
	}
	w.text(name[:min(len(name), w.room())])
	w.b = append(w.b, ':')
}

func (w *writer) sequence(docs []byte) {
	w.b = append(w.b, '[')
	for i := 0; len(docs) > 0 && !w.done(); i++ {
		size, err := bsonwire.Size(docs)
		if err != nil {
			w.cut = true
			return
		}
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.document(docs[:size], 2)
		docs = docs[size:]
	}
	w.close(']')
}

func (w *writer) document(doc []byte, depth int) {
	if depth > maxDepth {
		w.cut = true
		return
	}
	w.b = append(w.b, '{')
	w.fields(doc, depth+1, true)
	w.close('}')
}

func (w *writer) array(doc []byte, depth int) {
	if depth > maxDepth {
		w.cut = true
		return
	}
	w.b = append(w.b, '[')
	w.fields(doc, depth+1, false)
	w.close(']')
}

func (w *writer) value(v bsonwire.Value, depth int) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		w.document(v.Data, depth)
	case bson.TypeArray:
		w.array(v.Data, depth)
	case bson.TypeString:
		s, _ := v.AsStringBytes()
		w.text(string(s[:min(len(s), w.room())]))
	case bson.TypeInt32, bson.TypeInt64:
		n, _ := v.AsInt64()
		w.b = strconv.AppendInt(w.b, n, 10)
	case bson.TypeDouble:
		f, _ := v.AsDouble()
		w.double(f)
	case bson.TypeBoolean:
		t, _ := v.AsBool()
		w.b = strconv.AppendBool(w.b, t)
	case bson.TypeNull:
		w.b = append(w.b, "null"...)
	default:
		w.wrapped(v, depth)
	}
}

// wrapped writes a value of a type that JSON has not.
func (w *writer) wrapped(v bsonwire.Value, depth int) {
	switch v.Type {
	case bson.TypeObjectID:
		id, _ := v.AsObjectID()
		w.pair("$oid", id.Hex())
	case bson.TypeDateTime:
		ms, _ := v.AsDateTime()
		w.date(ms)
	case bson.TypeTimestamp:
		t, i, _ := v.AsTimestamp()
		w.timestamp(t, i)
	case bson.TypeBinary:
		subtype, data, _ := v.AsBinary()
		w.binary(subtype, data)
	case bson.TypeDecimal128:
		d, _ := v.AsDecimal128()
		w.pair("$numberDecimal", d.String())
	case bson.TypeRegex:
		pattern, options, _ := v.AsRegex()
		w.open("$regularExpression")
		w.member("pattern", pattern, 0)
		w.member("options", options, 1)
		w.b = append(w.b, "}}"...)
	case bson.TypeJavaScript:
		code, _ := v.AsJavaScript()
		w.pair("$code", code)
	case bson.TypeCodeWithScope:
		code, scope, _ := v.AsCodeWithScope()
		w.b = append(w.b, '{')
		w.member("$code", code, 0)
		w.key("$scope", 1)
		w.document(scope, depth)
		w.close('}')
	case bson.TypeSymbol:
		s, _ := v.AsSymbol()
		w.pair("$symbol", s)
	case bson.TypeDBPointer:
		ns, id, _ := v.AsDBPointer()
		w.open("$dbPointer")
		w.member("$ref", ns, 0)
		w.key("$id", 1)
		w.pair("$oid", id.Hex())
		w.b = append(w.b, "}}"...)
	case bson.TypeUndefined:
		w.b = append(w.b, `{"$undefined":true}`...)
	case bson.TypeMinKey:
		w.b = append(w.b, `{"$minKey":1}`...)
	case bson.TypeMaxKey:
		w.b = append(w.b, `{"$maxKey":1}`...)
	default:
		w.cut = true
	}
}

// open begins {"name":{.
func (w *writer) open(name string) {
	w.b = append(w.b, '{')
	w.key(name, 0)
	w.b = append(w.b, '{')
}

// member writes a field whose value is a text.
func (w *writer) member(name, value string, before int) {
	w.key(name, before)
	w.text(value[:min(len(value), w.room())])
}

// pair writes {"name":"value"}.
func (w *writer) pair(name, value string) {
	w.b = append(w.b, '{')
	w.member(name, value, 0)
	w.b = append(w.b, '}')
}

func (w *writer) double(f float64) {
	switch {
	case math.IsNaN(f):
		w.pair("$numberDouble", "NaN")
	case math.IsInf(f, 0):
		s := "Infinity"
		if f < 0 {
			s = "-Infinity"
		}
		w.pair("$numberDouble", s)
	default:
		n := len(w.b)
		w.b = strconv.AppendFloat(w.b, f, 'g', -1, 64)
		for _, c := range w.b[n:] {
			if c == '.' || c == 'e' {
				return
			}
		}
		w.b = append(w.b, ".0"...)
	}
}

// maxDate is the end of the year 9999, in milliseconds: the last date that is
// written as one.
const maxDate = 253402300799999

func (w *writer) date(ms int64) {
	if ms < 0 || ms > maxDate {
		w.open("$date")
		w.member("$numberLong", strconv.FormatInt(ms, 10), 0)
		w.b = append(w.b, "}}"...)
		return
	}
	w.pair("$date", time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00"))
}

func (w *writer) timestamp(t, i uint32) {
	w.open("$timestamp")
	w.key("t", 0)
	w.b = strconv.AppendUint(w.b, uint64(t), 10)
	w.key("i", 1)
	w.b = strconv.AppendUint(w.b, uint64(i), 10)
	w.b = append(w.b, "}}"...)
}

func (w *writer) binary(subtype byte, data []byte) {
	w.open("$binary")
	w.key("base64", 0)
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, data[:min(len(data), w.room())])
	w.b = append(w.b, '"')
	w.key("subType", 1)
	w.b = append(w.b, '"')
	w.b = hex.AppendEncode(w.b, []byte{subtype})
	w.b = append(w.b, `"}}`...)
}

// text writes a JSON string. Bytes that are not UTF-8 become the replacement
// character.
func (w *writer) text(s string) {
	const digits = "0123456789abcdef"
	w.b = append(w.b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.b = append(w.b, '\\', byte(r))
		case r == '\n':
			w.b = append(w.b, `\n`...)
		case r == '\r':
			w.b = append(w.b, `\r`...)
		case r == '\t':
			w.b = append(w.b, `\t`...)
		case r < ' ':
			w.b = append(w.b, '\\', 'u', '0', '0', digits[r>>4], digits[r&0xf])
		default:
			w.b = utf8.AppendRune(w.b, r)
		}
	}
	w.b = append(w.b, '"')
}
