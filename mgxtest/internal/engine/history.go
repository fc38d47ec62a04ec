package engine

import (
	"slices"

	"go.mongodb.org/mongo-driver/bson"
)

// Revert undoes an operation on a store where it was the last one.
func (s *Store) Revert(op *Op) {
	if op.Kind == Drop {
		if op.Dropped != nil {
			s.colls[op.NS] = op.Dropped.clone()
		}
		return
	}
	ns := op.NS
	if op.Kind == Rename {
		ns = op.Name
	}
	c := s.colls[ns]
	if c == nil {
		return
	}
	switch op.Kind {
	case Insert:
		c.remove(op.New)
		for _, r := range op.Evicted {
			c.put(r)
		}
	case Replace:
		c.replace(op.New, op.Old)
	case Delete:
		c.put(op.Old)
	case Create:
		delete(s.colls, ns)
	case Rename:
		delete(s.colls, ns)
		if op.Dropped != nil {
			s.colls[ns] = op.Dropped.clone()
		}
		c.NS = op.NS
		s.colls[op.NS] = c
	case Modify:
		if op.Before != nil {
			c.Options, c.View = op.Before.Options, op.Before.View
			_ = c.readOptions()
		}
	case CreateIndex:
		c.removeIndex(op.Index.Name)
	case DropIndex:
		c.addIndex(op.Index)
	case ModifyIndex:
		c.replaceIndex(op.IndexBefore)
	case ShardCollection:
		c.ShardKey = nil
	}
}

// put stores a record and its index entries.
func (c *Collection) put(r *Record) {
	c.records.Set(r.ID, r)
	c.byKey.Set(r.Key, r.ID)
	c.nextID = max(c.nextID, r.ID)
	c.bytes += int64(len(r.Raw))
	for _, ix := range c.Indexes {
		ix.add(r)
	}
}

// addIndex builds an index over what is there.
func (c *Collection) addIndex(def *Index) { c.Indexes = append(c.Indexes, c.built(def)) }

func (c *Collection) built(def *Index) *Index {
	ix := def.Fresh()
	if ix.refusesDuplicates() {
		c.records.Scan(func(_ int64, r *Record) bool { ix.add(r); return true })
	}
	return ix
}

func (c *Collection) replaceIndex(def *Index) {
	list := slices.Clone(c.Indexes)
	for i, ix := range list {
		if ix.Name == def.Name {
			list[i] = c.built(def)
		}
	}
	c.Indexes = list
}

// Duplicates returns the groups of documents that share an entry of an index, as
// documents with the list "ids".
func (c *Collection) Duplicates(ix *Index) [][]byte {
	groups := map[string]bson.A{}
	var order []string
	c.records.Scan(func(_ int64, r *Record) bool {
		for _, k := range ix.entryKeys(r) {
			if groups[k] == nil {
				order = append(order, k)
			}
			id, _ := field(*r.doc(), "_id")
			groups[k] = append(groups[k], id)
		}
		return true
	})
	var out [][]byte
	for _, k := range order {
		if len(groups[k]) > 1 {
			if raw, err := encode(bson.D{{Key: "ids", Value: groups[k]}}); err == nil {
				out = append(out, raw)
			}
		}
	}
	return out
}

func (c *Collection) removeIndex(name string) {
	for i, ix := range c.Indexes {
		if ix.Name == name {
			c.Indexes = append(c.Indexes[:i:i], c.Indexes[i+1:]...)
			return
		}
	}
}
