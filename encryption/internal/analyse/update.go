package analyse

import (
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// change appends an update under a key: a document of operators, a replacement, or a pipeline.
func (a *analysis) change(key string, v bsonwire.Value) error {
	if list, ok := v.AsArray(); ok {
		return a.changePipeline(key, list)
	}
	doc, ok := v.AsDocument()
	if !ok {
		return refuse("'%s' must be a document or an array", key)
	}
	if ops, ok := operators(v); ok {
		return a.document(key, func() error { return a.changes(ops) })
	}
	if a.root.encrypted() {
		for r := bsonwire.NewReader(doc); r.Next(); {
			if strings.HasPrefix(string(r.Key()), "$") {
				return refuse("a replacement cannot have the operator %s", r.Key())
			}
		}
	}
	return a.document(key, func() error { return a.whole(doc) })
}

// forbidden says of update operators what they may not be used on.
var forbidden = map[string]string{
	"$inc": "$inc and $mul", "$mul": "$inc and $mul", "$min": "$max and $min", "$max": "$max and $min",
}

func (a *analysis) changes(ops []byte) error {
	for r := bsonwire.NewReader(ops); r.Next(); {
		op := string(r.Key())
		doc, ok := r.Value().AsDocument()
		if !ok {
			return refuse("%s must be a document", op)
		}
		err := a.document(op, func() error {
			for r := bsonwire.NewReader(doc); r.Next(); {
				if err := a.changeOp(op, string(r.Key()), r.Value()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *analysis) changeOp(op, path string, v bsonwire.Value) error {
	if a.schema.Kind == Queryable && strings.HasPrefix(path+".", safeContent+".") {
		return refuse("Cannot modify %s field in document.", safeContent)
	}
	p := a.root.follow(path)
	switch op {
	case "$set", "$setOnInsert":
		return a.assign(path, p, v)
	case "$unset":
		switch {
		case p.beyond || p.inArray:
			return errBelow(path)
		case p.touches():
			a.changed = true
			a.dst = bsonwire.AppendString(a.dst, path, "") // the value means nothing, and may be the field's
		default:
			a.value(path, v)
		}
		return nil
	case "$rename":
		return a.rename(path, p, v)
	case "$inc", "$mul", "$min", "$max", "$currentDate", "$addToSet", "$pop", "$pull", "$pullAll", "$push", "$bit":
		if !p.touches() {
			a.value(path, v)
			return nil
		}
		if p.beyond || p.inArray {
			return errBelow(path)
		}
		what := op
		if both, ok := forbidden[op]; ok {
			what = both
		}
		return refuse("%s not allowed on encrypted values: '%s'", what, path)
	}
	if !a.root.encrypted() {
		a.value(path, v)
		return nil
	}
	return refuse("the update operator %s is not known, and may concern encrypted fields", op)
}

// errBelow is the error of an update below an encrypted value.
func errBelow(path string) error {
	for part := range strings.SplitSeq(path, ".") {
		switch {
		case part == "$":
			return refuse("Cannot encrypt fields below '$' positional update operator: '%s'", path)
		case strings.HasPrefix(part, "$["):
			return refuse("Array update operations not allowed on encrypted values: '%s'", path)
		}
	}
	return refuse("Invalid operation on path '%s' which contains an encrypted path prefix", path)
}

// assign appends what a path is set to.
func (a *analysis) assign(path string, p place, v bsonwire.Value) error {
	if p.beyond || p.inArray {
		return errBelow(path)
	}
	return a.stored(path, v, p.node, path, nil)
}

// rename appends a $rename: between paths that are not encrypted, or are encrypted alike.
func (a *analysis) rename(path string, from place, v bsonwire.Value) error {
	name, ok := v.AsString()
	if !ok {
		return refuse("$rename needs the new path as a string")
	}
	to := a.root.follow(name)
	switch {
	case !from.touches() && !to.touches():
	case a.schema.Kind == FieldLevel && from.node.field != nil && to.node.field != nil && !from.beyond && !to.beyond && !from.inArray && !to.inArray && from.node.field.equal(to.node.field):
	default:
		return refuse("$rename between two encrypted fields must have the same metadata or both be unencrypted: '%s' and '%s'", path, name)
	}
	a.value(path, v)
	return nil
}

// changePipeline appends an update by a pipeline, which may not concern encrypted fields.
func (a *analysis) changePipeline(key string, list []byte) error {
	root, vars, places := a.root, a.vars, len(a.places)
	err := a.array(key, list, func(key string, v bsonwire.Value) error {
		doc, ok := v.AsDocument()
		if !ok {
			return refuse("a stage of an update must be a document")
		}
		r := bsonwire.NewReader(doc)
		if !r.Next() {
			return refuse("a stage of an update is empty")
		}
		switch name := string(r.Key()); name {
		case "$set", "$addFields", "$unset", "$project", "$replaceWith", "$replaceRoot":
			return a.stage(key, doc)
		default:
			return refuse("an update has no stage %s", name)
		}
	})
	after := a.root
	a.root, a.vars = root, vars
	switch {
	case err != nil:
		return err
	case !after.equal(root) || len(a.places) > places:
		return refuse("Pipeline updates that produce new, or remove, encrypted fields are not supported: use update operators")
	}
	return nil
}

// upserts refuses an upsert that stored what was made for a query.
func (a *analysis) upserts(upsert bool, places int) error {
	if !upsert || a.schema.Kind != Queryable {
		return nil
	}
	for _, p := range a.places[places:] {
		if p.Purpose == placeholder.Find {
			return refuse("Upsert with an encrypted field in the filter is not supported: '%s'", p.Path)
		}
	}
	return nil
}

// paths refuses documents whose keys are paths that are encrypted: sorts, hints, bounds.
func (a *analysis) paths(what string, v bsonwire.Value) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil
	}
	for r := bsonwire.NewReader(v.Data); r.Next(); {
		if v := r.Value(); v.Type == bson.TypeEmbeddedDocument && what == "sort" {
			if _, ok := bsonwire.Lookup(v.Data, "$meta"); ok {
				continue
			}
		}
		if p := a.root.follow(string(r.Key())); p.touches() {
			return refuse("the %s is on the encrypted field '%s', whose values have no order and equality that the server could see", what, r.Key())
		}
	}
	return nil
}
