package analyse

import (
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// pipeline appends the stages of an aggregation. Each changes what is known of the documents behind it.
func (a *analysis) pipeline(key string, v bsonwire.Value) error {
	list, ok := v.AsArray()
	if !ok {
		return refuse("a pipeline must be an array")
	}
	return a.array(key, list, func(key string, v bsonwire.Value) error {
		doc, ok := v.AsDocument()
		if !ok {
			return refuse("a stage of a pipeline must be a document")
		}
		return a.stage(key, doc)
	})
}

// sub appends a pipeline over documents of another kind, and returns what is known of its results.
func (a *analysis) sub(key string, v bsonwire.Value, s *Schema, root *Node) (*Node, error) {
	schema, before := a.schema, a.root
	a.schema, a.root = s, root
	err := a.pipeline(key, v)
	result := a.root
	a.schema, a.root = schema, before
	return result, err
}

// stage appends a stage under a key.
func (a *analysis) stage(key string, doc []byte) error {
	r := bsonwire.NewReader(doc)
	if !r.Next() {
		return refuse("a stage of a pipeline is empty")
	}
	name, v := string(r.Key()), r.Value()
	if r.Next() {
		return refuse("a stage of a pipeline has more than one field: %s and %s", name, r.Key())
	}
	return a.document(key, func() error { return a.stageOf(name, v) })
}

func (a *analysis) stageOf(name string, v bsonwire.Value) error {
	switch name {
	case "$match":
		return a.filterAt(name, v)
	case "$limit", "$skip", "$sample", "$indexStats", "$collStats", "$planCacheStats", "$changeStreamSplitLargeEvent", "$listSearchIndexes":
		a.value(name, v)
		return nil
	case "$sort":
		a.value(name, v)
		return a.paths("sort", v)
	case "$count":
		a.value(name, v)
		a.root = plain
		return nil
	case "$project":
		return a.project(name, v)
	case "$addFields", "$set":
		return a.addFields(name, v)
	case "$unset":
		return a.unset(name, v)
	case "$replaceRoot", "$replaceWith":
		return a.replaceRoot(name, v)
	case "$unwind":
		return a.unwind(name, v)
	case "$redact":
		return a.plainly(name, name, v)
	case "$group", "$bucket", "$bucketAuto", "$sortByCount":
		return a.group(name, v)
	case "$lookup", "$graphLookup":
		return a.lookup(name, v)
	case "$unionWith":
		return a.unionWith(name, v)
	case "$facet":
		return a.facet(name, v)
	case "$geoNear":
		return a.geoNear(name, v)
	case "$changeStream":
		return a.changeStream(name, v)
	case "$out", "$merge":
		return a.into(name, v)
	}
	if !a.root.encrypted() {
		switch name {
		case "$densify", "$fill", "$setWindowFields", "$search", "$searchMeta", "$vectorSearch":
			a.value(name, v)
			return nil
		}
	}
	return refuse("Aggregation stage %s is not allowed or supported with automatic encryption", name)
}

func (a *analysis) stageDocument(name string, v bsonwire.Value) ([]byte, error) {
	doc, ok := v.AsDocument()
	if !ok {
		return nil, refuse("%s needs a document", name)
	}
	return doc, nil
}

// project appends a $project: fields that are kept, fields that are left out, or new ones.
func (a *analysis) project(name string, v bsonwire.Value) error {
	doc, err := a.stageDocument(name, v)
	if err != nil {
		return err
	}
	before := a.root
	if excludes(doc) {
		if err := a.document(name, func() error { return a.excluded(doc, "") }); err != nil {
			return err
		}
		return nil
	}
	// Without an encrypted field nothing need be known of what is kept.
	result := &Node{}
	if _, ok := bsonwire.Lookup(doc, "_id"); !ok {
		result = result.with([]string{"_id"}, before.child("_id"))
	}
	err = a.document(name, func() error { return a.kept(doc, "", &result) })
	if err == nil {
		a.root = result
	}
	return err
}

// excludes reports whether a projection leaves fields out, and has no others but _id.
func excludes(doc []byte) bool {
	out := false
	for r := bsonwire.NewReader(doc); r.Next(); {
		v := r.Value()
		if sub, ok := v.AsDocument(); ok {
			if _, isOps := operators(v); isOps || !excludes(sub) {
				return false
			}
			out = true
			continue
		}
		if on, ok := truth(v); !ok || on {
			return false
		}
		out = true
	}
	return out
}

// truth is what a number or a boolean says of a field.
func truth(v bsonwire.Value) (on, ok bool) {
	if b, ok := v.AsBool(); ok && v.Type == bson.TypeBoolean {
		return b, true
	}
	if !v.IsNumber() {
		return false, false
	}
	if d, ok := v.AsDouble(); ok {
		return d != 0, true
	}
	if n, ok := v.AsInt64(); ok {
		return n != 0, true
	}
	return true, true
}

// excluded appends fields that are left out.
func (a *analysis) excluded(doc []byte, prefix string) error {
	for r := bsonwire.NewReader(doc); r.Next(); {
		key, v := string(r.Key()), r.Value()
		if sub, ok := v.AsDocument(); ok {
			if err := a.document(key, func() error { return a.excluded(sub, prefix+key+".") }); err != nil {
				return err
			}
			continue
		}
		a.value(key, v)
		if err := a.remove(prefix + key); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a path out of what is known.
func (a *analysis) remove(path string) error {
	p := a.root.follow(path)
	switch {
	case !p.touches():
		return nil
	case p.beyond || p.inArray:
		return refuse("Invalid operation on path '%s' which contains an encrypted path prefix", path)
	}
	a.root = a.root.with(strings.Split(path, "."), plain)
	return nil
}

// kept appends fields that are kept or computed, into what is known of the result.
func (a *analysis) kept(doc []byte, prefix string, into **Node) error {
	for r := bsonwire.NewReader(doc); r.Next(); {
		key, v := string(r.Key()), r.Value()
		path := prefix + key
		if strings.HasPrefix(key, "$") {
			return refuse("'%s' is no field of a projection", path)
		}
		on, isFlag := truth(v)
		sub, isDoc := v.AsDocument()
		_, isOps := operators(v)
		var n *Node
		var err error
		switch {
		case isFlag:
			a.value(key, v)
			if !on {
				continue
			}
			n, err = at(a.root, path)
		case isDoc && !isOps && len(sub) > 5:
			if err := a.document(key, func() error { return a.kept(sub, path+".", into) }); err != nil {
				return err
			}
			continue
		default:
			n, err = a.expression(key, v)
		}
		if err != nil {
			return err
		}
		*into = (*into).with(strings.Split(path, "."), n)
	}
	return nil
}

func (a *analysis) addFields(name string, v bsonwire.Value) error {
	doc, err := a.stageDocument(name, v)
	if err != nil {
		return err
	}
	result := a.root
	err = a.document(name, func() error { return a.added(doc, "", &result) })
	a.root = result
	return err
}

// added appends new fields.
func (a *analysis) added(doc []byte, prefix string, into **Node) error {
	for r := bsonwire.NewReader(doc); r.Next(); {
		key, v := string(r.Key()), r.Value()
		path := prefix + key
		sub, isDoc := v.AsDocument()
		if _, isOps := operators(v); isDoc && !isOps && len(sub) > 5 {
			if err := a.document(key, func() error { return a.added(sub, path+".", into) }); err != nil {
				return err
			}
			continue
		}
		n, err := a.expression(key, v)
		if err != nil {
			return err
		}
		if p := (*into).follow(path); p.beyond || p.inArray {
			return refuse("Invalid operation on path '%s' which contains an encrypted path prefix", path)
		} else if p.touches() || n.encrypted() {
			*into = (*into).with(strings.Split(path, "."), n)
		}
	}
	return nil
}

func (a *analysis) unset(name string, v bsonwire.Value) error {
	a.value(name, v)
	if s, ok := v.AsString(); ok {
		return a.remove(s)
	}
	list, ok := v.AsArray()
	if !ok {
		return refuse("%s needs a string or an array of strings", name)
	}
	for r := bsonwire.NewReader(list); r.Next(); {
		s, ok := r.Value().AsString()
		if !ok {
			return refuse("%s needs a string or an array of strings", name)
		}
		if err := a.remove(s); err != nil {
			return err
		}
	}
	return nil
}

func (a *analysis) replaceRoot(name string, v bsonwire.Value) error {
	var n *Node
	var err error
	if name == "$replaceWith" {
		n, err = a.expression(name, v)
	} else {
		doc, e := a.stageDocument(name, v)
		if e != nil {
			return e
		}
		err = a.document(name, func() (err error) {
			for r := bsonwire.NewReader(doc); r.Next(); {
				if string(r.Key()) != "newRoot" {
					return refuse("%s has no field '%s'", name, r.Key())
				}
				if n, err = a.expression("newRoot", r.Value()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil && n != nil && n.field != nil {
		err = refuse("%s: an encrypted value cannot be a document", name)
	}
	a.root = n
	return err
}

func (a *analysis) unwind(name string, v bsonwire.Value) error {
	a.value(name, v)
	path, index := v, bsonwire.Value{}
	if doc, ok := v.AsDocument(); ok {
		path, _ = bsonwire.Lookup(doc, "path")
		index, _ = bsonwire.Lookup(doc, "includeArrayIndex")
	}
	s, _ := path.AsString()
	n, err := a.fieldPath(s)
	if err != nil {
		return err
	}
	if n != nil && n.field != nil {
		return refuse("%s: the encrypted field '%s' cannot be an array", name, s)
	}
	if into, ok := index.AsString(); ok {
		if p := a.root.follow(into); p.beyond || p.inArray {
			return refuse("Invalid operation on path '%s' which contains an encrypted path prefix", into)
		} else if p.touches() {
			a.root = a.root.with(strings.Split(into, "."), plain)
		}
	}
	return nil
}

// group appends a stage that puts documents with equal values together.
func (a *analysis) group(name string, v bsonwire.Value) error {
	if name == "$sortByCount" {
		n, err := a.groupKey(name, name, v)
		a.root = (&Node{}).with([]string{"_id"}, n)
		return err
	}
	doc, err := a.stageDocument(name, v)
	if err != nil {
		return err
	}
	result := &Node{}
	add := func(key string, n *Node) { result = result.with([]string{key}, n) }
	err = a.document(name, func() error {
		for r := bsonwire.NewReader(doc); r.Next(); {
			key, v := string(r.Key()), r.Value()
			switch {
			case name == "$group" && key == "_id":
				n, err := a.groupKey(name, key, v)
				if err != nil {
					return err
				}
				add(key, n)
			case name == "$group":
				n, err := a.accumulator(name, key, v)
				if err != nil {
					return err
				}
				add(key, n)
			case key == "output":
				sub, ok := v.AsDocument()
				if !ok {
					return refuse("%s: output must be a document", name)
				}
				err := a.document(key, func() error {
					for r := bsonwire.NewReader(sub); r.Next(); {
						n, err := a.accumulator(name, string(r.Key()), r.Value())
						if err != nil {
							return err
						}
						add(string(r.Key()), n)
					}
					return nil
				})
				if err != nil {
					return err
				}
			default: // groupBy, boundaries, default, buckets, granularity
				if err := a.plainly(name, key, v); err != nil {
					return err
				}
			}
		}
		return nil
	})
	a.root = result
	return err
}

// groupKey appends what documents are grouped by: a field that is encrypted so that equal values can be seen, or nothing
// encrypted.
func (a *analysis) groupKey(name, key string, v bsonwire.Value) (*Node, error) {
	n, err := a.expression(key, v)
	if err != nil || !n.encrypted() {
		return n, err
	}
	if !groups(n) {
		return nil, refuse("%s: values that are not encrypted deterministically cannot be grouped by", name)
	}
	return n, nil
}

// groups reports whether equal values at and below the node are equal when they are encrypted.
func groups(n *Node) bool {
	switch {
	case !n.encrypted():
		return true
	case n.field != nil:
		return n.field.algorithm == placeholder.Deterministic
	case n.unknown || len(n.patterns) > 0 || n.rest.encrypted():
		return false
	}
	for _, c := range n.children {
		if !groups(c) {
			return false
		}
	}
	return true
}

// accumulator appends what is made of the documents of a group.
func (a *analysis) accumulator(name, key string, v bsonwire.Value) (*Node, error) {
	doc, ok := operators(v)
	if !ok {
		return nil, refuse("%s: '%s' needs an accumulator", name, key)
	}
	r := bsonwire.NewReader(doc)
	r.Next()
	op, arg := string(r.Key()), r.Value()
	if r.Next() {
		return nil, refuse("%s: '%s' has more than one accumulator", name, key)
	}
	var n *Node
	err := a.document(key, func() (err error) {
		n, err = a.expression(op, arg)
		return err
	})
	if err != nil || !n.encrypted() {
		return plain, err
	}
	switch op {
	case "$first", "$last":
		return n, nil
	case "$push":
		return unknown, nil
	case "$addToSet":
		if groups(n) {
			return unknown, nil
		}
	}
	return nil, errReference(op)
}

// changeStream appends a $changeStream, whose events have documents of the collection.
func (a *analysis) changeStream(name string, v bsonwire.Value) error {
	a.value(name, v)
	if !a.root.encrypted() {
		return nil
	}
	a.root = &Node{children: map[string]*Node{
		"fullDocument": a.root, "fullDocumentBeforeChange": a.root, "documentKey": a.root, "updateDescription": unknown,
	}}
	return nil
}

// into appends a stage that writes to a collection, which takes nothing encrypted.
func (a *analysis) into(name string, v bsonwire.Value) error {
	if a.root.encrypted() || a.schema.Kind != NoEncryption {
		return refuse("Aggregation stage %s is not allowed or supported with automatic encryption", name)
	}
	target := v
	if doc, ok := v.AsDocument(); ok && name == "$merge" {
		target, _ = bsonwire.Lookup(doc, "into")
	}
	var collection string
	database := a.database
	if doc, ok := target.AsDocument(); ok {
		if v, ok := bsonwire.Lookup(doc, "db"); ok {
			database, _ = v.AsString()
		}
		v, _ := bsonwire.Lookup(doc, "coll")
		collection, _ = v.AsString()
	} else {
		collection, _ = target.AsString()
	}
	s, err := a.source.Schema(a.ctx, database, collection)
	if err != nil {
		return err
	}
	if s.root.encrypted() {
		return refuse("Aggregation stage %s is not allowed into '%s.%s', which has encrypted fields", name, database, collection)
	}
	a.value(name, v)
	return nil
}
