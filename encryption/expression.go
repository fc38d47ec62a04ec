package encryption

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// payloads numbers the queries for ranges: the two values of one have the same number.
var payloads atomic.Int32

// EncryptExpression encrypts the bounds in an expression that looks for a range: for a filter
//
//	{$and: [{<field>: {$gt: <value>}}, {<field>: {$lt: <value>}}]}
//
// or for an aggregation
//
//	{$and: [{$gt: ["$<field>", <value>]}, {$lt: ["$<field>", <value>]}]}
//
// with $gte and $lte as well, or with one of the two bounds alone. The algorithm must be Range, the query type
// RangeQuery. The document that is returned has a binary of subtype 6 in place of each value: see Encrypt for what else
// is needed to ask the server.
func (c *ClientEncryption) EncryptExpression(ctx context.Context, expression any, options EncryptOptions) (bson.Raw, error) {
	raw, err := c.encryptExpression(ctx, expression, &options)
	return raw, wrap("encrypting an expression", err)
}

func (c *ClientEncryption) encryptExpression(ctx context.Context, expression any, o *EncryptOptions) (bson.Raw, error) {
	p, err := o.placeholder()
	if err != nil {
		return nil, err
	}
	if o.Algorithm != Range || o.QueryType != RangeQuery {
		return nil, errors.New("expressions are encrypted by the algorithm Range, for the query type range")
	}
	raw, err := document("the expression", expression)
	if err != nil {
		return nil, err
	}
	e, err := parseExpression(raw)
	if err != nil {
		return nil, err
	}
	places, err := e.placeholders(p)
	if err != nil {
		return nil, err
	}
	data, err := c.keys.cipher.Encrypt(ctx, places)
	if err != nil {
		return nil, err
	}
	return e.with(data), nil
}

// A comparison is one bound in an expression.
type comparison struct {
	name  string // of the operator
	op    placeholder.Operator
	value bsonwire.Value
}

// A rangeExpression is an expression for a range, taken apart.
type rangeExpression struct {
	aggregate bool
	field     string
	bounds    []comparison
}

var comparisons = map[string]placeholder.Operator{
	"$gt": placeholder.GreaterThan, "$gte": placeholder.GreaterOrEqual, "$lt": placeholder.LessThan, "$lte": placeholder.LessOrEqual,
}

func lower(op placeholder.Operator) bool {
	return op == placeholder.GreaterThan || op == placeholder.GreaterOrEqual
}

// only is the one element of a document.
func only(doc []byte) (string, bsonwire.Value, error) {
	r := bsonwire.NewReader(doc)
	if !r.Next() {
		return "", bsonwire.Value{}, errors.New("the expression has an empty document")
	}
	key, v := string(r.Key()), r.Value()
	if r.Next() {
		return "", v, fmt.Errorf("the expression has %q beside %q in a document: give each its own in $and", r.Key(), key)
	}
	return key, v, r.Err()
}

func parseExpression(doc []byte) (*rangeExpression, error) {
	if len(doc) == 0 {
		return nil, errors.New("there is no expression")
	}
	key, v, err := only(doc)
	if err != nil {
		return nil, err
	}
	list, ok := v.AsArray()
	if key != "$and" || !ok {
		return nil, errors.New("the expression is not a document with $and and an array")
	}
	e := &rangeExpression{}
	for r := bsonwire.NewReader(list); r.Next(); {
		element, ok := r.Value().AsDocument()
		if !ok {
			return nil, errors.New("$and of the expression has something else than documents")
		}
		if err := e.add(element); err != nil {
			return nil, err
		}
	}
	if len(e.bounds) == 0 {
		return nil, errors.New("$and of the expression is empty")
	}
	return e, nil
}

// add takes one document of $and apart.
func (e *rangeExpression) add(doc []byte) error {
	key, v, err := only(doc)
	if err != nil {
		return err
	}
	_, aggregate := comparisons[key]
	if len(e.bounds) > 0 && aggregate != e.aggregate {
		return errors.New("the expression mixes filters and aggregation expressions")
	}
	e.aggregate = aggregate
	field, name := key, key
	if aggregate {
		if field, v, err = operands(v); err != nil {
			return err
		}
	} else {
		inner, ok := v.AsDocument()
		if !ok {
			return fmt.Errorf("the expression compares %q without an operator", field)
		}
		if name, v, err = only(inner); err != nil {
			return err
		}
	}
	op, ok := comparisons[name]
	if !ok {
		return fmt.Errorf("the expression has the operator %q: $gt, $gte, $lt and $lte bound a range", name)
	}
	if len(e.bounds) > 0 && field != e.field {
		return fmt.Errorf("the expression bounds two fields, %q and %q", e.field, field)
	}
	for _, other := range e.bounds {
		if lower(other.op) == lower(op) {
			return fmt.Errorf("the expression has two bounds at the same side, %s and %s", other.name, name)
		}
	}
	e.field = field
	e.bounds = append(e.bounds, comparison{name: name, op: op, value: v})
	return nil
}

// operands are those of an aggregation's comparison: the path of a field, and a value.
func operands(v bsonwire.Value) (string, bsonwire.Value, error) {
	wrong := errors.New("an aggregation expression compares the path of a field with a value")
	list, ok := v.AsArray()
	if !ok {
		return "", v, wrong
	}
	r := bsonwire.NewReader(list)
	if !r.Next() {
		return "", v, wrong
	}
	path, ok := r.Value().AsString()
	if !ok || len(path) < 2 || path[0] != '$' || !r.Next() {
		return "", v, wrong
	}
	value := r.Value()
	if r.Next() {
		return "", v, wrong
	}
	return path, value, nil
}

// placeholders are those of the bounds. The first knows both, the second refers to it.
func (e *rangeExpression) placeholders(p placeholder.Placeholder) ([]placeholder.Placeholder, error) {
	q := placeholder.RangeQuery{PayloadID: payloads.Add(1) & 0x7fffffff, First: e.bounds[0].op}
	if len(e.bounds) > 1 {
		q.Second = e.bounds[1].op
	}
	for _, b := range e.bounds {
		if b.value.IsNull() || b.value.Type == bson.TypeBinary {
			return nil, fmt.Errorf("%s of the expression is no value of a range", b.name)
		}
		if lower(b.op) {
			q.Lower, q.LowerIncluded = b.value, b.op == placeholder.GreaterOrEqual
		} else {
			q.Upper, q.UpperIncluded = b.value, b.op == placeholder.LessOrEqual
		}
	}
	places := make([]placeholder.Placeholder, len(e.bounds))
	for i := range places {
		query := q
		if query.Stub = i > 0; query.Stub {
			query.Lower, query.Upper = bsonwire.Value{}, bsonwire.Value{}
		}
		places[i] = p
		places[i].Path, places[i].Query = e.field, &query
	}
	return places, nil
}

// with is the expression with encrypted bounds.
func (e *rangeExpression) with(data [][]byte) bson.Raw {
	doc, start := bsonwire.Begin(nil)
	doc, list := bsonwire.BeginArray(doc, "$and")
	for i, b := range e.bounds {
		var element, inner int
		doc, element = bsonwire.BeginDocument(doc, bsonwire.Index(i))
		if e.aggregate {
			doc, inner = bsonwire.BeginArray(doc, b.name)
			doc = bsonwire.AppendString(doc, "0", e.field)
			doc = bsonwire.AppendBinary(doc, "1", bson.TypeBinaryEncrypted, data[i])
		} else {
			doc, inner = bsonwire.BeginDocument(doc, e.field)
			doc = bsonwire.AppendBinary(doc, b.name, bson.TypeBinaryEncrypted, data[i])
		}
		doc = bsonwire.End(bsonwire.End(doc, inner), element)
	}
	return bsonwire.End(bsonwire.End(doc, list), start)
}
