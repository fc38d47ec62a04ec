package mgxtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func cmdCreateIndexes(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	specs, err := r.documents("indexes")
	if err != nil {
		return nil, err
	}
	if len(specs) == 0 {
		return nil, failf(codeBadValue, "Must specify at least one index to create")
	}
	w, err := d.newWriter(r)
	if err != nil {
		return nil, err
	}
	if err := w.target(ns); err != nil {
		return nil, err
	}
	if err := w.awaitIndexBuild(ns, specs); err != nil {
		return nil, err
	}
	created := w.store().Collection(ns) == nil
	if err := w.ensure(ns); err != nil {
		return nil, err
	}
	before := len(w.store().Collection(ns).Indexes)
	var ops []*engine.Op
	for _, raw := range specs {
		ix, err := engine.ParseIndex(raw)
		var op *engine.Op
		if err == nil {
			op, err = w.store().CreateIndex(ns, ix)
		}
		if err != nil {
			w.record(ops, nil)
			return nil, err
		}
		if op != nil {
			ops = append(ops, op)
		}
	}
	w.record(ops, nil)
	out := doc()
	if !d.set.standalone && len(ops) > 0 {
		out = append(out, doc("commitQuorum", "votingMembers")...)
	}
	out = append(out, doc("numIndexesBefore", int32(before), "numIndexesAfter", int32(before+len(ops)), "createdCollectionAutomatically", created)...)
	if len(ops) == 0 {
		out = append(out, doc("note", "all indexes already exist")...)
	}
	return out, nil
}

// awaitIndexBuild waits until an existing collection can get new indexes. In a
// transaction only one that it created can.
func (w *writer) awaitIndexBuild(ns string, specs []bson.Raw) error {
	c := w.store().Collection(ns)
	if c == nil || c.HasIndexes(rawList(specs)) {
		return nil
	}
	if w.t == nil {
		return w.d.exclusively(w.r, ns)
	}
	if w.d.store.Collection(ns) != nil {
		return failf(codeOperationNotSupportedInTxn, "Cannot create new indexes on existing collection %s in a multi-document transaction.", ns)
	}
	return nil
}

func cmdDropIndexes(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	if err := d.exclusively(r, ns); err != nil {
		return nil, err
	}
	c := d.store.Collection(ns)
	if c == nil {
		return nil, failf(codeNamespaceNotFound, "ns not found %s", ns)
	}
	before := int32(len(c.Indexes))
	v, ok := r.get("index")
	if !ok {
		return nil, failf(codeMissingField, "BSON field 'dropIndexes.index' is missing but a required field")
	}
	var names []string
	switch v.Type {
	case bson.TypeString:
		names = []string{v.StringValue()}
		if names[0] == "*" {
			names = nil
			for _, ix := range c.Indexes {
				if ix.Name != "_id_" {
					names = append(names, ix.Name)
				}
			}
		}
	case bson.TypeArray:
		names = stringList(v)
	case bson.TypeEmbeddedDocument:
		for _, ix := range c.Indexes {
			if ix.SameKey(v.Document()) {
				names = append(names, ix.Name)
			}
		}
		if len(names) == 0 {
			return nil, failf(27, "can't find index with key: %s", v.Document())
		}
	}
	var ops []*engine.Op
	for _, name := range names {
		op, err := d.store.DropIndex(ns, name)
		if err != nil {
			d.append(ops...)
			return nil, err
		}
		ops = append(ops, op)
	}
	d.append(ops...)
	return doc("nIndexesWas", before), nil
}

func cmdListIndexes(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	c := d.store.Collection(ns)
	if c == nil {
		return nil, failf(codeNamespaceNotFound, "ns does not exist: %s", ns)
	}
	if c.View != nil {
		return nil, failf(166, "Namespace %s is a view, not a collection", ns)
	}
	cur := &cursor{ns: ns, done: true}
	for _, ix := range c.Indexes {
		cur.batch = append(cur.batch, listedIndex(c, ix))
	}
	return d.openCursor(r, cur, r.cursorSize(), false), nil
}

// listedIndex is an index as listIndexes shows it.
func listedIndex(c *engine.Collection, ix *engine.Index) bson.Raw {
	clustered, ok := bson.Raw(c.Options).Lookup("clusteredIndex").DocumentOK()
	if !ok || ix.Name != "_id_" {
		return ix.Spec
	}
	return replaced(clustered, "clustered", true)
}
