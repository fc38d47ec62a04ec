package analyse

import (
	"context"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// marked is a document in which empty binaries of subtype 6 stand for what is to be encrypted. Everything is appended
// in the order of its bytes.
type marked struct {
	dst    []byte
	places []placeholder.Placeholder
	at     []int // of the placeholders' values in dst, ascending
}

func (m *marked) place(key string, p placeholder.Placeholder) {
	m.dst = bsonwire.AppendHeader(m.dst, bson.TypeBinary, key)
	m.at = append(m.at, len(m.dst))
	m.places = append(m.places, p)
	m.dst = bsonwire.AppendBinaryValue(m.dst, bson.TypeBinaryEncrypted, nil)
}

func (m *marked) value(key string, v bsonwire.Value) { m.dst = bsonwire.AppendValue(m.dst, key, v) }

// document appends a document whose elements body appends.
func (m *marked) document(key string, body func() error) error {
	var at int
	m.dst, at = bsonwire.BeginDocument(m.dst, key)
	if err := body(); err != nil {
		return err
	}
	m.dst = bsonwire.End(m.dst, at)
	return nil
}

// array appends an array of a value's elements, each as element appends it.
func (m *marked) array(key string, list []byte, element func(key string, v bsonwire.Value) error) error {
	var at int
	m.dst, at = bsonwire.BeginArray(m.dst, key)
	i := 0
	for r := bsonwire.NewReader(list); r.Next(); i++ {
		if err := element(bsonwire.Index(i), r.Value()); err != nil {
			return err
		}
	}
	m.dst = bsonwire.End(m.dst, at)
	return nil
}

// encrypted is the document with what encrypts makes of the placeholders.
func (m *marked) encrypted(ctx context.Context, e placeholder.Encrypter) (bson.Raw, error) {
	if len(m.places) == 0 {
		return m.dst, nil
	}
	values, err := e.Encrypt(ctx, m.places)
	if err != nil {
		return nil, err
	}
	size := len(m.dst)
	for _, v := range values {
		size += len(v)
	}
	f := filler{src: m.dst, at: m.at, values: values}
	return f.document(make([]byte, 0, size), 0), nil
}

// filler copies a marked document with values in the places of its placeholders.
type filler struct {
	src    []byte
	at     []int
	values [][]byte
}

// document appends the document of src that begins at from.
func (f *filler) document(dst []byte, from int) []byte {
	dst, start := bsonwire.Begin(dst)
	for at := from + 4; f.src[at] != 0; {
		value := bsonwire.KeyEnd(f.src, at+1) + 1
		next := value + bsonwire.ValueLen(f.src[at], f.src[value:])
		dst = append(dst, f.src[at:value]...)
		switch {
		case len(f.at) == 0 || f.at[0] >= next:
			dst = append(dst, f.src[value:next]...)
		case f.at[0] == value:
			dst = bsonwire.AppendBinaryValue(dst, bson.TypeBinaryEncrypted, f.values[0])
			f.at, f.values = f.at[1:], f.values[1:]
		default:
			dst = f.document(dst, value)
		}
		at = next
	}
	return bsonwire.End(dst, start)
}

// safeContent is the field in which the server keeps the tags of Queryable Encryption.
const safeContent = "__safeContent__"

// stored appends a value as it is to be stored at a path. whole is the document that names keys; nil: there is none.
func (a *analysis) stored(key string, v bsonwire.Value, n *Node, path string, whole []byte) error {
	return a.walk(key, v, n, path, placeholder.Insert, whole)
}

func (a *analysis) walk(key string, v bsonwire.Value, n *Node, path string, purpose placeholder.Purpose, whole []byte) error {
	switch {
	case n != nil && n.field != nil:
		return a.mark(key, v, n.field, path, purpose, whole)
	case !n.encrypted():
		a.value(key, v)
		return nil
	case n.unknown:
		return refuse("Cannot tell whether the field '%s' is encrypted", path)
	case v.Type == bson.TypeArray:
		return refuse("Cannot encrypt an array at path '%s': it would violate the schema, which has encrypted fields below it", path)
	case v.Type != bson.TypeEmbeddedDocument:
		a.value(key, v)
		return nil
	}
	return a.document(key, func() error { return a.fields(v.Data, n, path+".", purpose, whole) })
}

// fields appends the fields of a document.
func (a *analysis) fields(doc []byte, n *Node, prefix string, purpose placeholder.Purpose, whole []byte) error {
	for r := bsonwire.NewReader(doc); r.Next(); {
		key := string(r.Key())
		if strings.Contains(key, ".") && n.follow(key).touches() {
			return refuse("the name of the field '%s' contains a dot, and may be taken for an encrypted path", prefix+key)
		}
		if err := a.walk(key, r.Value(), n.child(key), prefix+key, purpose, whole); err != nil {
			return err
		}
	}
	return nil
}

// whole appends the fields of a whole document that is to be stored.
func (a *analysis) whole(doc []byte) error {
	if a.schema.Kind == Queryable {
		if _, ok := bsonwire.Lookup(doc, safeContent); ok {
			return refuse("Cannot modify %s field in document.", safeContent)
		}
	}
	return a.fields(doc, a.root, "", placeholder.Insert, doc)
}

// mark appends a placeholder.
func (a *analysis) mark(key string, v bsonwire.Value, f *Field, path string, purpose placeholder.Purpose, whole []byte) error {
	p := placeholder.Placeholder{Path: path, Value: v, Key: f.key, Algorithm: f.algorithm, Purpose: purpose}
	if purpose == placeholder.Insert {
		if t, i, ok := v.AsTimestamp(); ok && t == 0 && i == 0 {
			return refuse("A command that inserts cannot supply Timestamp(0, 0) for an encrypted field at path '%s'", path)
		}
	}
	if err := f.takes(v, path); err != nil {
		return err
	}
	if f.pointer != nil {
		name, err := follow(whole, f.pointer, path)
		if err != nil {
			return err
		}
		p.Key = placeholder.Key{AltName: name}
	}
	switch f.algorithm {
	case placeholder.Indexed, placeholder.Range, placeholder.TextPreview:
		p.Contention, p.Range, p.Text = f.contention, f.ranged, f.text
	}
	a.place(key, p)
	return nil
}

// takes refuses a value that the field cannot have.
func (f *Field) takes(v bsonwire.Value, path string) error {
	if subtype, _, ok := v.AsBinary(); ok && subtype == bson.TypeBinaryEncrypted {
		return refuse("Cannot encrypt binary data of subtype 6 at path '%s': an element of type: binData that is encrypted already", path)
	}
	switch {
	case f.types != nil && !slices.Contains(f.types, v.Type):
		return refuse("Cannot encrypt element of type: %s because schema requires that type is one of: [ %s ], at path '%s'", nameOf(v.Type), namesOf(f.types), path)
	case slices.Contains(singleValued, v.Type):
		return refuse("Cannot encrypt element of type: %s, at path '%s'", nameOf(v.Type), path)
	}
	return nil
}

// follow returns the name of the key that a JSON pointer leads to.
func follow(whole []byte, pointer []string, path string) (string, error) {
	if whole == nil {
		return "", refuse("A non-static (JSONPointer) keyId is not supported here: the key of '%s' is named by a field of the whole document", path)
	}
	v, ok := bsonwire.Lookup(whole, pointer...)
	if !ok {
		return "", refuse("the document has no field '%s', which names the key of '%s'", strings.Join(pointer, "."), path)
	}
	name, ok := v.AsString()
	if !ok || name == "" {
		return "", refuse("the field '%s', which names the key of '%s', must be a string that is not empty", strings.Join(pointer, "."), path)
	}
	return name, nil
}
