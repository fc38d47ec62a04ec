package cipher

import (
	"fmt"
	"math"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/payload"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

func (w *writer) findEquality() []byte {
	set := w.level1.Of(w.p.Value.Data)
	out, start := begin(payload.FindEquality, 160)
	out = appendTokens(out, &set, true)
	out = bsonwire.AppendInt64(out, "cm", w.p.Contention)
	return bsonwire.End(out, start)
}

func (w *writer) findRange() ([]byte, error) {
	q := w.p.Query
	switch {
	case w.p.Range == nil || q == nil:
		return nil, fmt.Errorf("the options of its range, or the bounds of the query, are missing")
	case q.Stub:
		out, start := begin(payload.FindRange, 80)
		return bsonwire.End(appendOperators(out, q), start), nil
	}
	lower, upper, kind, err := bounds(w.p.Range, q)
	if err != nil {
		return nil, err
	}
	domain, o, err := domainOf(kind, w.p.Range)
	if err != nil {
		return nil, err
	}
	cover, err := domain.Cover(lower.value, upper.value, lower.included, upper.included)
	if err != nil {
		return nil, err
	}
	out, start := begin(payload.FindRange, 200+150*len(cover))
	out, inner := bsonwire.BeginDocument(out, "payload")
	out, list := bsonwire.BeginArray(out, "g")
	for i, node := range cover {
		set := w.level1.Of([]byte(node))
		var element int
		out, element = bsonwire.BeginDocument(out, bsonwire.Index(i))
		out = bsonwire.End(appendTokens(out, &set, true), element)
	}
	out = bsonwire.End(out, list)
	out = bsonwire.AppendInt64(out, "cm", w.p.Contention)
	out = bsonwire.End(out, inner)
	out = appendOperators(out, q)
	return bsonwire.End(appendRange(out, domain, o), start), nil
}

func appendOperators(dst []byte, q *placeholder.RangeQuery) []byte {
	dst = bsonwire.AppendInt32(dst, "payloadId", q.PayloadID)
	dst = bsonwire.AppendInt32(dst, "firstOperator", int32(q.First))
	if q.Second != placeholder.None {
		dst = bsonwire.AppendInt32(dst, "secondOperator", int32(q.Second))
	}
	return dst
}

// A bound is one end of a query.
type bound struct {
	value    bsonwire.Value
	included bool
}

// bounds are the ends of a query, and their type. An infinite end is the field's own.
func bounds(o *placeholder.RangeOptions, q *placeholder.RangeQuery) (lower, upper bound, kind bson.Type, err error) {
	lower, upper = bound{q.Lower, q.LowerIncluded}, bound{q.Upper, q.UpperIncluded}
	least, most := o.Min, o.Max
	if kind = least.Type; kind == 0 {
		for _, v := range []bsonwire.Value{q.Lower, q.Upper} {
			if v.Type == bson.TypeDouble || v.Type == bson.TypeDecimal128 {
				kind = v.Type
			}
		}
		if kind == 0 {
			return lower, upper, 0, fmt.Errorf("a range of type %s needs its bounds, min and max", q.Lower.Type)
		}
		least, most = widest(kind)
	}
	if infinite(lower.value) || lower.value.IsZero() {
		lower = bound{least, true}
	}
	if infinite(upper.value) || upper.value.IsZero() {
		upper = bound{most, true}
	}
	return lower, upper, kind, nil
}

// infinite reports whether a value is an infinity, which says that a query is open at an end.
func infinite(v bsonwire.Value) bool {
	if d, ok := v.AsDecimal128(); ok {
		return d.IsInf() != 0
	}
	f, ok := v.AsDouble()
	return v.Type == bson.TypeDouble && ok && math.IsInf(f, 0)
}
