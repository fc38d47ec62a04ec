package analyse

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// FromJSONSchema reads a JSON schema with the keyword encrypt. One that was given locally has nothing but what says how
// to encrypt; a server's has rules for validation besides, which are passed over.
func FromJSONSchema(schema bson.Raw, local bool) (*Schema, error) {
	if err := bsonwire.Validate(schema); err != nil {
		return nil, refuse("Invalid schema: %v", err)
	}
	p := schemaParser{local: local}
	root, err := p.parse(schema, metadata{}, 0)
	if err != nil {
		return nil, err
	}
	if root.field != nil {
		return nil, errInvalidSchema
	}
	if !root.encrypted() {
		return Plain(), nil
	}
	return &Schema{Kind: FieldLevel, root: root}, nil
}

type schemaParser struct{ local bool }

// metadata is what encryptMetadata says, for all below it.
type metadata struct {
	algorithm placeholder.Algorithm
	key       placeholder.Key
	pointer   []string
	hasKey    bool
}

// errInvalidSchema is an encrypt where it cannot be kept.
var errInvalidSchema = refuse("Invalid schema containing the 'encrypt' keyword. It may only be below 'properties', 'patternProperties' and " +
	"'additionalProperties', in schemas whose type is 'object' alone")

// maxSchemaDepth bounds how deep schemas are nested.
const maxSchemaDepth = 150

// annotations mean nothing to encryption.
var annotations = []string{"title", "description"}

// data are keywords whose values are no schemas.
var data = []string{"enum", "required", "default", "examples", "const", "title", "description", "bsonType", "type", "pattern", "format"}

func (p *schemaParser) parse(schema []byte, meta metadata, depth int) (*Node, error) {
	if depth > maxSchemaDepth {
		return nil, refuse("Invalid schema: it is nested more than %d levels deep", maxSchemaDepth)
	}
	if v, ok := bsonwire.Lookup(schema, "encrypt"); ok {
		return p.encrypt(schema, v, meta)
	}
	hasMeta := false
	if v, ok := bsonwire.Lookup(schema, "encryptMetadata"); ok {
		hasMeta = true
		doc, ok := v.AsDocument()
		if !ok {
			return nil, refuse("Invalid schema: encryptMetadata must be an object")
		}
		if err := meta.read(doc, "encryptMetadata", nil); err != nil {
			return nil, err
		}
	}
	n := &Node{}
	for r := bsonwire.NewReader(schema); r.Next(); {
		if err := p.keyword(n, string(r.Key()), r.Value(), meta, depth); err != nil {
			return nil, err
		}
	}
	if (hasMeta || n.encrypted()) && !isObject(schema) {
		return nil, errInvalidSchema
	}
	if !n.encrypted() {
		return plain, nil
	}
	return n, nil
}

// isObject reports whether the schema's type is object, and nothing else.
func isObject(schema []byte) bool {
	for _, keyword := range []string{"bsonType", "type"} {
		v, ok := bsonwire.Lookup(schema, keyword)
		if !ok {
			continue
		}
		if list, isList := v.AsArray(); isList {
			r := bsonwire.NewReader(list)
			if !r.Next() {
				return false
			}
			if v = r.Value(); r.Next() {
				return false
			}
		}
		s, _ := v.AsString()
		return s == "object"
	}
	return false
}

func (p *schemaParser) keyword(n *Node, keyword string, v bsonwire.Value, meta metadata, depth int) error {
	switch keyword {
	case "encryptMetadata", "bsonType", "type", "title", "description":
		return nil
	case "properties", "patternProperties":
		doc, ok := v.AsDocument()
		if !ok {
			return refuse("Invalid schema: %s must be an object", keyword)
		}
		return p.properties(n, keyword, doc, meta, depth)
	case "additionalProperties":
		doc, ok := v.AsDocument()
		if !ok {
			return nil // whether there may be others
		}
		var err error
		n.rest, err = p.parse(doc, meta, depth+1)
		return err
	}
	if !slices.Contains(data, keyword) && mentionsEncrypt(v, 0) {
		return errInvalidSchema
	}
	if p.local {
		return refuse("JSON schema keyword '%s' is only allowed with a remote schema", keyword)
	}
	return nil
}

func (p *schemaParser) properties(n *Node, keyword string, doc []byte, meta metadata, depth int) error {
	for r := bsonwire.NewReader(doc); r.Next(); {
		sub, ok := r.Value().AsDocument()
		if !ok {
			return refuse("Invalid schema: the schema of '%s' must be an object", r.Key())
		}
		child, err := p.parse(sub, meta, depth+1)
		if err != nil {
			return err
		}
		name := string(r.Key())
		if keyword == "patternProperties" {
			if !child.encrypted() {
				// It may match a name that another rule has encrypted, which then counts.
				continue
			}
			re, err := regexp.Compile(name)
			if err != nil {
				return refuse("Invalid schema: the pattern '%s' is not one that can be analysed: %v", name, err)
			}
			n.patterns = append(n.patterns, pattern{re, child})
			continue
		}
		if strings.Contains(name, ".") && child.encrypted() {
			return refuse("Invalid schema: the name of an encrypted field cannot contain a dot: '%s'", name)
		}
		if before, twice := n.children[name]; twice && !before.equal(child) {
			return refuse("Invalid schema: there are two different schemas for '%s'", name)
		}
		if n.children == nil {
			n.children = map[string]*Node{}
		}
		n.children[name] = child
	}
	return nil
}

// mentionsEncrypt reports whether a value has encrypt or encryptMetadata as a keyword.
func mentionsEncrypt(v bsonwire.Value, depth int) bool {
	if depth > maxSchemaDepth {
		return true
	}
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return false
	}
	for r := bsonwire.NewReader(v.Data); r.Next(); {
		key := string(r.Key())
		if v.Type == bson.TypeEmbeddedDocument {
			if key == "encrypt" || key == "encryptMetadata" {
				return true
			}
			if slices.Contains(data, key) {
				continue
			}
		}
		if mentionsEncrypt(r.Value(), depth+1) {
			return true
		}
	}
	return false
}

// encrypt reads a schema with the keyword encrypt.
func (p *schemaParser) encrypt(schema []byte, v bsonwire.Value, meta metadata) (*Node, error) {
	for r := bsonwire.NewReader(schema); r.Next(); {
		if key := string(r.Key()); key != "encrypt" && !slices.Contains(annotations, key) {
			return nil, refuse("'encrypt' cannot be used in conjunction with '%s'", key)
		}
	}
	doc, ok := v.AsDocument()
	if !ok {
		return nil, refuse("Invalid schema: encrypt must be an object")
	}
	f := &Field{}
	if err := meta.read(doc, "encrypt", f); err != nil {
		return nil, err
	}
	if !meta.hasKey {
		return nil, refuse("Invalid schema: encrypt needs a keyId, in itself or in an encryptMetadata above it")
	}
	if meta.algorithm == 0 {
		return nil, refuse("Invalid schema: encrypt needs an algorithm, in itself or in an encryptMetadata above it")
	}
	f.algorithm, f.key, f.pointer = meta.algorithm, meta.key, meta.pointer
	if err := f.check(); err != nil {
		return nil, err
	}
	return &Node{field: f}, nil
}

// read reads encrypt, or encryptMetadata, in the place of what was inherited.
func (m *metadata) read(doc []byte, keyword string, f *Field) (err error) {
	for r := bsonwire.NewReader(doc); r.Next() && err == nil; {
		switch key, v := string(r.Key()), r.Value(); {
		case key == "algorithm":
			m.algorithm, err = algorithm(v)
		case key == "keyId":
			err = m.readKey(v)
		case key == "bsonType" && f != nil:
			f.types, err = types(v)
		default:
			err = refuse("Invalid schema: '%s' is not a field of %s", key, keyword)
		}
	}
	return err
}

func algorithm(v bsonwire.Value) (placeholder.Algorithm, error) {
	switch s, _ := v.AsString(); s {
	case "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic":
		return placeholder.Deterministic, nil
	case "AEAD_AES_256_CBC_HMAC_SHA_512-Random":
		return placeholder.Random, nil
	}
	return 0, refuse("Invalid schema: the algorithm must be 'AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic' or 'AEAD_AES_256_CBC_HMAC_SHA_512-Random'")
}

// readKey reads a keyId: an array of one UUID, or a JSON pointer.
func (m *metadata) readKey(v bsonwire.Value) error {
	m.key, m.pointer, m.hasKey = placeholder.Key{}, nil, true
	if s, ok := v.AsString(); ok {
		if !strings.HasPrefix(s, "/") || len(s) < 2 {
			return refuse("Invalid schema: a keyId that is a string must be a JSON pointer, as '/name': '%s'", s)
		}
		for part := range strings.SplitSeq(s[1:], "/") {
			m.pointer = append(m.pointer, strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
		}
		return nil
	}
	list, ok := v.AsArray()
	if !ok {
		return refuse("Invalid schema: a keyId is an array of one UUID, or a JSON pointer")
	}
	n := 0
	for r := bsonwire.NewReader(list); r.Next(); n++ {
		id, err := uuid(r.Value())
		if err != nil {
			return err
		}
		m.key.ID = id
	}
	if n != 1 {
		return refuse("Invalid schema: the array of a keyId must have one UUID, not %d", n)
	}
	return nil
}

func uuid(v bsonwire.Value) (id [16]byte, err error) {
	subtype, b, ok := v.AsBinary()
	if !ok || subtype != bson.TypeBinaryUUID || len(b) != len(id) {
		return id, refuse("Invalid schema: a keyId must be a UUID (binary subtype 4)")
	}
	return [16]byte(b), nil
}

func types(v bsonwire.Value) ([]bson.Type, error) {
	var list []bson.Type
	add := func(v bsonwire.Value) error {
		s, ok := v.AsString()
		t, known := typesByName[s]
		if !ok || !known {
			return refuse("Invalid schema: bsonType must be the name of a type, or an array of such: '%s' is none", s)
		}
		if !slices.Contains(list, t) {
			list = append(list, t)
		}
		return nil
	}
	array, ok := v.AsArray()
	if !ok {
		return list, add(v)
	}
	for r := bsonwire.NewReader(array); r.Next(); {
		if err := add(r.Value()); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, refuse("Invalid schema: bsonType must not be an empty array")
	}
	return list, nil
}

// singleValued are types of which all values are the same: a ciphertext hides nothing.
var singleValued = []bson.Type{bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey}

// indeterministic are types whose values are not to be encrypted deterministically: they have few values, or equal ones
// that differ as bytes.
var indeterministic = []bson.Type{
	bson.TypeArray, bson.TypeEmbeddedDocument, bson.TypeCodeWithScope, bson.TypeDecimal128, bson.TypeDouble, bson.TypeBoolean,
}

// check refuses what field level encryption cannot do.
func (f *Field) check() error {
	for _, t := range f.types {
		if slices.Contains(singleValued, t) {
			return refuse("Cannot encrypt element of type: %s", nameOf(t))
		}
		if f.algorithm == placeholder.Deterministic && slices.Contains(indeterministic, t) {
			return refuse("Cannot use deterministic encryption for element of type: %s", nameOf(t))
		}
	}
	if f.algorithm != placeholder.Deterministic {
		return nil
	}
	if len(f.types) != 1 {
		return refuse("A deterministically encrypted field must have exactly one specified non-object type")
	}
	if f.pointer != nil {
		return refuse("A deterministically encrypted field cannot have a keyId that is a JSON pointer")
	}
	return nil
}
