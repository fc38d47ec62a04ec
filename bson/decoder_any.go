package bson

import (
	"bytes"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Documents become D, M or A in two passes. The first one checks everything and writes a tape: a token for every element,
// in the order of the bytes. It counts, so that the second pass can take what it builds from slabs of the right size: all
// elements of all Ds from one allocation, all strings in interfaces from another.

// A token is an element of a document.
type token struct {
	key   uint32 // where its key is
	value uint32 // where its value is; the key ends one byte before
	n     uint32 // elements in a document or array that is built; otherwise, where the value ends
	typ   byte
}

// maxTape is the largest tape, in tokens, that is kept for the next document.
const maxTape = 1 << 16

// A tree builds Go values from a tape.
type tree struct {
	tape []token
	pos  int // of the next token

	counts struct {
		elements, values                               int // in Ds, in As
		strings, words, docs, arrays, times, ids, bins int // in interfaces
	}
	elements []E
	values   []any
	strings  []string
	words    []uint64
	docs     []D
	arrays   []A
	times    []time.Time
	ids      []ObjectID
	bins     []Binary
}

// begin makes the slabs.
func (t *tree) begin() {
	c := &t.counts
	reserve(&t.elements, c.elements)
	reserve(&t.values, c.values)
	reserve(&t.strings, c.strings)
	reserve(&t.words, c.words)
	reserve(&t.docs, c.docs)
	reserve(&t.arrays, c.arrays)
	reserve(&t.times, c.times)
	reserve(&t.ids, c.ids)
	reserve(&t.bins, c.bins)
}

func reserve[T any](s *[]T, n int) {
	if n > 0 {
		*s = make([]T, n)
	} else {
		*s = []T{}
	}
}

// reset makes t ready for another document.
func (t *tree) reset() {
	if len(t.tape) == 0 {
		return
	}
	tape := t.tape
	if cap(tape) > maxTape {
		tape = nil
	}
	*t = tree{tape: tape[:0]}
}

// take cuts n values off a slab.
func take[T any](slab *[]T, n int) []T {
	s := (*slab)[:n:n]
	*slab = (*slab)[n:]
	return s
}

// one takes v's place in an interface from a slab.
func one[T any](slab *[]T, v T) pointer {
	s := take(slab, 1)
	s[0] = v
	return addressOf(&s[0])
}

// What an any stores as the types of the values that are built.
var (
	stringWord     = typeWord("")
	javaScriptWord = typeWord(JavaScript(""))
	symbolWord     = typeWord(Symbol(""))
	int32Word      = typeWord(int32(0))
	int64Word      = typeWord(int64(0))
	doubleWord     = typeWord(float64(0))
	dateTimeWord   = typeWord(DateTime(0))
	objectIDWord   = typeWord(ObjectID{})
	timeWord       = typeWord(time.Time{})
	binaryWord     = typeWord(Binary{})
	dWord          = typeWord(D(nil))
	aWord          = typeWord(A(nil))
	boolWord       = typeWord(false)
)

// Small integers are boxed once and for all.
const minSmall, maxSmall = -128, 1023

var smallInt32s, smallInt64s = func() (a [maxSmall - minSmall + 1]int32, b [maxSmall - minSmall + 1]int64) {
	for i := range a {
		a[i], b[i] = int32(i+minSmall), int64(i+minSmall)
	}
	return a, b
}()

// documentKind says what documents in an any become.
type documentKind uint8

const (
	kindD documentKind = iota
	kindM
	kindMap
	kindPlan // some other type
)

func (o *DecodeOptions) documentKind() documentKind {
	switch o.DocumentType {
	case nil, reflect.TypeFor[D]():
		return kindD
	case reflect.TypeFor[M]():
		return kindM
	case reflect.TypeFor[map[string]any]():
		return kindMap
	}
	return kindPlan
}

// A builder builds the documents and arrays in an any.
type builder struct {
	*decoder
	*tree
	kind   documentKind
	plan   *decodePlan // for kindPlan
	nested bool        // in another one, whose tree is outer
	outer  tree
	copied bool
}

// open scans the document or array in src[start:end], whose elements will be in as, and returns how many there are.
// After that, begin must be called, then what builds values, and then end.
func (d *decoder) open(start, end int, as documentKind, array bool) (builder, int, error) {
	b := builder{decoder: d, tree: &d.tree, kind: d.opts.documentKind()}
	if b.kind == kindPlan {
		b.plan = decodePlanFor(d.opts.DocumentType)
	}
	if b.nested = d.building; b.nested {
		// A document inside of another one that is being built goes on behind the outer one's tape.
		b.outer = d.tree
		d.tree = tree{tape: b.outer.tape[len(b.outer.tape):]}
	} else {
		d.building = true
		d.tree.reset()
	}
	n, err := b.scan(start, end, as, array)
	if err == nil && d.own == nil && !d.opts.CopyStrings {
		d.own, d.base = bytes.Clone(d.src[start:end]), start
		b.copied = true
	}
	return b, n, err
}

// end restores what open changed.
func (b *builder) end() {
	if b.copied {
		b.decoder.own, b.decoder.base = nil, 0
	}
	if b.nested {
		b.decoder.tree = b.outer
	} else {
		b.decoder.building = false
	}
}

// scan checks the document or array in src[start:end] and appends its tokens to the tape. It returns how many elements
// it has. as is what becomes of a document.
func (b *builder) scan(start, end int, as documentKind, array bool) (int, error) {
	d, t := b.decoder, b.tree
	if err := d.enter(); err != nil {
		return 0, err
	}
	last := end - 1
	src := d.src[:end]
	if src[last] != 0 {
		return 0, syntaxError(last, "document does not end in a zero byte")
	}
	src = src[:last]
	n := 0
	for pos := start + 4; pos < last; n++ {
		typ, key := src[pos], pos+1
		keyEnd, ascii := findKeyEnd(src, key)
		if keyEnd < 0 {
			return 0, errKeyEnd(pos)
		}
		if d.opts.StrictUTF8 && !ascii && !array && !utf8.Valid(src[key:keyEnd]) {
			return 0, syntaxError(key, "key is not valid UTF-8")
		}
		value := keyEnd + 1
		if pos = valueEnd(src, typ, value); pos > last {
			return 0, valueError(src, typ, key, keyEnd)
		}
		at := len(t.tape)
		t.tape = append(t.tape, token{key: uint32(key), value: uint32(value), n: uint32(pos), typ: typ})
		if typ == byte(TypeString) && src[pos-1] == 0 && (!d.opts.StrictUTF8 || validUTF8(src[value+4:pos-1])) {
			t.counts.strings++
			continue
		}
		children, err := b.scanValue(typ, value, pos)
		if err != nil {
			return 0, decodeErrorAt(string(src[key:keyEnd]), err)
		}
		if children >= 0 {
			t.tape[at].n = uint32(children)
		}
	}
	switch {
	case array:
		t.counts.values += n
	case as == kindD:
		t.counts.elements += n
	}
	d.leave()
	return n, nil
}

// scanValue checks and counts the value of type typ in src[start:end]. It returns the number of its elements if it is a
// document or array that is to be built, and -1 otherwise.
func (b *builder) scanValue(typ byte, start, end int) (int, error) {
	d, c := b.decoder, &b.tree.counts
	switch Type(typ) {
	case TypeString, TypeSymbol, TypeJavaScript:
		c.strings++
		return -1, d.checkString(start, end)
	case TypeInt32:
		if i := int32(d.uint32(start)); i < minSmall || i > maxSmall {
			c.words++
		}
	case TypeInt64:
		if i := int64(d.uint64(start)); i < minSmall || i > maxSmall {
			c.words++
		}
	case TypeDouble:
		c.words++
	case TypeDateTime:
		if d.opts.TimeAware {
			c.times++
		} else {
			c.words++
		}
	case TypeObjectID:
		if d.opts.CopyStrings {
			c.ids++
		}
	case TypeEmbeddedDocument:
		switch b.kind {
		case kindPlan:
			return -1, nil
		case kindD:
			c.docs++
		}
		return b.scan(start, end, b.kind, false)
	case TypeArray:
		c.arrays++
		return b.scan(start, end, b.kind, true)
	case TypeBoolean:
		_, err := d.bool(start)
		return -1, err
	case TypeBinary:
		c.bins++
		_, _, err := d.binary(start, end)
		return -1, err
	}
	return -1, nil
}

// checkString checks the string in src[start:end].
func (d *decoder) checkString(start, end int) error {
	if d.src[end-1] != 0 {
		return syntaxError(end-1, "string does not end in a zero byte")
	}
	if d.opts.StrictUTF8 && !validUTF8(d.src[start+4:end-1]) {
		return syntaxError(start, "string is not valid UTF-8")
	}
	return nil
}

// value builds the value of the next token.
func (b *builder) value(tok token) (any, error) {
	d, t, from := b.decoder, b.tree, int(tok.value)
	switch Type(tok.typ) {
	case TypeString:
		return box(stringWord, one(&t.strings, d.view(from+4, int(tok.n)-1))), nil
	case TypeInt32:
		i := int32(d.uint32(from))
		if i >= minSmall && i <= maxSmall {
			return box(int32Word, addressOf(&smallInt32s[i-minSmall])), nil
		}
		p := one(&t.words, 0)
		*at[int32](p) = i
		return box(int32Word, p), nil
	case TypeInt64:
		i := int64(d.uint64(from))
		if i >= minSmall && i <= maxSmall {
			return box(int64Word, addressOf(&smallInt64s[i-minSmall])), nil
		}
		return box(int64Word, one(&t.words, uint64(i))), nil
	case TypeDouble:
		return box(doubleWord, one(&t.words, d.uint64(from))), nil
	case TypeDateTime:
		if d.opts.TimeAware {
			return box(timeWord, one(&t.times, d.time(int64(d.uint64(from))))), nil
		}
		return box(dateTimeWord, one(&t.words, d.uint64(from))), nil
	case TypeObjectID:
		if d.own != nil {
			return box(objectIDWord, bytePointer(d.own, from-d.base)), nil // it is a string of bytes, too
		}
		return box(objectIDWord, one(&t.ids, ObjectID(d.src[from:]))), nil
	case TypeBoolean:
		return d.src[from] == 1, nil
	case TypeNull:
		return nil, nil
	case TypeEmbeddedDocument:
		d.depth++
		v, err := b.document(tok)
		d.depth--
		return v, err
	case TypeArray:
		a := A(take(&t.values, int(tok.n)))
		d.depth++
		if err := b.array(a); err != nil {
			return nil, err // the slabs may be those of a document that was not finished
		}
		d.depth--
		return box(aWord, one(&t.arrays, a)), nil
	case TypeBinary:
		v, err := d.readBinary(from, int(tok.n))
		if err != nil {
			return nil, err
		}
		return box(binaryWord, one(&t.bins, v)), nil
	case TypeSymbol:
		return box(symbolWord, one(&t.strings, d.view(from+4, int(tok.n)-1))), nil
	case TypeJavaScript:
		return box(javaScriptWord, one(&t.strings, d.view(from+4, int(tok.n)-1))), nil
	}
	return d.rare(tok.typ, from, int(tok.n))
}

// document builds the document of tok.
func (b *builder) document(tok token) (any, error) {
	switch b.kind {
	case kindD:
		doc := D(take(&b.tree.elements, int(tok.n)))
		if err := b.d(doc); err != nil {
			return nil, err
		}
		return box(dWord, one(&b.tree.docs, doc)), nil
	case kindM:
		m := make(M, tok.n)
		return m, b.m(m, int(tok.n))
	case kindMap:
		m := make(map[string]any, tok.n)
		return m, b.m(m, int(tok.n))
	}
	return b.decoder.planned(b.plan, tok.typ, int(tok.value), int(tok.n))
}

// d fills doc with the next elements.
func (b *builder) d(doc D) error {
	for i := range doc {
		tok := b.next()
		doc[i].Key = b.decoder.view(int(tok.key), int(tok.value)-1)
		v, err := b.value(tok)
		if err != nil {
			return decodeErrorAt(doc[i].Key, err)
		}
		doc[i].Value = v
	}
	return nil
}

// m fills m with the next n elements.
func (b *builder) m(m map[string]any, n int) error {
	for range n {
		tok := b.next()
		key := b.decoder.view(int(tok.key), int(tok.value)-1)
		v, err := b.value(tok)
		if err != nil {
			return decodeErrorAt(key, err)
		}
		m[key] = v
	}
	return nil
}

// array fills a with the next elements.
func (b *builder) array(a []any) error {
	for i := range a {
		v, err := b.value(b.next())
		if err != nil {
			return decodeErrorAt(bsonwire.Index(i), err)
		}
		a[i] = v
	}
	return nil
}

func (b *builder) next() token {
	tok := b.tree.tape[b.tree.pos]
	b.tree.pos++
	return tok
}

// planned decodes the value of type t in src[start:end] into a new value of the plan's type.
func (d *decoder) planned(plan *decodePlan, t byte, start, end int) (any, error) {
	v := reflect.New(plan.typ)
	err := plan.dec(d, v.UnsafePointer(), t, start, end)
	return v.Elem().Interface(), err
}

// rare decodes values that are boxed one by one.
func (d *decoder) rare(t byte, start, end int) (any, error) {
	switch Type(t) {
	case TypeDecimal128:
		return d.decimal(start), nil
	case TypeTimestamp:
		return d.readTimestamp(start, end)
	case TypeRegex:
		return d.readRegex(start, end)
	case TypeDBPointer:
		return d.readDBPointer(start, end)
	case TypeCodeWithScope:
		return d.readCodeWithScope(start, end)
	case TypeUndefined:
		return Undefined{}, nil
	case TypeMinKey:
		return MinKey{}, nil
	case TypeMaxKey:
		return MaxKey{}, nil
	}
	return nil, errMismatch(t, "any")
}
