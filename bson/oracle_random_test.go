package bson_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

const depth = 4

// compareValues compares both codecs on random values of one type: the bytes
// they make of them, and what they make of those bytes, in fresh and in used
// targets of this type and of another.
func compareValues(subject, reference codec, c *choices, t, other reflect.Type) error {
	v := c.newValue(t, depth)
	if subject.marshal != nil {
		if err := compareEncode(subject, reference, v.Interface()); err != nil {
			return fmt.Errorf("%w\nby pointer", err)
		}
		if err := compareEncode(subject, reference, v.Elem().Interface()); err != nil {
			return fmt.Errorf("%w\nby value", err)
		}
	}
	if subject.unmarshal == nil {
		return nil
	}
	data, err := reference.encode(v.Interface())
	if err != nil {
		return nil
	}
	fill := c.uint64()
	for _, target := range []func() any{
		func() any { return reflect.New(t).Interface() },
		func() any { return seeded(fill).newValue(t, depth).Interface() },
		func() any { return reflect.New(other).Interface() },
		func() any { return seeded(fill).newValue(other, depth).Interface() },
	} {
		if err := compareDecode(subject, reference, data, target); err != nil {
			return fmt.Errorf("%w\ndocument %x", err, data)
		}
	}
	return nil
}

// compareDocument decodes a random document, broken at times, into everything.
func compareDocument(subject, reference codec, c *choices, data []byte, types ...reflect.Type) error {
	fill := c.uint64()
	targets := slicesOf(documentTargets)
	for _, t := range types {
		targets = append(targets,
			func() any { return reflect.New(t).Interface() },
			func() any { return seeded(fill).newValue(t, depth).Interface() })
	}
	for _, target := range targets {
		if err := compareDecode(subject, reference, data, target); err != nil {
			return fmt.Errorf("%w\ndocument %x, well-formed: %v", err, data, wellFormed(data))
		}
	}
	return nil
}

func slicesOf[T any](s []T) []T { return s[:len(s):len(s)] }

var documentTargets = []func() any{
	func() any { return new(any) },
	func() any { return new(official.D) },
	func() any { return new(official.M) },
	func() any { return official.M{"a": 1, "z": "old"} },
	func() any { return new(map[string]any) },
	func() any { return new(map[string]string) },
	func() any { return new(map[string]official.RawValue) },
	func() any { return new(map[string]*int64) },
	func() any { return new(map[string][]any) },
	func() any { return new(official.Raw) },
	func() any { return &official.Raw{1, 2, 3} },
	func() any { return new([]official.E) },
	func() any { return new(zEs) },
	func() any { return new([3]official.E) },
	func() any { return new(*official.D) },
	func() any { return new(official.A) },
	func() any { return &official.D{{Key: "old", Value: 1}, {Key: "older", Value: "x"}} },
	func() any { return new(zMeet) },
	func() any { return new(zMeet2) },
	func() any { return new(zTree) },
	func() any { return new(zAll) },
	func() any { return new(struct{}) },
}

// TestOracleValues compares random values of random struct types.
func TestOracleValues(t *testing.T) {
	rounds(t, 2000, func(seed uint64) {
		c := seeded(seed)
		typ, other := c.structType(3), c.structType(3)
		for range 3 {
			if err := compareValues(mgx, oracle, c, typ, other); err != nil {
				t.Errorf("%v\ntype  %v\nother %v", err, typ, other)
				return
			}
		}
	})
}

// TestOracleZoo compares random values of each type of the zoo, by itself and as
// a field, an element and a map's value.
func TestOracleZoo(t *testing.T) {
	all := append(slicesOf(zooTypes), zooStructs...)
	all = append(append(append(all, bsonTypes...), plainTypes...), unsupportedTypes...)
	rounds(t, 2*len(all), func(seed uint64) {
		c := seeded(seed)
		typ := all[int(seed)%len(all)]
		other := pick(c, all)
		for _, wrap := range []func(reflect.Type) reflect.Type{
			func(t reflect.Type) reflect.Type { return t },
			func(t reflect.Type) reflect.Type {
				return reflect.StructOf([]reflect.StructField{{Name: "A", Type: t}})
			},
			func(t reflect.Type) reflect.Type {
				return reflect.StructOf([]reflect.StructField{{Name: "A", Type: t, Tag: `bson:",omitempty,minsize,truncate"`}})
			},
			func(t reflect.Type) reflect.Type {
				return reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.PointerTo(t)}})
			},
			func(t reflect.Type) reflect.Type {
				return reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.PointerTo(t), Tag: `bson:",omitempty"`}})
			},
			func(t reflect.Type) reflect.Type {
				return reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.SliceOf(t)}})
			},
			func(t reflect.Type) reflect.Type {
				return reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.ArrayOf(2, t)}})
			},
			func(t reflect.Type) reflect.Type { return reflect.MapOf(reflect.TypeFor[string](), t) },
			func(t reflect.Type) reflect.Type {
				return reflect.MapOf(reflect.TypeFor[string](), reflect.PointerTo(t))
			},
			func(t reflect.Type) reflect.Type { return reflect.PointerTo(reflect.PointerTo(t)) },
		} {
			for range 4 {
				if err := compareValues(mgx, oracle, c, wrap(typ), wrap(other)); err != nil {
					t.Errorf("%v\ntype  %v\nother %v", err, wrap(typ), wrap(other))
					return
				}
			}
		}
	})
}

// TestOracleMapKeys compares maps by every type of key.
func TestOracleMapKeys(t *testing.T) {
	rounds(t, 30*len(keyTypes), func(seed uint64) {
		c := seeded(seed)
		typ := reflect.MapOf(keyTypes[int(seed)%len(keyTypes)], c.goType(1))
		other := reflect.MapOf(pick(c, keyTypes), typ.Elem())
		if err := compareValues(mgx, oracle, c, typ, other); err != nil {
			t.Errorf("%v\ntype  %v\nother %v", err, typ, other)
		}
	})
}

// TestOracleDocuments decodes random documents, every other one of them broken.
func TestOracleDocuments(t *testing.T) {
	rounds(t, 1500, func(seed uint64) {
		c := seeded(seed)
		data := c.document(nil, 3)
		if seed%2 == 1 {
			data = c.mutate(data)
		}
		if err := compareDocument(mgx, oracle, c, data, c.structType(2), pick(c, zooStructs)); err != nil {
			t.Error(err)
		}
	})
}

// TestOracleScalars decodes every kind of value into every type, as a field.
func TestOracleScalars(t *testing.T) {
	all := append(append(append(slicesOf(plainTypes), bsonTypes...), zooTypes...), zooStructs...)
	rounds(t, 5*len(everyType), func(seed uint64) {
		c := seeded(seed)
		start := []byte{0, 0, 0, 0}
		data := finish(c.elementOf(start, everyType[int(seed)%len(everyType)], "a", 2), 0)
		for _, t1 := range all {
			fill := c.uint64()
			typ := reflect.StructOf([]reflect.StructField{{Name: "A", Type: t1}})
			for _, target := range []func() any{
				func() any { return reflect.New(typ).Interface() },
				func() any { return seeded(fill).newValue(typ, depth).Interface() },
			} {
				if err := compareDecode(mgx, oracle, data, target); err != nil {
					t.Errorf("%v\ndocument %x", err, data)
					return
				}
			}
		}
	})
}

// TestOracleTopLevel hands both what is no target and no document at all.
func TestOracleTopLevel(t *testing.T) {
	doc := seeded(1).document(nil, 2)
	var nilD *official.D
	var nilMap map[string]any
	var nilMarshaler *zMarshaler
	for i, v := range []any{
		nil, 1, "a", true, official.A{1}, []int{1}, [2]int{}, nilD, nilMap, nilMarshaler, (*zPtrMarshaler)(nil), (*zPtrValueMarshaler)(nil),
		new(int), new(any), new(*int), official.Null{}, official.RawValue{}, official.Raw{}, official.Raw(nil), official.Raw(doc), official.Raw(doc[:6]),
		struct{}{}, &struct{}{}, map[string]any{}, zD{}, zEs{}, zMarshalString("x"), zMarshaler{1}, &zPtrMarshaler{"x"}, zPtrMarshaler{"x"},
		zValueMarshaler{1}, [1]official.E{{Key: "a"}}, official.E{}, []byte{5, 0, 0, 0, 0}, errors.New("x"), make(chan int), func() {},
	} {
		if err := compareEncode(mgx, oracle, v); err != nil {
			t.Errorf("%d: %T: %v", i, v, err)
		}
		if err := compareDecode(mgx, oracle, doc, func() any { return v }); err != nil {
			t.Errorf("%d: %T: %v", i, v, err)
		}
	}
	for _, data := range [][]byte{nil, {}, {0}, {5, 0, 0, 0}, {5, 0, 0, 0, 0}, {4, 0, 0, 0, 0}, {6, 0, 0, 0, 0}, {5, 0, 0, 0, 0, 0}, {5, 0, 0, 0, 1}, {0, 0, 0, 0, 0}, {255, 255, 255, 255, 0}} {
		if err := compareDocument(mgx, oracle, seeded(2), data, reflect.TypeFor[zMarshaler](), reflect.TypeFor[zPtrMarshaler](), reflect.TypeFor[zMarshalMap]()); err != nil {
			t.Error(err)
		}
	}
}

// TestOracleSingleValues compares MarshalValue and UnmarshalValue.
func TestOracleSingleValues(t *testing.T) {
	rounds(t, 3000, func(seed uint64) {
		c := seeded(seed)
		typ, other := c.goType(2), c.goType(2)
		if err := compareValues(mgxValue, oracleValue, c, typ, other); err != nil {
			t.Errorf("%v\ntype  %v\nother %v", err, typ, other)
		}
	})
}
