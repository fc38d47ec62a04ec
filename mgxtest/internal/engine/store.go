package engine

import (
	"crypto/rand"
	"sync/atomic"

	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/bson"
)

// MaxDocumentSize is the largest document that may be stored.
const MaxDocumentSize = 16 << 20

// Record is a stored document. It never changes.
type Record struct {
	// ID is its place in natural order, Key the canonical form of its _id.
	ID  int64
	Key string
	Raw []byte

	decoded atomic.Pointer[bson.D]
}

func newRecord(id int64, raw []byte) (*Record, error) {
	r := &Record{ID: id, Raw: raw}
	d, err := decode(raw)
	if err != nil {
		return nil, err
	}
	v, _ := field(d, "_id")
	r.Key = Key(v)
	r.decoded.Store(&d)
	return r, nil
}

// doc returns the decoded document, which nobody may change.
func (r *Record) doc() *bson.D {
	if d := r.decoded.Load(); d != nil {
		return d
	}
	d, _ := decode(r.Raw)
	r.decoded.Store(&d)
	return &d
}

// Collection is one collection or view.
type Collection struct {
	NS   string
	UUID [16]byte
	// Options is the document that listCollections reports.
	Options []byte
	View    *View
	// Capped is nil for ordinary collections.
	Capped *Capped
	// TimeSeries marks a time series collection.
	TimeSeries bool
	Indexes    []*Index
	// ShardKey says how the collection is sharded, nil if it is not.
	ShardKey []byte

	validator *Filter
	warnOnly  bool
	images    bool
	records   *btree.Map[int64, *Record]
	byKey     *btree.Map[string, int64]
	nextID    int64
	bytes     int64
}

// View is what a view shows.
type View struct {
	On       string
	Pipeline [][]byte
}

// Capped limits a collection.
type Capped struct {
	Size, Max int64
}

// Len returns the number of documents, Size their bytes.
func (c *Collection) Len() int { return c.records.Len() }

// Size returns the bytes of all documents.
func (c *Collection) Size() int64 { return c.bytes }

// LastID returns the natural position of the newest document.
func (c *Collection) LastID() int64 { return c.nextID }

// Get returns the record with the canonical _id key.
func (c *Collection) Get(key string) *Record {
	if id, ok := c.byKey.Get(key); ok {
		r, _ := c.records.Get(id)
		return r
	}
	return nil
}

// Scan calls fn for the records that match f, in natural order, until fn
// returns false.
func (c *Collection) Scan(f *Filter, fn func(*Record) bool) error {
	if f.ids != nil {
		for _, key := range f.ids {
			if r := c.Get(key); r != nil {
				ok, err := f.Match(r)
				if err != nil {
					return err
				}
				if ok && !fn(r) {
					return nil
				}
			}
		}
		return nil
	}
	return c.ScanAfter(f, 0, fn)
}

// ScanAfter is Scan over the records newer than the position after.
func (c *Collection) ScanAfter(f *Filter, after int64, fn func(*Record) bool) error {
	var failed error
	c.records.Ascend(after+1, func(_ int64, r *Record) bool {
		ok, err := f.Match(r)
		if err != nil {
			failed = err
			return false
		}
		return !ok || fn(r)
	})
	return failed
}

func (c *Collection) clone() *Collection {
	copied := *c
	copied.records, copied.byKey = c.records.Copy(), c.byKey.Copy()
	copied.Indexes = make([]*Index, len(c.Indexes))
	for i, ix := range c.Indexes {
		copied.Indexes[i] = ix.clone()
	}
	return &copied
}

// Store holds the collections of one server.
type Store struct {
	colls map[string]*Collection
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{colls: map[string]*Collection{}} }

// Snapshot returns an independent copy that shares all records.
func (s *Store) Snapshot() *Store {
	copied := &Store{colls: make(map[string]*Collection, len(s.colls))}
	for ns, c := range s.colls {
		copied.colls[ns] = c.clone()
	}
	return copied
}

// Collection returns a collection or nil.
func (s *Store) Collection(ns string) *Collection { return s.colls[ns] }

// Collections calls fn for every collection, in the order of names.
func (s *Store) Collections(fn func(*Collection)) {
	for _, ns := range sortedKeys(s.colls) {
		fn(s.colls[ns])
	}
}

// Definition describes a collection to create.
type Definition struct {
	NS         string
	UUID       [16]byte
	Options    []byte
	View       *View
	Capped     *Capped
	TimeSeries bool
}

// NewUUID returns a random UUID.
func NewUUID() (id [16]byte) {
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

func newCollection(def *Definition) (*Collection, error) {
	c := &Collection{
		NS: def.NS, UUID: def.UUID, Options: def.Options, View: def.View, Capped: def.Capped, TimeSeries: def.TimeSeries,
		records: &btree.Map[int64, *Record]{}, byKey: &btree.Map[string, int64]{},
	}
	if def.View != nil {
		return c, nil
	}
	if err := c.readOptions(); err != nil {
		return nil, err
	}
	if !def.TimeSeries {
		c.Indexes = []*Index{idIndex()}
	}
	return c, nil
}

// readOptions takes the validator from the options document.
func (c *Collection) readOptions() error {
	opts, err := decode(c.Options)
	if err != nil {
		return err
	}
	c.validator, c.warnOnly = nil, false
	if v, ok := field(opts, "validator"); ok {
		query, ok := v.(bson.D)
		if !ok {
			return Errorf(CodeTypeMismatch, "BSON field 'create.validator' is the wrong type")
		}
		if len(query) > 0 {
			raw, err := encode(query)
			if err != nil {
				return err
			}
			if c.validator, err = ParseFilter(raw, nil, nil); err != nil {
				return err
			}
		}
	}
	images, _ := field(opts, "changeStreamPreAndPostImages")
	wanted, _ := images.(bson.D)
	on, _ := field(wanted, "enabled")
	c.images = truthy(on)
	action, _ := field(opts, "validationAction")
	level, _ := field(opts, "validationLevel")
	c.warnOnly = action == "warn" || level == "off"
	return nil
}

func (c *Collection) validate(r *Record) error {
	if c.validator == nil || c.warnOnly {
		return nil
	}
	ok, err := c.validator.Match(r)
	if err != nil {
		return err
	}
	if ok {
		return nil
	}
	id, _ := field(*r.doc(), "_id")
	info, _ := encode(bson.D{
		{Key: "failingDocumentId", Value: id},
		{Key: "details", Value: explainFailure(c.validator.doc, *r.doc(), c.validator.vars)},
	})
	return &Error{Code: CodeDocumentValidation, Message: "Document failed validation", Info: info}
}

// LostAfter reports whether documents behind a position that was read are gone
// already.
func (c *Collection) LostAfter(id int64) bool {
	first, _, ok := c.records.Min()
	if c.Capped != nil && c.Capped.Size == Unbounded {
		return ok && first > id
	}
	return first > id+1
}

// Unbounded is the size of a capped collection whose positions have gaps.
const Unbounded = 1 << 40

// Readable returns the collection of a namespace as queries see it: itself, or
// for a view a collection that holds what it shows. It is nil where there is
// neither.
func (s *Store) Readable(ns string) (*Collection, error) {
	c := s.colls[ns]
	if c == nil || c.View == nil {
		return c, nil
	}
	docs, err := s.Documents(ns)
	if err != nil {
		return nil, err
	}
	out, err := newCollection(&Definition{NS: ns, UUID: c.UUID, TimeSeries: true})
	if err != nil {
		return nil, err
	}
	for i, raw := range docs {
		r, err := newRecord(int64(i+1), raw)
		if err != nil {
			return nil, err
		}
		out.insert(r)
	}
	return out, nil
}
