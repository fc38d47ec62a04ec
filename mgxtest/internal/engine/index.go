package engine

import (
	"maps"
	"slices"
	"strconv"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/bson"
)

// Index is an index definition and, where it is unique, its entries.
type Index struct {
	Name string
	// Spec is the document that listIndexes reports.
	Spec   []byte
	Unique bool

	key    bson.D
	sparse bool
	// prepared means that new duplicates are refused, whatever is there already.
	prepared bool
	partial  *Filter
	entries  *btree.Map[string, int64]
}

func idIndex() *Index {
	spec, _ := encode(bson.D{
		{Key: "v", Value: int32(2)},
		{Key: "key", Value: bson.D{{Key: "_id", Value: int32(1)}}},
		{Key: "name", Value: "_id_"},
	})
	// The collection's own table of _id keys enforces uniqueness.
	return &Index{Name: "_id_", Spec: spec, key: bson.D{{Key: "_id", Value: int32(1)}}}
}

// ParseIndex reads one index specification of createIndexes.
func ParseIndex(raw []byte) (*Index, error) {
	spec, err := decode(raw)
	if err != nil {
		return nil, err
	}
	key, _ := field(spec, "key")
	pattern, ok := key.(bson.D)
	if !ok || len(pattern) == 0 {
		return nil, Errorf(CodeCannotCreateIndex, "Index keys cannot be an empty object")
	}
	for _, e := range pattern {
		if n, ok := integer(e.Value); ok && n == 0 {
			return nil, Errorf(CodeCannotCreateIndex, "Values in the index key pattern cannot be 0.")
		}
		if _, isString := e.Value.(string); !isString && !isNumber(e.Value) {
			return nil, Errorf(CodeCannotCreateIndex, "Values in v:2 index key pattern cannot be of this type")
		}
	}
	name, _ := field(spec, "name")
	ix := &Index{key: pattern}
	if ix.Name, ok = name.(string); !ok || ix.Name == "" {
		return nil, Errorf(CodeFailedToParse, "The 'name' field is a required property of an index specification")
	}
	if u, ok := field(spec, "unique"); ok {
		ix.Unique = truthy(u)
	}
	if p, ok := field(spec, "prepareUnique"); ok {
		ix.prepared = truthy(p)
	}
	if u, ok := field(spec, "sparse"); ok {
		ix.sparse = truthy(u)
	}
	if p, ok := field(spec, "partialFilterExpression"); ok {
		d, _ := p.(bson.D)
		raw, err := encode(d)
		if err != nil {
			return nil, err
		}
		if ix.partial, err = ParseFilter(raw, nil, nil); err != nil {
			return nil, err
		}
	}
	if _, ok := field(spec, "v"); !ok {
		spec = append(bson.D{{Key: "v", Value: int32(2)}}, spec...)
	}
	if ix.Spec, err = encode(listed(spec, pattern)); err != nil {
		return nil, err
	}
	if ix.refusesDuplicates() {
		ix.entries = &btree.Map[string, int64]{}
	}
	return ix, nil
}

func (ix *Index) refusesDuplicates() bool { return ix.Unique || ix.prepared }

// listed is a specification as servers keep it: those of text indexes by their inner
// key with weights and languages, those of 2dsphere indexes with a version.
func listed(spec, pattern bson.D) bson.D {
	add := func(key string, value any) {
		if _, ok := field(spec, key); !ok {
			spec = append(spec, bson.E{Key: key, Value: value})
		}
	}
	var key, weights bson.D
	for _, e := range pattern {
		switch {
		case e.Value == "text" && e.Key != "_fts":
			if len(weights) == 0 {
				key = append(key, bson.E{Key: "_fts", Value: "text"}, bson.E{Key: "_ftsx", Value: int32(1)})
			}
			weights = append(weights, bson.E{Key: e.Key, Value: int32(1)})
			continue
		case e.Value == "2dsphere":
			add("2dsphereIndexVersion", int32(3))
		}
		key = append(key, e)
	}
	if len(weights) == 0 {
		return spec
	}
	spec = setPath(spec, []string{"key"}, key)
	if given, ok := field(spec, "weights"); ok {
		for _, e := range weights {
			if g, _ := given.(bson.D); fieldOr(g, e.Key) == bsonkit.Missing {
				spec = setPath(spec, []string{"weights", e.Key}, e.Value)
			}
		}
	}
	add("weights", weights)
	add("default_language", "english")
	add("language_override", "language")
	add("textIndexVersion", int32(3))
	return spec
}

// Fresh returns the definition without entries.
func (ix *Index) Fresh() *Index {
	c := *ix
	if ix.refusesDuplicates() {
		c.entries = &btree.Map[string, int64]{}
	}
	return &c
}

func (ix *Index) clone() *Index {
	c := *ix
	if ix.entries != nil {
		c.entries = ix.entries.Copy()
	}
	return &c
}

// SameKey reports whether a key pattern is that of the index.
func (ix *Index) SameKey(raw []byte) bool {
	d, err := decode(raw)
	return err == nil && Key(d) == Key(ix.key)
}

// HasIndexes reports whether all indexes of these specifications are there.
func (c *Collection) HasIndexes(specs [][]byte) bool {
	for _, raw := range specs {
		ix, err := ParseIndex(raw)
		if err != nil || !slices.ContainsFunc(c.Indexes, func(have *Index) bool { return have.Name == ix.Name && have.same(ix) }) {
			return false
		}
	}
	return true
}

// BeginsWith reports whether a key pattern is that of the index or its beginning.
func (ix *Index) BeginsWith(raw []byte) bool {
	d, err := decode(raw)
	return err == nil && len(d) <= len(ix.key) && Key(d) == Key(ix.key[:len(d)])
}

// same reports whether two definitions agree in all that matters.
func (ix *Index) same(o *Index) bool {
	return Key(ix.key) == Key(o.key) && ix.Unique == o.Unique && ix.sparse == o.sparse
}

// entryKeys returns the entries of a document in a unique index: one, or
// several where a field is an array.
func (ix *Index) entryKeys(r *Record) []string {
	if !ix.refusesDuplicates() {
		return nil
	}
	if ix.partial != nil {
		if ok, err := ix.partial.Match(r); err != nil || !ok {
			return nil
		}
	}
	keys := [][]byte{nil}
	missing := 0
	for _, e := range ix.key {
		v, multi := bsonkit.All(r.doc(), e.Key, true, true)
		if v == bsonkit.Missing {
			missing++
		}
		values := bson.A{v}
		if list, ok := v.(bson.A); ok && len(list) > 0 {
			values = list
		} else if ok && multi {
			values = bson.A{nil}
		}
		next := make([][]byte, 0, len(keys)*len(values))
		for _, k := range keys {
			for _, item := range values {
				next = append(next, appendKey(slices.Clone(k), item))
			}
		}
		keys = next
	}
	if ix.sparse && missing == len(ix.key) {
		return nil
	}
	out := make([]string, 0, len(keys))
	for _, k := range keys {
		if s := string(k); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// conflict returns the record that holds one of r's entries, leaving aside
// the record that r replaces.
func (ix *Index) conflict(r *Record, replaced int64) (int64, bool) {
	for _, k := range ix.entryKeys(r) {
		if id, ok := ix.entries.Get(k); ok && id != replaced {
			return id, true
		}
	}
	return 0, false
}

func (ix *Index) add(r *Record) {
	for _, k := range ix.entryKeys(r) {
		ix.entries.Set(k, r.ID)
	}
}

func (ix *Index) remove(r *Record) {
	for _, k := range ix.entryKeys(r) {
		if id, ok := ix.entries.Get(k); ok && id == r.ID {
			ix.entries.Delete(k)
		}
	}
}

func (c *Collection) duplicate(ix *Index, r *Record) error {
	value := bson.D{}
	text := ""
	for i, e := range ix.key {
		v := bsonkit.Get(r.doc(), e.Key)
		if v == bsonkit.Missing {
			v = nil
		}
		value = append(value, bson.E{Key: e.Key, Value: v})
		if i > 0 {
			text += ", "
		}
		text += e.Key + ": " + display(v)
	}
	pattern, _ := encode(ix.key)
	raw, _ := encode(value)
	return &Error{
		Code:       CodeDuplicateKey,
		Message:    "E11000 duplicate key error collection: " + c.NS + " index: " + ix.Name + " dup key: { " + text + " }",
		KeyPattern: pattern,
		KeyValue:   raw,
	}
}

func display(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	raw, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: reveal(v)}}, false, false)
	if err != nil {
		return "?"
	}
	return string(raw[len(`{"v":`) : len(raw)-1])
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
