package engine

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
func (c *Collection) addIndex(def *Index) {
	ix := def.Fresh()
	if ix.Unique {
		c.records.Scan(func(_ int64, r *Record) bool { ix.add(r); return true })
	}
	c.Indexes = append(c.Indexes, ix)
}

func (c *Collection) removeIndex(name string) {
	for i, ix := range c.Indexes {
		if ix.Name == name {
			c.Indexes = append(c.Indexes[:i:i], c.Indexes[i+1:]...)
			return
		}
	}
}
