package analyse

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// comparisons are the operators that bound a range.
var comparisons = map[string]placeholder.Operator{
	"$gt": placeholder.GreaterThan, "$gte": placeholder.GreaterOrEqual, "$lt": placeholder.LessThan, "$lte": placeholder.LessOrEqual,
}

// bound is one side of a range.
type bound struct {
	op    string
	value bsonwire.Value
}

func (b bound) included() bool { return b.op == "$gte" || b.op == "$lte" }

// onRange appends conditions on an encrypted field with range queries, as members of a $and where one document of
// operators cannot say them.
func (a *analysis) onRange(path string, f *Field, ops []byte) error {
	var lower, upper bound
	var others []byte
	for r := bsonwire.NewReader(ops); r.Next(); {
		op, v := string(r.Key()), r.Value()
		switch op {
		case "$gt", "$gte", "$lt", "$lte":
			if err := f.ranges(v, path); err != nil {
				return err
			}
			side := &lower
			if op == "$lt" || op == "$lte" {
				side = &upper
			}
			if side.op == "" {
				*side = bound{op, v}
				continue
			}
		}
		others = bsonwire.AppendValue(others, op, v)
	}
	if len(others) == 0 {
		return a.document(path, func() error { return a.between(f, path, lower, upper) })
	}
	var clauses int
	a.dst, clauses = bsonwire.BeginArray(a.dst, "$and")
	i := 0
	if lower.op != "" || upper.op != "" {
		err := a.document(bsonwire.Index(0), func() error {
			return a.document(path, func() error { return a.between(f, path, lower, upper) })
		})
		if err != nil {
			return err
		}
		i++
	}
	doc, at := bsonwire.Begin(nil)
	for r := bsonwire.NewReader(bsonwire.End(append(doc, others...), at)); r.Next(); i++ {
		op, v := string(r.Key()), r.Value()
		if err := a.document(bsonwire.Index(i), func() error { return a.rangeOp(path, f, op, v) }); err != nil {
			return err
		}
	}
	a.dst = bsonwire.End(a.dst, clauses)
	return nil
}

// rangeOp appends one condition on a field with range queries, as the only element of a filter.
func (a *analysis) rangeOp(path string, f *Field, op string, v bsonwire.Value) error {
	equal := func(v bsonwire.Value) error {
		if v.IsNull() {
			return refuse("Illegal equality to null predicate for encrypted field: '%s'", path)
		}
		if err := f.ranges(v, path); err != nil {
			return err
		}
		return a.document(path, func() error { return a.between(f, path, bound{"$gte", v}, bound{"$lte", v}) })
	}
	any := func(key string, list []byte) error {
		return a.array(key, list, func(key string, v bsonwire.Value) error {
			return a.document(key, func() error { return equal(v) })
		})
	}
	switch op {
	case "$gt", "$gte":
		if err := f.ranges(v, path); err != nil {
			return err
		}
		return a.document(path, func() error { return a.between(f, path, bound{op, v}, bound{}) })
	case "$lt", "$lte":
		if err := f.ranges(v, path); err != nil {
			return err
		}
		return a.document(path, func() error { return a.between(f, path, bound{}, bound{op, v}) })
	case "$eq":
		return equal(v)
	case "$exists":
		return a.document(path, func() error { return a.exists(path, v) })
	case "$in", "$nin", "$ne":
		if op == "$ne" {
			return any("$nor", arrayOf(v))
		}
		list, ok := v.AsArray()
		if !ok {
			return refuse("%s on the encrypted field '%s' needs an array", op, path)
		}
		if r := bsonwire.NewReader(list); !r.Next() { // an empty $or is refused
			return a.document(path, func() error { a.value(op, v); return nil })
		}
		return any(map[string]string{"$in": "$or", "$nin": "$nor"}[op], list)
	case "$not":
		if doc, ok := operators(v); ok {
			return a.array("$nor", arrayOf(bsonwire.Value{Type: bson.TypeEmbeddedDocument, Data: doc}), func(key string, v bsonwire.Value) error {
				return a.document(key, func() error { return a.onRange(path, f, v.Data) })
			})
		}
	}
	return refuse("Invalid match expression operator on encrypted field '%s': %s", path, op)
}

func arrayOf(v bsonwire.Value) []byte {
	doc, at := bsonwire.Begin(nil)
	return bsonwire.End(bsonwire.AppendValue(doc, "0", v), at)
}

// ranges refuses what the field cannot be compared with.
func (f *Field) ranges(v bsonwire.Value, path string) error {
	switch {
	case v.Type == f.types[0]:
		return nil
	case f.types[0] == bson.TypeDateTime:
		return refuse("a range query on the encrypted date field '%s' needs that the value type is a date, not %s", path, nameOf(v.Type))
	}
	return refuse("a range query on the encrypted field '%s' of type %s with a value of type %s: comparing it with this field type is not supported", path, nameOf(f.types[0]), nameOf(v.Type))
}

// between appends the operators for a range, of which one side may be open.
func (a *analysis) between(f *Field, path string, lower, upper bound) error {
	q, err := f.query(path, lower, upper)
	if err != nil {
		return err
	}
	a.payloads++
	q.PayloadID = a.payloads - 1
	at := func(op string, q placeholder.RangeQuery) {
		a.place(op, placeholder.Placeholder{
			Path: path, Key: f.key, Algorithm: placeholder.Range, Purpose: placeholder.Find, Contention: f.contention, Range: f.ranged, Query: &q,
		})
	}
	switch {
	case lower.op == "":
		q.First = comparisons[upper.op]
		at(upper.op, q)
	case upper.op == "":
		q.First = comparisons[lower.op]
		at(lower.op, q)
	default:
		q.First, q.Second = comparisons[lower.op], comparisons[upper.op]
		at(lower.op, q)
		at(upper.op, placeholder.RangeQuery{Stub: true, PayloadID: q.PayloadID, First: q.First, Second: q.Second})
	}
	return nil
}

// query is the range between two bounds, within those of the field.
func (f *Field) query(path string, lower, upper bound) (q placeholder.RangeQuery, err error) {
	min, max := f.bounds()
	q = placeholder.RangeQuery{Lower: min, LowerIncluded: true, Upper: max, UpperIncluded: true}
	if lower.op != "" {
		switch c, comparable := compare(lower.value, max); {
		case comparable && (c > 0 || c == 0 && !lower.included()):
			return q, refuse("the lower bound of a range query on the encrypted field '%s' must be less than the range maximum", path)
		}
		if c, comparable := compare(lower.value, min); !comparable || c >= 0 {
			q.Lower, q.LowerIncluded = lower.value, lower.included()
		}
	}
	if upper.op != "" {
		switch c, comparable := compare(upper.value, min); {
		case comparable && (c < 0 || c == 0 && !upper.included()):
			return q, refuse("the upper bound of a range query on the encrypted field '%s' must be greater than the range minimum", path)
		}
		if c, comparable := compare(upper.value, max); !comparable || c <= 0 {
			q.Upper, q.UpperIncluded = upper.value, upper.included()
		}
	}
	return q, nil
}

// bounds are the field's own.
func (f *Field) bounds() (min, max bsonwire.Value) {
	t := f.types[0]
	min, max = f.ranged.Min, f.ranged.Max
	lowest, highest := extremes(t)
	if min.IsZero() {
		min = lowest
	}
	if max.IsZero() {
		max = highest
	}
	return min, max
}

// extremes are the least and the greatest value of a type.
func extremes(t bson.Type) (lowest, highest bsonwire.Value) {
	long := func(n int64) bsonwire.Value {
		return bsonwire.Value{Type: t, Data: binary.LittleEndian.AppendUint64(nil, uint64(n))}
	}
	switch t {
	case bson.TypeInt32:
		data := func(n int32) bsonwire.Value {
			return bsonwire.Value{Type: t, Data: binary.LittleEndian.AppendUint32(nil, uint32(n))}
		}
		return data(math.MinInt32), data(math.MaxInt32)
	case bson.TypeDouble:
		return long(int64(math.Float64bits(math.Inf(-1)))), long(int64(math.Float64bits(math.Inf(1))))
	case bson.TypeDecimal128:
		data := func(s string) bsonwire.Value {
			d, _ := bson.ParseDecimal128(s)
			h, l := d.GetBytes()
			return bsonwire.Value{Type: t, Data: binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, l), h)}
		}
		return data("-Infinity"), data("Infinity")
	}
	return long(math.MinInt64), long(math.MaxInt64)
}

// compare compares two values of one type that ranges go over. It is false for what has no order, as NaN.
func compare(v, w bsonwire.Value) (int, bool) {
	if v.Type != w.Type {
		return 0, false
	}
	switch v.Type {
	case bson.TypeDouble:
		x, _ := v.AsDouble()
		y, _ := w.AsDouble()
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, x == y
	case bson.TypeDecimal128:
		return compareDecimals(v, w)
	case bson.TypeDateTime:
		x, _ := v.AsDateTime()
		y, _ := w.AsDateTime()
		return order(x, y), true
	}
	x, ok := v.AsInt64()
	y, also := w.AsInt64()
	return order(x, y), ok && also
}

func order(x, y int64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func compareDecimals(v, w bsonwire.Value) (int, bool) {
	if bytes.Equal(v.Data, w.Data) {
		d, _ := v.AsDecimal128()
		return 0, !d.IsNaN()
	}
	d, _ := v.AsDecimal128()
	e, _ := w.AsDecimal128()
	if d.IsNaN() || e.IsNaN() {
		return 0, false
	}
	if d.IsInf() != 0 || e.IsInf() != 0 {
		return order(int64(d.IsInf()), int64(e.IsInf())), true
	}
	x, xe, err := d.BigInt()
	y, ye, err2 := e.BigInt()
	if err != nil || err2 != nil {
		return 0, false
	}
	return compareScaled(x, xe, y, ye), true
}
