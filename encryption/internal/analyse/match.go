package analyse

import (
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// filter appends the elements of a match expression.
func (a *analysis) filter(doc []byte) error {
	for r := bsonwire.NewReader(doc); r.Next(); {
		key, v := string(r.Key()), r.Value()
		var err error
		if strings.HasPrefix(key, "$") {
			err = a.logical(key, v)
		} else {
			err = a.condition(key, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// filterAt appends a match expression under a key.
func (a *analysis) filterAt(key string, v bsonwire.Value) error {
	doc, ok := v.AsDocument()
	if !ok {
		if a.root.encrypted() && v.Type == bson.TypeArray {
			return refuse("'%s' must be a document", key)
		}
		a.value(key, v) // the server refuses it
		return nil
	}
	return a.document(key, func() error { return a.filter(doc) })
}

// logical appends an operator that stands in the place of a path.
func (a *analysis) logical(key string, v bsonwire.Value) error {
	switch key {
	case "$and", "$or", "$nor":
		list, ok := v.AsArray()
		if !ok {
			return refuse("%s must be an array", key)
		}
		return a.array(key, list, a.filterAt)
	case "$expr":
		_, err := a.expression(key, v)
		return err
	case "$comment", "$alwaysTrue", "$alwaysFalse", "$sampleRate":
		a.value(key, v)
		return nil
	}
	if !a.root.encrypted() {
		switch key {
		case "$text", "$where", "$jsonSchema", "$_internalBucketGeoWithin":
			a.value(key, v)
			return nil
		}
	}
	return refuse("Unsupported match expression operator for encryption: %s", key)
}

// condition appends what is asked of a path.
func (a *analysis) condition(path string, v bsonwire.Value) error {
	p := a.root.follow(path)
	_, isOps := operators(v)
	if !p.touches() {
		if a.root.encrypted() && !isOps && v.Type != bson.TypeRegex {
			v = single("$eq", v) // as query analysis writes it
		}
		a.value(path, v)
		return nil
	}
	switch {
	case p.beyond:
		return refuse("Invalid operation on path '%s' which contains an encrypted path prefix", path)
	case p.inArray:
		return refuse("the path '%s' may lead to an encrypted field through an array, which encrypted fields cannot be in", path)
	case p.node.unknown:
		return refuse("Cannot tell whether the field '%s' is encrypted at this place", path)
	}
	ops, isOps := operators(v)
	if !isOps {
		ops, _ = single("$eq", v).AsDocument()
	}
	if p.node.field == nil {
		return a.above(path, p.node, ops)
	}
	return a.onField(path, p.node.field, ops)
}

// operators returns a value that is a document of operators.
func operators(v bsonwire.Value) ([]byte, bool) {
	doc, ok := v.AsDocument()
	if !ok {
		return nil, false
	}
	r := bsonwire.NewReader(doc)
	if !r.Next() {
		return nil, false
	}
	switch key := string(r.Key()); key {
	case "$ref", "$id", "$db":
		return nil, false
	default:
		return doc, strings.HasPrefix(key, "$")
	}
}

// single is a document of one operator.
func single(op string, v bsonwire.Value) bsonwire.Value {
	doc, at := bsonwire.Begin(nil)
	return bsonwire.Value{Type: bson.TypeEmbeddedDocument, Data: bsonwire.End(bsonwire.AppendValue(doc, op, v), at)}
}

// above appends conditions on a path that has encrypted fields below it.
func (a *analysis) above(path string, n *Node, ops []byte) error {
	return a.document(path, func() error {
		for r := bsonwire.NewReader(ops); r.Next(); {
			if err := a.aboveOp(path, n, string(r.Key()), r.Value()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *analysis) aboveOp(path string, n *Node, op string, v bsonwire.Value) error {
	whole := func(key string, v bsonwire.Value) error {
		if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray && v.Type != bson.TypeRegex {
			a.value(key, v)
			return nil
		}
		if a.schema.Kind != FieldLevel {
			return refuse("Invalid comparison of path '%s' which has encrypted fields below it with a document", path)
		}
		return a.walk(key, v, n, path, placeholder.Find, nil)
	}
	switch op {
	case "$eq", "$ne":
		return whole(op, v)
	case "$in", "$nin":
		if list, ok := v.AsArray(); ok {
			return a.array(op, list, whole)
		}
	case "$not":
		if doc, ok := operators(v); ok {
			return a.document(op, func() error {
				for r := bsonwire.NewReader(doc); r.Next(); {
					if err := a.aboveOp(path, n, string(r.Key()), r.Value()); err != nil {
						return err
					}
				}
				return nil
			})
		}
	case "$exists":
		return a.exists(path, v)
	}
	return refuse("Invalid operation on path '%s' which has encrypted fields below it: %s", path, op)
}

// onField appends conditions on an encrypted field.
func (a *analysis) onField(path string, f *Field, ops []byte) error {
	if f.algorithm == placeholder.Range {
		return a.onRange(path, f, ops)
	}
	return a.document(path, func() error {
		for r := bsonwire.NewReader(ops); r.Next(); {
			if err := a.fieldOp(path, f, string(r.Key()), r.Value()); err != nil {
				return err
			}
		}
		return nil
	})
}

// fieldOp appends an operator on an encrypted field.
func (a *analysis) fieldOp(path string, f *Field, op string, v bsonwire.Value) error {
	switch op {
	case "$exists":
		return a.exists(path, v)
	case "$eq", "$ne":
		return a.compared(op, v, f, path, "Illegal equality to %s predicate for encrypted field: '%s'")
	case "$in", "$nin":
		list, ok := v.AsArray()
		if !ok {
			return refuse("%s on the encrypted field '%s' needs an array", op, path)
		}
		return a.array(op, list, func(key string, v bsonwire.Value) error {
			return a.compared(key, v, f, path, "Illegal equality to %s inside $in against an encrypted field: '%s'")
		})
	case "$not":
		if doc, ok := operators(v); ok {
			return a.document(op, func() error {
				for r := bsonwire.NewReader(doc); r.Next(); {
					if err := a.fieldOp(path, f, string(r.Key()), r.Value()); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	return refuse("Invalid match expression operator on encrypted field '%s': %s", path, op)
}

// exists appends an $exists.
func (a *analysis) exists(path string, v bsonwire.Value) error {
	if _, ok := truth(v); !ok {
		return refuse("$exists on the encrypted field '%s' needs a boolean", path)
	}
	a.value("$exists", v)
	return nil
}

// compared appends a value that an encrypted field is compared with.
func (a *analysis) compared(key string, v bsonwire.Value, f *Field, path, illegal string) error {
	if err := f.comparable(path); err != nil {
		return err
	}
	switch v.Type {
	case bson.TypeNull, bson.TypeUndefined:
		return refuse(illegal, "null", path)
	case bson.TypeRegex:
		if !slices.Contains(f.types, bson.TypeRegex) {
			return refuse(illegal, "regex", path)
		}
	}
	if err := a.collated(v, path); err != nil {
		return err
	}
	return a.mark(key, v, f, path, placeholder.Find, nil)
}

// comparable refuses fields that no query can be about.
func (f *Field) comparable(path string) error {
	switch {
	case f.algorithm == placeholder.Random:
		return refuse("Cannot query on fields encrypted with the randomized encryption algorithm: '%s'", path)
	case f.algorithm == placeholder.Unindexed:
		return refuse("Can only execute encrypted equality queries with an encrypted equality index: '%s' has no queries", path)
	case f.algorithm == placeholder.TextPreview:
		return refuse("the encrypted field '%s' has text queries only: use $expr with $encStrStartsWith, $encStrEndsWith or $encStrContains", path)
	}
	return nil
}

// collated refuses comparisons that a collation would change: those of strings.
func (a *analysis) collated(v bsonwire.Value, path string) error {
	if !a.collation {
		return nil
	}
	switch v.Type {
	case bson.TypeString, bson.TypeSymbol, bson.TypeEmbeddedDocument, bson.TypeArray:
		return refuse("cannot apply non-simple collation when comparing to the encrypted field '%s'", path)
	}
	return nil
}
