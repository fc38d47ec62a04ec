package engine

import (
	"slices"
	"strconv"
	"strings"
)

// Kind is the kind of a physical operation.
type Kind byte

// The kinds of operations, as the oplog holds them.
const (
	Insert Kind = iota + 1
	Replace
	Delete
	Create
	Drop
	Rename
	Modify
	CreateIndex
	DropIndex
	Noop
	// ModifyIndex changes an index.
	ModifyIndex
	// ShardCollection notes how a collection is sharded.
	ShardCollection
)

// Op is a change that has happened to one store and can happen in the same
// way to others that were equal before.
type Op struct {
	Kind Kind
	NS   string
	// New and Old are the record after and before a document changed.
	New, Old *Record
	// Replaced tells a replacement from an update by operators.
	Replaced bool
	Def      *Definition
	Index    *Index
	// Before is what Def was, Dropped the collection that went, Evicted the
	// documents that a capped collection lost to an insert: what undoing needs.
	Before      *Definition
	IndexBefore *Index
	Dropped     *Collection
	Evicted     []*Record
	// Name is the dropped index, or the namespace that a rename leads to.
	Name string
	UUID [16]byte
	// Target is the collection that a rename took the place of.
	Target [16]byte
	// Images means that the collection keeps what documents were and became.
	Images bool
	// Change is what was asked of a collection whose definition changed.
	Change []byte

	// update and filter are what changed a document.
	update *Update
	filter *Filter
}

// Apply repeats an operation on this store. Operations on collections that
// are not there do nothing.
func (s *Store) Apply(op *Op) {
	c := s.colls[op.NS]
	switch op.Kind {
	case Create:
		if c == nil {
			c, err := newCollection(op.Def)
			if err == nil {
				s.colls[op.NS] = c
			}
		}
		return
	case Noop:
		return
	}
	if c == nil {
		return
	}
	switch op.Kind {
	case Insert:
		c.insert(op.New)
	case Replace:
		c.replace(op.Old, op.New)
	case Delete:
		c.remove(op.Old)
	case Drop:
		delete(s.colls, op.NS)
	case Rename:
		delete(s.colls, op.NS)
		c.NS = op.Name
		s.colls[op.Name] = c
	case Modify:
		c.Options = op.Def.Options
		c.View = op.Def.View
		_ = c.readOptions()
	case CreateIndex:
		c.addIndex(op.Index)
	case DropIndex:
		c.removeIndex(op.Name)
	case ModifyIndex:
		c.replaceIndex(op.Index)
	case ShardCollection:
		c.ShardKey = op.Change
	}
}

// ModifyIndex puts a new definition in the place of an index of the same name.
func (s *Store) ModifyIndex(ns string, old, next *Index, change []byte) *Op {
	op := &Op{Kind: ModifyIndex, NS: ns, Index: next, IndexBefore: old.Fresh(), Change: change, UUID: s.colls[ns].UUID}
	s.Apply(op)
	return op
}

// Shard notes how a collection is sharded.
func (s *Store) Shard(ns string, description []byte) *Op {
	op := &Op{Kind: ShardCollection, NS: ns, Change: description, UUID: s.colls[ns].UUID}
	s.Apply(op)
	return op
}

// Put stores a document at a natural position, without a check.
func (s *Store) Put(ns string, id int64, raw []byte) error {
	r, err := newRecord(id, raw)
	if err == nil {
		if r.Key == Key(nil) {
			r.Key = "position " + strconv.FormatInt(id, 10)
		}
		s.colls[ns].put(r)
	}
	return err
}

// insert stores a record and returns those that a capped collection lost to it.
func (c *Collection) insert(r *Record) (evicted []*Record) {
	c.put(r)
	if c.Capped == nil {
		return nil
	}
	for c.bytes > c.Capped.Size || c.Capped.Max > 0 && int64(c.records.Len()) > c.Capped.Max {
		_, oldest, ok := c.records.Min()
		if !ok || c.records.Len() == 1 {
			break
		}
		c.remove(oldest)
		evicted = append(evicted, oldest)
	}
	return evicted
}

func (c *Collection) replace(old, r *Record) {
	if cur, ok := c.records.Get(old.ID); ok {
		old = cur
	} else {
		return
	}
	for _, ix := range c.Indexes {
		ix.remove(old)
		ix.add(r)
	}
	c.bytes += int64(len(r.Raw) - len(old.Raw))
	c.records.Set(r.ID, r)
}

func (c *Collection) remove(r *Record) {
	cur, ok := c.records.Delete(r.ID)
	if !ok {
		return
	}
	c.byKey.Delete(cur.Key)
	c.bytes -= int64(len(cur.Raw))
	for _, ix := range c.Indexes {
		ix.remove(cur)
	}
}

// check refuses a record that breaks a unique index or the validator.
func (c *Collection) check(r *Record, replaced int64, bypass bool) error {
	if len(r.Raw) > MaxDocumentSize {
		return Errorf(CodeBSONObjectTooLarge, "object to insert too large. size in bytes: %d, max size: %d", len(r.Raw), MaxDocumentSize)
	}
	if !bypass {
		if err := c.validate(r); err != nil {
			return err
		}
	}
	for _, ix := range c.Indexes {
		if ix.Name == "_id_" {
			if id, ok := c.byKey.Get(r.Key); ok && id != replaced {
				return c.duplicate(ix, r)
			}
		} else if _, ok := ix.conflict(r, replaced); ok && !c.keeps(ix, r, replaced) {
			return c.duplicate(ix, r)
		}
	}
	return nil
}

// keeps reports whether a new version of a document has the entries of the old one,
// which may be duplicates from before the index refused them.
func (c *Collection) keeps(ix *Index, r *Record, replaced int64) bool {
	old, ok := c.records.Get(replaced)
	return ok && slices.Equal(ix.entryKeys(old), ix.entryKeys(r))
}

// Insert stores a document that has an _id. The collection must exist.
func (s *Store) Insert(ns string, raw []byte, bypassValidation bool) (*Op, error) {
	c := s.colls[ns]
	r, err := newRecord(c.nextID+1, raw)
	if err != nil {
		return nil, err
	}
	if err := c.check(r, 0, bypassValidation); err != nil {
		return nil, err
	}
	return &Op{Kind: Insert, NS: ns, New: r, Evicted: c.insert(r), UUID: c.UUID}, nil
}

// Replace puts a new version in the place of a record.
func (s *Store) Replace(ns string, old *Record, raw []byte, whole, bypassValidation bool) (*Op, error) {
	c := s.colls[ns]
	r, err := newRecord(old.ID, raw)
	if err != nil {
		return nil, err
	}
	if err := c.check(r, old.ID, bypassValidation); err != nil {
		return nil, err
	}
	c.replace(old, r)
	return &Op{Kind: Replace, NS: ns, New: r, Old: old, Replaced: whole, UUID: c.UUID, Images: c.images}, nil
}

// Update is Replace by what an update made of a record that matched a filter.
func (s *Store) Update(ns string, old *Record, raw []byte, u *Update, f *Filter, bypassValidation bool) (*Op, error) {
	op, err := s.Replace(ns, old, raw, u.IsReplacement(), bypassValidation)
	if err == nil {
		op.update, op.filter = u, f
	}
	return op, err
}

// Repeat does a Replace that was done on another store once more, on old.
func (s *Store) Repeat(op *Op, old *Record) (*Op, error) {
	done, err := s.Replace(op.NS, old, op.New.Raw, op.Replaced, true)
	if err == nil {
		done.update, done.filter = op.update, op.filter
	}
	return done, err
}

// Delete removes a record.
func (s *Store) Delete(ns string, old *Record) *Op {
	c := s.colls[ns]
	c.remove(old)
	return &Op{Kind: Delete, NS: ns, Old: old, UUID: c.UUID, Images: c.images}
}

// Create makes a collection or view.
func (s *Store) Create(def *Definition) (*Op, error) {
	if s.colls[def.NS] != nil {
		return nil, Errorf(CodeNamespaceExists, "Collection %s already exists.", def.NS)
	}
	c, err := newCollection(def)
	if err != nil {
		return nil, err
	}
	s.colls[def.NS] = c
	return &Op{Kind: Create, NS: def.NS, Def: def, UUID: def.UUID}, nil
}

// Drop removes a collection, or returns nil where there is none.
func (s *Store) Drop(ns string) *Op {
	c := s.colls[ns]
	if c == nil {
		return nil
	}
	delete(s.colls, ns)
	return &Op{Kind: Drop, NS: ns, Dropped: c, UUID: c.UUID}
}

// Rename moves a collection. The target must not exist, unless it may be dropped.
func (s *Store) Rename(from, to string, dropTarget bool) (*Op, error) {
	c, target := s.colls[from], s.colls[to]
	if c == nil {
		return nil, Errorf(CodeNamespaceNotFound, "Source collection %s does not exist", from)
	}
	if from == to {
		return nil, Errorf(CodeIllegalOperation, "Can't rename a collection to itself")
	}
	if target != nil && !dropTarget {
		return nil, Errorf(CodeNamespaceExists, "target namespace exists")
	}
	op := &Op{Kind: Rename, NS: from, Name: to, UUID: c.UUID, Dropped: target}
	if target != nil {
		op.Target = target.UUID
	}
	s.Apply(op)
	return op, nil
}

// Modify changes the options of a collection.
func (s *Store) Modify(ns string, options, change []byte, view *View) (*Op, error) {
	c := s.colls[ns]
	probe := &Collection{Options: options}
	if err := probe.readOptions(); err != nil {
		return nil, err
	}
	op := &Op{Kind: Modify, NS: ns, Def: &Definition{NS: ns, Options: options, View: view}, Before: &Definition{NS: ns, Options: c.Options, View: c.View}, Change: change, UUID: c.UUID}
	s.Apply(op)
	return op, nil
}

// CreateIndex builds an index. It returns nil where an equal one exists.
func (s *Store) CreateIndex(ns string, ix *Index) (*Op, error) {
	c := s.colls[ns]
	for _, have := range c.Indexes {
		switch {
		case have.Name == ix.Name && have.same(ix), have.Name == "_id_" && Key(have.key) == Key(ix.key):
			return nil, nil
		case have.Name == ix.Name:
			return nil, Errorf(CodeIndexKeySpecsConflict, "An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: %s", ix.Name)
		case Key(have.key) == Key(ix.key) && have.partial == nil && ix.partial == nil:
			return nil, Errorf(CodeIndexOptionsConflict, "Index already exists with a different name: %s", have.Name)
		}
	}
	var failed error
	if ix.Unique {
		seen := ix.Fresh()
		c.records.Scan(func(_ int64, r *Record) bool {
			if _, dup := seen.conflict(r, 0); dup {
				failed = c.duplicate(ix, r)
				return false
			}
			seen.add(r)
			return true
		})
	}
	if failed != nil {
		return nil, failed
	}
	op := &Op{Kind: CreateIndex, NS: ns, Index: ix.Fresh(), UUID: c.UUID}
	s.Apply(op)
	return op, nil
}

// DropIndex removes an index by name.
func (s *Store) DropIndex(ns, name string) (*Op, error) {
	c := s.colls[ns]
	if name == "_id_" {
		return nil, Errorf(CodeInvalidOptions, "cannot drop _id index")
	}
	for _, ix := range c.Indexes {
		if ix.Name == name {
			op := &Op{Kind: DropIndex, NS: ns, Name: name, Index: ix.Fresh(), UUID: c.UUID}
			s.Apply(op)
			return op, nil
		}
	}
	return nil, Errorf(CodeIndexNotFound, "index not found with name [%s]", name)
}

// SplitNS returns the database and the collection of a namespace.
func SplitNS(ns string) (db, coll string) {
	db, coll, _ = strings.Cut(ns, ".")
	return db, coll
}
