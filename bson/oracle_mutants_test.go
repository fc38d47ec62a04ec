package bson_test

import (
	"bufio"
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// encodingWith is the official codec with one setting changed, which makes it a
// wrong one. The registry is one of its own: structs are described once in a
// registry, and the setting of who came first stays.
func encodingWith(set func(*official.Encoder)) codec {
	registry := official.NewRegistry()
	return codec{marshal: func(v any) ([]byte, error) {
		var buf bytes.Buffer
		e := official.NewEncoder(official.NewDocumentWriter(&buf))
		e.SetRegistry(registry)
		set(e)
		if err := e.Encode(v); err != nil {
			return nil, err
		}
		return buf.Bytes(), nil
	}}
}

func decodingWith(set func(*official.Decoder)) codec {
	registry := official.NewRegistry()
	in := bufio.NewReader(nil) // a document reader takes it as its own
	return codec{unmarshal: func(data []byte, v any) error {
		if len(data) < 4 || int(le.Uint32(data)) != len(data) {
			return errors.New("length")
		}
		in.Reset(bytes.NewReader(data))
		d := official.NewDecoder(official.NewDocumentReader(in))
		d.SetRegistry(registry)
		set(d)
		return d.Decode(v)
	}}
}

func encoderFor[T any](f official.ValueEncoderFunc) codec {
	r := official.NewRegistry()
	r.RegisterTypeEncoder(reflect.TypeFor[T](), f)
	return encodingWith(func(e *official.Encoder) { e.SetRegistry(r) })
}

func decoderFor[T any](f official.ValueDecoderFunc) codec {
	r := official.NewRegistry()
	r.RegisterTypeDecoder(reflect.TypeFor[T](), f)
	return decodingWith(func(d *official.Decoder) { d.SetRegistry(r) })
}

func unmarshalling(f func(data []byte, v any) error) codec {
	return codec{unmarshal: f}
}

// mutants are wrong codecs, each in one direction; the other is left out. A comparison that lets one of them pass compares
// less than it should.
var mutants = map[string]codec{
	"nil maps as empty":         encodingWith((*official.Encoder).NilMapAsEmpty),
	"nil slices as empty":       encodingWith((*official.Encoder).NilSliceAsEmpty),
	"nil byte slices as empty":  encodingWith((*official.Encoder).NilByteSliceAsEmpty),
	"zero structs omitted":      encodingWith((*official.Encoder).OmitZeroStruct),
	"all empty fields omitted":  encodingWith((*official.Encoder).OmitEmpty),
	"always minsize":            encodingWith((*official.Encoder).IntMinSize),
	"keys through fmt":          encodingWith((*official.Encoder).StringifyMapKeysWithFmt),
	"JSON tags encode":          encodingWith((*official.Encoder).UseJSONStructTags),
	"inline duplicates refused": encodingWith((*official.Encoder).ErrorOnInlineDuplicates),
	"mgo's encoders":            encodingWith(func(e *official.Encoder) { e.SetRegistry(official.NewMgoRegistry()) }),
	"float32 widened by text": encoderFor[float32](func(_ official.EncodeContext, w official.ValueWriter, v reflect.Value) error {
		return w.WriteDouble(float64(float32(v.Float() * 1.0000001)))
	}),
	"times rounded": encoderFor[time.Time](func(_ official.EncodeContext, w official.ValueWriter, v reflect.Value) error {
		return w.WriteDateTime(v.Interface().(time.Time).Round(time.Millisecond).UnixMilli())
	}),
	"uint16 as int64": encoderFor[uint16](func(_ official.EncodeContext, w official.ValueWriter, v reflect.Value) error {
		return w.WriteInt64(int64(v.Uint()))
	}),
	"subtype 2 without its inner length": encoderFor[official.Binary](func(_ official.EncodeContext, w official.ValueWriter, v reflect.Value) error {
		b := v.Interface().(official.Binary)
		if b.Subtype == 2 {
			b.Subtype = 3
		}
		return w.WriteBinaryWithSubtype(b.Data, b.Subtype)
	}),

	"documents as M":         decodingWith((*official.Decoder).DefaultDocumentM),
	"documents as map":       decodingWith((*official.Decoder).DefaultDocumentMap),
	"doubles truncated":      decodingWith((*official.Decoder).AllowTruncatingDoubles),
	"binary as bytes":        decodingWith((*official.Decoder).BinaryAsSlice),
	"object ids as hex":      decodingWith((*official.Decoder).ObjectIDAsHexString),
	"JSON tags decode":       decodingWith((*official.Decoder).UseJSONStructTags),
	"local time":             decodingWith((*official.Decoder).UseLocalTimeZone),
	"maps emptied before":    decodingWith((*official.Decoder).ZeroMaps),
	"structs emptied before": decodingWith((*official.Decoder).ZeroStructs),
	"mgo's decoders":         decodingWith(func(d *official.Decoder) { d.SetRegistry(official.NewMgoRegistry()) }),
	"everything decodes":     unmarshalling(func(data []byte, v any) error { _ = official.Unmarshal(data, v); return nil }),
	"nothing decodes":        unmarshalling(func([]byte, any) error { return errors.New("no") }),
	"empty keys refused": unmarshalling(func(data []byte, v any) error {
		if len(data) > 5 && data[5] == 0 {
			return errors.New("empty key")
		}
		return official.Unmarshal(data, v)
	}),
	"bytes after the end passed over": unmarshalling(func(data []byte, v any) error {
		if len(data) >= 4 && int(le.Uint32(data)) < len(data) && le.Uint32(data) >= 5 {
			data = data[:le.Uint32(data)]
		}
		return official.Unmarshal(data, v)
	}),
	"Raw points into the input": unmarshalling(func(data []byte, v any) error {
		err := official.Unmarshal(data, v)
		if r, ok := v.(*official.Raw); ok && err == nil {
			*r = data
		}
		return err
	}),
	"no integer overflow": decoderFor[int8](func(_ official.DecodeContext, r official.ValueReader, v reflect.Value) error {
		if r.Type() == official.TypeInt32 {
			i, err := r.ReadInt32()
			v.SetInt(int64(int8(i)))
			return err
		}
		return r.Skip()
	}),
	"float32 loses digits": decoderFor[float32](func(_ official.DecodeContext, r official.ValueReader, v reflect.Value) error {
		if r.Type() == official.TypeDouble {
			f, err := r.ReadDouble()
			v.SetFloat(f)
			return err
		}
		return r.Skip()
	}),
	"null into bool kept": decoderFor[bool](func(_ official.DecodeContext, r official.ValueReader, v reflect.Value) error {
		if r.Type() == official.TypeBoolean {
			b, err := r.ReadBoolean()
			v.SetBool(b)
			return err
		}
		return r.Skip()
	}),
}

// telling are the seeds that find the mutants. They are tried first: the others take
// their time, and find nothing more.
var telling = []uint64{0, 227, 163, 14, 32, 120, 165, 2, 4, 9, 16, 26, 35, 40}

// TestMutantsAreFound lets the comparisons loose on the wrong codecs.
func TestMutantsAreFound(t *testing.T) {
	for name, mutant := range mutants {
		t.Run(name, func(t *testing.T) {
			for i := range uint64(4000) {
				seed := i
				if i < uint64(len(telling)) {
					seed = telling[i]
				}
				c := seeded(seed)
				typ, other := c.goType(3), c.structType(3)
				if compareValues(mutant, oracle, c, typ, other) != nil {
					return
				}
				data := c.document(nil, 3)
				if seed%2 == 1 {
					data = c.mutate(data)
				}
				if mutant.unmarshal != nil && compareDocument(mutant, oracle, c, data, other) != nil {
					return
				}
			}
			t.Error("the comparisons let this one pass")
		})
	}
}

// TestComparisonsCompare sees to it that most of the random values encode and
// that most of the decoding succeeds: two errors are always equal.
func TestComparisonsCompare(t *testing.T) {
	var encoded, decoded, same, other int
	const all = 500
	for seed := range uint64(all) {
		c := seeded(seed)
		typ, typ2 := c.structType(3), c.structType(3)
		data, err := oracle.encode(c.newValue(typ, depth).Interface())
		if err != nil {
			continue
		}
		encoded++
		if len(data) > 5 {
			decoded++
			if oracle.decode(data, reflect.New(typ).Interface()) == nil {
				same++
			}
			if oracle.decode(data, reflect.New(typ2).Interface()) == nil {
				other++
			}
		}
	}
	t.Logf("of %d values %d encode, %d to more than nothing; %d of those decode into their type, %d into another", all, encoded, decoded, same, other)
	if encoded < all/2 || decoded < all/3 || same < all/4 || other < all/8 {
		t.Error("too little of it succeeds")
	}
}
