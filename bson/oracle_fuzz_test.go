package bson_test

import (
	"bytes"
	"reflect"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// seedDocuments gives a fuzzer documents to start from.
func seedDocuments(f *testing.F) {
	for seed := range uint64(40) {
		c := seeded(seed)
		f.Add(c.document(nil, 1+int(seed%3)))
		f.Add(c.mutate(c.document(nil, 2)))
	}
	f.Add([]byte{5, 0, 0, 0, 0})
	f.Add([]byte("\x12\x00\x00\x00\x05a\x00\xf0\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00")) // a binary of negative length
}

// FuzzOracleDecodeAny decodes into what has no type of its own.
func FuzzOracleDecodeAny(f *testing.F) {
	seedDocuments(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, target := range []func() any{
			func() any { return new(any) }, func() any { return new(official.D) }, func() any { return new(official.M) },
			func() any { return new(map[string]any) }, func() any { return new(official.Raw) },
			func() any { return new(map[string]official.RawValue) }, func() any { return new(map[string][]any) },
		} {
			if err := compareDecode(mgx, oracle, data, target); err != nil {
				t.Errorf("%v\nwell-formed: %v", err, wellFormed(data))
			}
		}
	})
}

// FuzzOracleDecodeStructs decodes into structs, fresh and used ones.
func FuzzOracleDecodeStructs(f *testing.F) {
	seedDocuments(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, typ := range zooStructs {
			for _, target := range []func() any{
				func() any { return reflect.New(typ).Interface() },
				func() any { return seeded(uint64(i)).newValue(typ, depth).Interface() },
			} {
				if err := compareDecode(mgx, oracle, data, target); err != nil {
					t.Errorf("%v\nwell-formed: %v", err, wellFormed(data))
				}
			}
		}
	})
}

// FuzzOracleValues lets the fuzzer make the types and the values, from a few
// hundred types since none is ever forgotten.
func FuzzOracleValues(f *testing.F) {
	for seed := range uint64(30) {
		c := seeded(seed)
		b := make([]byte, 60)
		for i := range b {
			b[i] = byte(c.n(256))
		}
		f.Add(uint16(seed), uint16(seed+100), b)
	}
	f.Fuzz(func(t *testing.T, typ, other uint16, data []byte) {
		a, b := seeded(uint64(typ%600)).structType(3), seeded(uint64(other%600)).structType(3)
		if err := compareValues(mgx, oracle, fromBytes(data), a, b); err != nil {
			t.Errorf("%v\ntype  %v\nother %v", err, a, b)
		}
	})
}

// FuzzOracleValidate compares Validate with the check of this package, and sees that
// what is valid decodes and encodes to the same bytes.
func FuzzOracleValidate(f *testing.F) {
	seedDocuments(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		err, want := bson.Validate(data), wellFormed(data)
		if (err == nil) != (want == nil) {
			t.Fatalf("Validate: %v, want %v", err, want)
		}
		if err != nil {
			return
		}
		var raw bson.Raw
		if err := bson.Unmarshal(data, &raw); err != nil {
			t.Fatalf("a valid document does not decode: %v", err)
		}
		var d bson.D
		if err := bson.Unmarshal(data, &d); err != nil {
			t.Fatalf("a valid document does not decode into D: %v", err)
		}
		back, err := bson.Marshal(d)
		if err != nil {
			t.Fatalf("what was decoded does not encode: %v", err)
		}
		if len(back) > len(data)*2+16 {
			t.Fatalf("%d bytes came back as %d", len(data), len(back))
		}
		var again bson.D
		if err := bson.Unmarshal(back, &again); err != nil {
			t.Fatalf("what was encoded does not decode: %v", err)
		}
		// Not d and again: the options of regular expressions get sorted.
		if third, err := bson.Marshal(again); err != nil || !bytes.Equal(third, back) {
			t.Fatalf("%x became %x, %v", back, third, err)
		}
	})
}

// TestValidateAgrees compares Validate with the check of this package.
func TestValidateAgrees(t *testing.T) {
	rounds(t, 20000, func(seed uint64) {
		c := seeded(seed)
		data := c.document(nil, 3)
		if seed%4 > 0 {
			data = c.mutate(data)
		}
		if err, want := bson.Validate(data), wellFormed(data); (err == nil) != (want == nil) {
			t.Errorf("Validate(%x): %v, want %v", data, err, want)
		}
	})
}
