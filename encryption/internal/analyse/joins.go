package analyse

import (
	"maps"
	"strings"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// foreign returns the schema of another collection that a stage reads.
func (a *analysis) foreign(collection string) (*Schema, error) {
	if collection == "" {
		return nil, refuse("the collection of a stage must be given by its name")
	}
	if collection == a.collection {
		return a.own, nil
	}
	s, err := a.source.Schema(a.ctx, a.database, collection)
	if err != nil {
		return nil, err
	}
	return s, a.uses(collection, s)
}

// uses takes note of a collection of the command.
func (a *analysis) uses(collection string, s *Schema) error {
	if !s.root.encrypted() {
		return nil
	}
	if a.kind != NoEncryption && a.kind != s.Kind {
		return refuse("a command cannot have collections with field level encryption and collections with Queryable Encryption")
	}
	a.kind = s.Kind
	if s.Kind == Queryable {
		a.queryable = append(a.queryable, namespaced{a.database + "." + collection, s})
	}
	return nil
}

// lookup appends $lookup or $graphLookup.
func (a *analysis) lookup(name string, v bsonwire.Value) error {
	doc, err := a.stageDocument(name, v)
	if err != nil {
		return err
	}
	from, ok := bsonwire.Lookup(doc, "from")
	if !ok {
		if a.root.encrypted() {
			return refuse("%s without a collection is not supported with automatic encryption", name)
		}
		from = bsonwire.Value{}
	}
	s := a.schema // of $documents
	var other *Node = plain
	if ok {
		collection, isName := from.AsString()
		if !isName {
			return refuse("%s: 'from' must be the name of a collection", name)
		}
		if s, err = a.foreign(collection); err != nil {
			return err
		}
		other = s.root
	}
	as, _ := bsonwire.Lookup(doc, "as")
	into, _ := as.AsString()
	if p := a.root.follow(into); into == "" || p.beyond || p.inArray {
		return refuse("%s: 'as' must be a path that is not below an encrypted field", name)
	}
	if err := a.joined(name, doc, other); err != nil {
		return err
	}
	result := other
	err = a.document(name, func() (err error) {
		result, err = a.lookupFields(name, doc, s, other)
		return err
	})
	if err == nil && (a.root.follow(into).touches() || result.encrypted()) {
		a.root = a.root.with(strings.Split(into, "."), result)
	}
	return err
}

// joined looks at the fields that a $lookup compares: both are not encrypted, or both alike and deterministically.
func (a *analysis) joined(name string, doc []byte, other *Node) error {
	local, hasLocal := bsonwire.Lookup(doc, "localField")
	there, hasForeign := bsonwire.Lookup(doc, "foreignField")
	if name == "$graphLookup" {
		for _, key := range []string{"connectFromField", "connectToField"} {
			v, _ := bsonwire.Lookup(doc, key)
			path, _ := v.AsString()
			if other.follow(path).touches() {
				return refuse("%s: '%s' is on an encrypted field: '%s'", name, key, path)
			}
		}
		return nil
	}
	if !hasLocal && !hasForeign {
		return nil
	}
	localPath, ok := local.AsString()
	foreignPath, ok2 := there.AsString()
	if !ok || !ok2 {
		return refuse("%s needs both localField and foreignField", name)
	}
	l, f := a.root.follow(localPath), other.follow(foreignPath)
	switch {
	case !l.touches() && !f.touches():
		return nil
	case l.beyond || f.beyond || l.inArray || f.inArray || !l.node.encrypted() || !f.node.encrypted() || !l.node.equal(f.node) || l.node.field == nil || !groups(l.node):
		return refuse("%s: '%s' and '%s' must both be unencrypted, or both be encrypted deterministically with the same metadata", name, localPath, foreignPath)
	}
	return nil
}

// lookupFields appends the fields of the stage, and returns what is known of what it finds.
func (a *analysis) lookupFields(name string, doc []byte, s *Schema, other *Node) (*Node, error) {
	result := other
	vars := map[string]*Node{}
	for r := bsonwire.NewReader(doc); r.Next(); {
		key, v := string(r.Key()), r.Value()
		switch key {
		case "from", "localField", "foreignField", "as", "connectFromField", "connectToField", "maxDepth", "depthField":
			a.value(key, v)
		case "startWith":
			if err := a.plainly(name, key, v); err != nil {
				return nil, err
			}
		case "let":
			if err := a.letOf(key, v, vars); err != nil {
				return nil, err
			}
		case "restrictSearchWithMatch":
			schema, root := a.schema, a.root
			a.schema, a.root = s, other
			err := a.filterAt(key, v)
			if a.schema, a.root = schema, root; err != nil {
				return nil, err
			}
		case "pipeline":
		default:
			return nil, refuse("%s has no field '%s' that is known here", name, key)
		}
	}
	if v, ok := bsonwire.Lookup(doc, "pipeline"); ok {
		err := a.scoped(func() (err error) {
			maps.Copy(a.vars, vars)
			result, err = a.sub("pipeline", v, s, other)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if depth, ok := bsonwire.Lookup(doc, "depthField"); ok {
		path, _ := depth.AsString()
		if result.follow(path).touches() {
			return nil, refuse("%s: 'depthField' is an encrypted field: '%s'", name, path)
		}
	}
	return result, nil
}

// letOf appends the variables of a command or a stage.
func (a *analysis) letOf(key string, v bsonwire.Value, into map[string]*Node) error {
	doc, ok := v.AsDocument()
	if !ok {
		return refuse("'%s' must be a document", key)
	}
	return a.document(key, func() error { return a.variables(doc, into) })
}

// unionWith appends $unionWith: behind it are documents of both collections.
func (a *analysis) unionWith(name string, v bsonwire.Value) error {
	collection, isName := v.AsString()
	if !isName {
		doc, err := a.stageDocument(name, v)
		if err != nil {
			return err
		}
		coll, _ := bsonwire.Lookup(doc, "coll")
		collection, _ = coll.AsString()
	}
	s, err := a.foreign(collection)
	if err != nil {
		return err
	}
	result := s.root
	if isName {
		a.value(name, v)
	} else {
		err = a.document(name, func() error {
			for r := bsonwire.NewReader(v.Data); r.Next(); {
				switch key, v := string(r.Key()), r.Value(); key {
				case "coll":
					a.value(key, v)
				case "pipeline":
					if result, err = a.sub(key, v, s, s.root); err != nil {
						return err
					}
				default:
					return refuse("%s has no field '%s' that is known here", name, key)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !a.root.equal(result) {
		a.root = unknown
	}
	return nil
}

func (a *analysis) facet(name string, v bsonwire.Value) error {
	doc, err := a.stageDocument(name, v)
	if err != nil {
		return err
	}
	result := &Node{}
	err = a.document(name, func() error {
		for r := bsonwire.NewReader(doc); r.Next(); {
			key := string(r.Key())
			n, err := a.sub(key, r.Value(), a.schema, a.root)
			if err != nil {
				return err
			}
			if n.encrypted() {
				result = result.with([]string{key}, n)
			}
		}
		return nil
	})
	a.root = result
	return err
}

func (a *analysis) geoNear(name string, v bsonwire.Value) error {
	doc, err := a.stageDocument(name, v)
	if err != nil {
		return err
	}
	return a.document(name, func() error {
		for r := bsonwire.NewReader(doc); r.Next(); {
			key, v := string(r.Key()), r.Value()
			switch key {
			case "query":
				if err := a.filterAt(key, v); err != nil {
					return err
				}
				continue
			case "near", "minDistance", "maxDistance":
				if err := a.plainly(name, key, v); err != nil {
					return err
				}
				continue
			case "key", "distanceField", "includeLocs":
				path, _ := v.AsString()
				if a.root.follow(path).touches() {
					return refuse("%s: '%s' is on the encrypted field '%s'", name, key, path)
				}
			case "spherical", "distanceMultiplier":
			default:
				return refuse("%s has no field '%s' that is known here", name, key)
			}
			a.value(key, v)
		}
		return nil
	})
}
