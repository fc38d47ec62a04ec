package engine

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
)

// Description says what an update changed, in the terms of the oplog: not by
// comparing two documents, but by what its operators did to which path.
type Description struct {
	// Updated has the new values by dotted path, Paths the parts of the paths that
	// could be read in two ways: array positions are numbers there.
	Updated, Paths []byte
	Removed        []string
	Truncated      []Truncation
}

// Truncation is an array that lost its end.
type Truncation struct {
	Field string
	Size  int32
}

// path is a path whose parts are names or, for array positions, numbers.
type path []any

func (p path) with(part any) path { return append(slices.Clone(p), part) }

func (p path) dotted() string {
	parts := make([]string, len(p))
	for i, part := range p {
		if n, ok := part.(int); ok {
			parts[i] = strconv.Itoa(n)
		} else {
			parts[i] = part.(string)
		}
	}
	return strings.Join(parts, ".")
}

// ambiguous reports whether the dotted form could be read in another way: a name
// with a dot in it, or one that looks like a position.
func (p path) ambiguous() bool {
	return slices.ContainsFunc(p, func(part any) bool {
		name, ok := part.(string)
		if !ok {
			return false
		}
		_, err := strconv.ParseUint(name, 10, 32)
		return strings.Contains(name, ".") || err == nil
	})
}

// changes collects what an update did.
type changes struct {
	updated   []change
	removed   []path
	truncated []truncated
}

type change struct {
	at    path
	value any
}

type truncated struct {
	at   path
	size int
}

func (c *changes) update(at path, value any) {
	name := at.dotted()
	if !slices.ContainsFunc(c.updated, func(o change) bool { return o.at.dotted() == name }) {
		c.updated = append(c.updated, change{at, value})
	}
}

func (c *changes) describe() (*Description, error) {
	d := &Description{Removed: []string{}, Truncated: []Truncation{}}
	slices.SortStableFunc(c.updated, func(a, b change) int { return strings.Compare(a.at.dotted(), b.at.dotted()) })
	updated, paths := bson.D{}, bson.D{}
	note := func(p path) {
		if p.ambiguous() {
			parts := bson.A{}
			for _, part := range p {
				if n, ok := part.(int); ok {
					part = int32(n)
				}
				parts = append(parts, part)
			}
			paths = append(paths, bson.E{Key: p.dotted(), Value: parts})
		}
	}
	for _, u := range c.updated {
		updated = append(updated, bson.E{Key: u.at.dotted(), Value: u.value})
		note(u.at)
	}
	for _, p := range c.removed {
		d.Removed = append(d.Removed, p.dotted())
		note(p)
	}
	for _, t := range c.truncated {
		d.Truncated = append(d.Truncated, Truncation{t.at.dotted(), int32(t.size)})
		note(t.at)
	}
	var err error
	if d.Updated, err = encode(updated); err != nil {
		return nil, err
	}
	d.Paths, err = encode(paths)
	return d, err
}

// Describe says what the update that is the operation changed. It returns nil for
// what the oplog holds as a replacement: that too what a pipeline changed, where the
// new document is smaller than all differences.
func (op *Op) Describe() (*Description, error) {
	if op.Kind != Replace || op.Replaced || op.update == nil {
		return nil, nil
	}
	old, now := *op.Old.doc(), *op.New.doc()
	c := &changes{}
	if op.update.pipeline != nil {
		c.compare(nil, old, now)
		d, err := c.describe()
		if err != nil || len(d.Updated)+c.overhead() >= len(op.New.Raw) {
			return nil, err
		}
		return d, nil
	}
	for _, e := range op.update.operators {
		fields, err := op.update.concrete(e, old, op.filter)
		if err != nil {
			return nil, err
		}
		for _, f := range fields {
			w := walk{u: op.update, c: c, operator: e.Key, arg: f.Value}
			w.down(nil, strings.Split(f.Key, "."), old, now)
			if to, ok := f.Value.(string); ok && e.Key == "$rename" {
				w.down(nil, strings.Split(to, "."), old, now)
			}
		}
	}
	return c.describe()
}

// overhead is about what an oplog entry needs beside the values that changed.
func (c *changes) overhead() int {
	n := 15
	for _, u := range c.updated {
		n += 8 * (len(u.at) - 1)
	}
	for _, p := range c.removed {
		n += len(p.dotted()) + 8*len(p)
	}
	return n + 16*len(c.truncated)
}

// walk follows one operator's path.
type walk struct {
	u        *Update
	c        *changes
	operator string
	arg      any
}

// down goes on below at, where the values were old and are now.
func (w *walk) down(at path, rest []string, old, now any) {
	if len(rest) == 0 {
		w.leaf(at, old, now)
		return
	}
	if strings.HasPrefix(rest[0], "$[") {
		w.elements(at, rest, old, now)
		return
	}
	below := func(part any, o, n any) {
		if o == bsonkit.Missing && n != bsonkit.Missing {
			// All below is new with this part.
			w.c.update(at.with(part), n)
			return
		}
		w.down(at.with(part), rest[1:], o, n)
	}
	if list, ok := old.(bson.A); ok {
		if i, err := strconv.Atoi(rest[0]); err == nil {
			is, _ := now.(bson.A)
			below(i, elementOr(list, i), elementOr(is, i))
			return
		}
	}
	below(rest[0], fieldOr(old, rest[0]), fieldOr(now, rest[0]))
}

// elements goes on below the array elements that a filtered positional operator
// selects. One alone is told by its own path, of several the array or the one that
// changed (src/mongo/db/update/update_array_node.cpp).
func (w *walk) elements(at path, rest []string, old, now any) {
	was, _ := old.(bson.A)
	is, _ := now.(bson.A)
	var selected, changed []int
	for i := range min(len(was), len(is)) {
		if !w.selects(rest[0], was[i]) {
			continue
		}
		selected = append(selected, i)
		if !same(was[i], is[i]) {
			changed = append(changed, i)
		}
	}
	switch {
	case len(selected) == 1:
		w.down(at.with(selected[0]), rest[1:], was[selected[0]], is[selected[0]])
	case len(changed) == 1:
		w.c.update(at.with(changed[0]), is[changed[0]])
	case len(changed) > 1:
		w.c.update(at, now)
	}
}

func (w *walk) selects(part string, element any) bool {
	id := strings.TrimSuffix(strings.TrimPrefix(part, "$["), "]")
	if id == "" {
		return true
	}
	for _, f := range w.u.filters {
		if len(*f) == 0 {
			continue
		}
		if name, _, _ := strings.Cut((*f)[0].Key, "."); name == id {
			ok, err := match(&bson.D{{Key: id, Value: element}}, *f, w.u.vars)
			return err == nil && ok
		}
	}
	return false
}

func (w *walk) leaf(at path, old, now any) {
	switch {
	case same(old, now):
	case now == bsonkit.Missing:
		w.c.removed = append(w.c.removed, at)
	case w.operator == "$push" && w.appends(at, old, now):
	default:
		w.c.update(at, now)
	}
}

// appends tells a $push that only added to the end of an array with something in it:
// its elements are told one by one (src/mongo/db/update/push_node.cpp).
func (w *walk) appends(at path, old, now any) bool {
	was, ok := old.(bson.A)
	is, ok2 := now.(bson.A)
	if !ok || !ok2 || len(was) == 0 || len(is) <= len(was) {
		return false
	}
	pushed := 1
	if d, ok := w.arg.(bson.D); ok {
		if each, ok := field(d, "$each"); ok {
			list, _ := each.(bson.A)
			pushed = len(list)
			if _, sorts := field(d, "$sort"); sorts {
				return false
			}
			if p, ok := field(d, "$position"); ok {
				if n, _ := integer(p); n <= int64(len(was)) {
					return false
				}
			}
		}
	}
	if len(is) != len(was)+pushed {
		return false
	}
	for i := len(was); i < len(is); i++ {
		w.c.update(at.with(i), is[i])
	}
	return true
}

// compare finds the differences of two documents, as a pipeline's update is told.
func (c *changes) compare(at path, old, now bson.D) {
	for _, e := range old {
		if fieldOr(now, e.Key) == bsonkit.Missing {
			c.removed = append(c.removed, at.with(e.Key))
		}
	}
	for _, e := range now {
		c.compareValues(at.with(e.Key), fieldOr(old, e.Key), e.Value)
	}
}

func (c *changes) compareValues(at path, was, is any) {
	oldDoc, ok1 := was.(bson.D)
	newDoc, ok2 := is.(bson.D)
	oldList, ok3 := was.(bson.A)
	newList, ok4 := is.(bson.A)
	sub := &changes{}
	switch {
	case same(was, is):
		return
	case ok1 && ok2:
		sub.compare(at, oldDoc, newDoc)
	case ok3 && ok4:
		sub.compareLists(at, oldList, newList)
	default:
		c.update(at, is)
		return
	}
	// What differs in more than it has is told whole.
	if d, err := sub.describe(); err == nil && len(d.Updated)+sub.overhead()-15 >= sizeOf(is) {
		c.update(at, is)
		return
	}
	c.updated = append(c.updated, sub.updated...)
	c.removed = append(c.removed, sub.removed...)
	c.truncated = append(c.truncated, sub.truncated...)
}

func (c *changes) compareLists(at path, was, is bson.A) {
	for i, v := range is {
		c.compareValues(at.with(i), elementOr(was, i), v)
	}
	if len(is) < len(was) {
		c.truncated = append(c.truncated, truncated{at, len(is)})
	}
}

func sizeOf(v any) int {
	raw, err := encode(bson.D{{Key: "", Value: v}})
	if err != nil {
		return 0
	}
	return len(raw)
}

// same reports whether two values are so to the byte.
func same(a, b any) bool {
	if a == bsonkit.Missing || b == bsonkit.Missing {
		return a == b
	}
	if s, ok := a.(string); ok {
		t, ok := b.(string)
		return ok && s == t
	}
	x, err1 := encode(bson.D{{Key: "", Value: a}})
	y, err2 := encode(bson.D{{Key: "", Value: b}})
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func fieldOr(v any, key string) any {
	d, _ := v.(bson.D)
	if got, ok := field(d, key); ok {
		return got
	}
	return bsonkit.Missing
}

func elementOr(list bson.A, i int) any {
	if i >= 0 && i < len(list) {
		return list[i]
	}
	return bsonkit.Missing
}
