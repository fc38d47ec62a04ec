package analyse

import (
	"context"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// defaultContention is a field's contention factor, unless its encryptedFields say another.
const defaultContention = 8

// FromEncryptedFields reads encryptedFields of a collection. Keys that are named come with their identifiers from keys.
func FromEncryptedFields(ctx context.Context, collection string, fields bson.Raw, keys placeholder.Encrypter) (*Schema, error) {
	if err := bsonwire.Validate(fields); err != nil {
		return nil, refuse("invalid encryptedFields: %v", err)
	}
	s := &Schema{Kind: Queryable, root: &Node{}}
	doc, start := bsonwire.Begin(nil)
	has := map[string]bool{}
	for r := bsonwire.NewReader(fields); r.Next(); {
		key, v := string(r.Key()), r.Value()
		if has[key] {
			return nil, refuse("invalid encryptedFields: there are two '%s'", key)
		}
		has[key] = true
		if key != "fields" {
			doc = bsonwire.AppendValue(doc, key, v)
			continue
		}
		list, ok := v.AsArray()
		if !ok {
			return nil, refuse("invalid encryptedFields: 'fields' must be an array")
		}
		var err error
		if doc, err = s.readFields(ctx, doc, list, keys); err != nil {
			return nil, err
		}
	}
	if !has["fields"] {
		return nil, refuse("invalid encryptedFields: there are no 'fields'")
	}
	if !has["escCollection"] {
		doc = bsonwire.AppendString(doc, "escCollection", "enxcol_."+collection+".esc")
	}
	if !has["ecocCollection"] {
		doc = bsonwire.AppendString(doc, "ecocCollection", "enxcol_."+collection+".ecoc")
	}
	if s.Fields = bsonwire.End(doc, start); len(s.tokens) == 0 {
		s.root = plain
	}
	return s, nil
}

func (s *Schema) readFields(ctx context.Context, dst, list []byte, keys placeholder.Encrypter) ([]byte, error) {
	dst, array := bsonwire.BeginArray(dst, "fields")
	i := 0
	for r := bsonwire.NewReader(list); r.Next(); i++ {
		doc, ok := r.Value().AsDocument()
		if !ok {
			return dst, refuse("invalid encryptedFields: element %d of 'fields' must be a document", i)
		}
		path, f, err := readField(doc)
		if err != nil {
			return dst, err
		}
		if f.key.AltName != "" {
			id, err := keys.KeyID(ctx, f.key)
			if err != nil {
				return dst, err
			}
			f.key = placeholder.Key{ID: id}
		}
		parts := strings.Split(path, ".")
		if slices.Contains(parts, "") || strings.HasPrefix(path, "$") || path == "_id" || parts[0] == safeContent {
			return dst, refuse("invalid encryptedFields: '%s' is not a path that can be encrypted", path)
		}
		if s.root.follow(path).touches() {
			return dst, refuse("invalid encryptedFields: '%s' is in the way of another path", path)
		}
		s.root = s.root.with(parts, &Node{field: f})
		s.tokens = append(s.tokens, placeholder.TokenField{Path: path, Key: f.key, Padded: f.ranged != nil || f.text != nil})
		dst = appendField(dst, i, doc, f.key)
	}
	return bsonwire.End(dst, array), nil
}

// appendField appends an element of fields with the identifier of its key.
func appendField(dst []byte, i int, doc []byte, key placeholder.Key) []byte {
	dst, at := bsonwire.BeginDocument(dst, bsonwire.Index(i))
	for r := bsonwire.NewReader(doc); r.Next(); {
		if name := string(r.Key()); name == "keyId" || name == "keyAltName" {
			dst = bsonwire.AppendBinary(dst, "keyId", bson.TypeBinaryUUID, key.ID[:])
			continue
		}
		dst = bsonwire.AppendValue(dst, string(r.Key()), r.Value())
	}
	return bsonwire.End(dst, at)
}

func readField(doc []byte) (path string, f *Field, err error) {
	f = &Field{algorithm: placeholder.Unindexed}
	hasKey := false
	for r := bsonwire.NewReader(doc); r.Next() && err == nil; {
		switch v := r.Value(); string(r.Key()) {
		case "path":
			path, _ = v.AsString()
		case "keyId":
			if hasKey {
				return path, f, refuse("invalid encryptedFields: a field has a keyId and a keyAltName")
			}
			f.key.ID, err = uuid(v)
			hasKey = true
		case "keyAltName":
			if hasKey {
				return path, f, refuse("invalid encryptedFields: a field has a keyId and a keyAltName")
			}
			f.key.AltName, hasKey = v.AsString()
		case "bsonType":
			f.types, err = types(v)
		}
	}
	switch {
	case err != nil:
		return path, f, err
	case path == "":
		return path, f, refuse("invalid encryptedFields: a field has no path")
	case !hasKey:
		return path, f, refuse("invalid encryptedFields: '%s' has no keyId", path)
	}
	if v, ok := bsonwire.Lookup(doc, "queries"); ok {
		if err := f.readQueries(path, v); err != nil {
			return path, f, err
		}
	}
	return path, f, f.checkQueryable(path)
}

// unindexable are types that cannot be looked for by equality.
var unindexable = []bson.Type{
	bson.TypeArray, bson.TypeEmbeddedDocument, bson.TypeCodeWithScope, bson.TypeDecimal128, bson.TypeDouble,
}

func (f *Field) checkQueryable(path string) error {
	if f.algorithm != placeholder.Unindexed && len(f.types) != 1 {
		return refuse("invalid encryptedFields: '%s' has queries, and needs one bsonType", path)
	}
	for _, t := range f.types {
		if slices.Contains(singleValued, t) {
			return refuse("Cannot encrypt element of type: %s", nameOf(t))
		}
		if f.algorithm == placeholder.Indexed && slices.Contains(unindexable, t) {
			return refuse("invalid encryptedFields: '%s' is of type %s, which has no equality queries", path, nameOf(t))
		}
	}
	return nil
}

func (f *Field) readQueries(path string, v bsonwire.Value) error {
	if doc, ok := v.AsDocument(); ok {
		return f.readQuery(path, doc)
	}
	list, ok := v.AsArray()
	if !ok {
		return refuse("invalid encryptedFields: 'queries' of '%s' must be a document, or an array of such", path)
	}
	for r := bsonwire.NewReader(list); r.Next(); {
		doc, ok := r.Value().AsDocument()
		if !ok {
			return refuse("invalid encryptedFields: 'queries' of '%s' must be a document, or an array of such", path)
		}
		if err := f.readQuery(path, doc); err != nil {
			return err
		}
	}
	return nil
}

func (f *Field) readQuery(path string, doc []byte) error {
	kind, _ := bsonwire.Lookup(doc, "queryType")
	name, _ := kind.AsString()
	f.contention = defaultContention
	if v, ok := bsonwire.Lookup(doc, "contention"); ok {
		n, ok := v.AsInt64()
		if !ok || n < 0 {
			return refuse("invalid encryptedFields: 'contention' of '%s' must be an integer of at least 0", path)
		}
		f.contention = n
	}
	switch name {
	case "equality", "range":
		if f.algorithm != placeholder.Unindexed {
			return refuse("invalid encryptedFields: the queries of '%s' cannot be combined", path)
		}
		if f.algorithm = placeholder.Indexed; name == "equality" {
			return nil
		}
		f.algorithm = placeholder.Range
		return f.readRange(path, doc)
	case "prefix", "prefixPreview", "suffix", "suffixPreview", "substring", "substringPreview":
		if f.algorithm != placeholder.Unindexed && f.algorithm != placeholder.TextPreview {
			return refuse("invalid encryptedFields: the queries of '%s' cannot be combined", path)
		}
		f.algorithm = placeholder.TextPreview
		return f.readText(path, strings.TrimSuffix(name, "Preview"), doc)
	}
	return refuse("invalid encryptedFields: the queryType '%s' of '%s' is not known", name, path)
}

// rangeTypes are those that range queries go over.
var rangeTypes = []bson.Type{bson.TypeInt32, bson.TypeInt64, bson.TypeDateTime, bson.TypeDouble, bson.TypeDecimal128}

func (f *Field) readRange(path string, doc []byte) error {
	if len(f.types) != 1 || !slices.Contains(rangeTypes, f.types[0]) {
		return refuse("invalid encryptedFields: '%s' has range queries, and needs one of the types %s", path, namesOf(rangeTypes))
	}
	o := &placeholder.RangeOptions{}
	f.ranged = o
	for r := bsonwire.NewReader(doc); r.Next(); {
		v, ok := r.Value(), true
		switch string(r.Key()) {
		case "min":
			o.Min, ok = v, v.Type == f.types[0]
		case "max":
			o.Max, ok = v, v.Type == f.types[0]
		case "sparsity":
			o.Sparsity, ok = v.AsInt64()
		case "trimFactor":
			n, fits := v.AsInt32()
			o.TrimFactor, ok = &n, fits
		case "precision":
			n, fits := v.AsInt32()
			o.Precision, ok = &n, fits
		}
		if !ok {
			return refuse("invalid encryptedFields: '%s' of '%s' is not of the type that it must have", r.Key(), path)
		}
	}
	return nil
}

func (f *Field) readText(path, kind string, doc []byte) error {
	if len(f.types) != 1 || f.types[0] != bson.TypeString {
		return refuse("invalid encryptedFields: '%s' has text queries, and needs the type string", path)
	}
	first := f.text == nil
	if first {
		f.text = &placeholder.TextOptions{}
	}
	var limits placeholder.TextLimits
	var folds placeholder.TextOptions
	for r := bsonwire.NewReader(doc); r.Next(); {
		v, ok := r.Value(), true
		switch string(r.Key()) {
		case "strMaxLength":
			limits.MaxLength, ok = v.AsInt32()
		case "strMinQueryLength":
			limits.MinQuery, ok = v.AsInt32()
		case "strMaxQueryLength":
			limits.MaxQuery, ok = v.AsInt32()
		case "caseSensitive":
			folds.CaseSensitive, ok = v.AsBool()
		case "diacriticSensitive":
			folds.DiacriticSensitive, ok = v.AsBool()
		}
		if !ok {
			return refuse("invalid encryptedFields: '%s' of '%s' is not of the type that it must have", r.Key(), path)
		}
	}
	if !first && (folds.CaseSensitive != f.text.CaseSensitive || folds.DiacriticSensitive != f.text.DiacriticSensitive) {
		return refuse("invalid encryptedFields: the queries of '%s' must agree on caseSensitive and diacriticSensitive", path)
	}
	f.text.CaseSensitive, f.text.DiacriticSensitive = folds.CaseSensitive, folds.DiacriticSensitive
	at := map[string]**placeholder.TextLimits{"prefix": &f.text.Prefix, "suffix": &f.text.Suffix, "substring": &f.text.Substring}[kind]
	if *at != nil {
		return refuse("invalid encryptedFields: '%s' has two %s queries", path, kind)
	}
	*at = &limits
	return nil
}
