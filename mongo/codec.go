package mongo

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	mgxbson "github.com/mgxdb/mgx/bson"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// codec encodes and decodes a handle's documents: by mgx's codec, or, where there is a
// registry or an option of the official one's, by that.
type codec struct {
	opts     *options.BSONOptions
	registry *bson.Registry
}

// with returns the codec with what is given in the place of what was.
func (c codec) with(opts *options.BSONOptions, registry *bson.Registry) codec {
	if opts != nil {
		c.opts = opts
	}
	if registry != nil {
		c.registry = registry
	}
	return c
}

func (c codec) official() bool { return c.opts != nil || c.registry != nil }

// document encodes a document.
func (c codec) document(v any) (bson.Raw, error) {
	switch t := v.(type) {
	case nil:
		return nil, ErrNilDocument
	case []byte:
		v = bson.Raw(t)
	}
	var (
		doc []byte
		err error
	)
	if c.official() {
		var b bytes.Buffer
		err = c.encoder(&b).Encode(v)
		doc = b.Bytes()
	} else {
		doc, err = mgxbson.Marshal(v)
	}
	if err != nil {
		return nil, MarshalError{Value: v, Err: err}
	}
	return doc, nil
}

// optional is document for one that may be nil.
func (c codec) optional(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	return c.document(v)
}

// value encodes any value.
func (c codec) value(v any) (any, error) {
	if !c.official() || v == nil {
		return v, nil
	}
	doc, err := c.document(bson.D{{Key: "", Value: v}})
	if err != nil {
		return nil, MarshalError{Value: v, Err: errors.Unwrap(err)}
	}
	return doc.Index(0).Value(), nil
}

// ordered encodes a document whose order matters, or an index's name.
func (c codec) ordered(name string, v any) (any, error) {
	if isUnorderedMap(v) {
		return nil, ErrMapForOrderedArgument{ParamName: name}
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	return c.document(v)
}

// update encodes what an update does: a document of operators, or a pipeline. operators
// says whether there are to be operators, or none.
func (c codec) update(v any) (any, error) {
	switch t := v.(type) {
	case nil:
		return nil, ErrNilDocument
	case bson.D, bson.Raw, []byte, bson.Marshaler:
	case bson.ValueMarshaler:
		kind, data, err := t.MarshalBSONValue()
		if err != nil {
			return nil, err
		}
		value := bson.RawValue{Type: bson.Type(kind), Value: data}
		if value.Type != bson.TypeArray && value.Type != bson.TypeEmbeddedDocument {
			return nil, fmt.Errorf("ValueMarshaler returned a %v, but was expecting %v or %v", value.Type, bson.TypeArray, bson.TypeEmbeddedDocument)
		}
		if value.Type == bson.TypeEmbeddedDocument {
			return bson.Raw(data), nil
		}
		return stages(data)
	default:
		if r := reflect.ValueOf(v); r.Kind() == reflect.Slice || r.Kind() == reflect.Array {
			return c.updatePipeline(r)
		}
	}
	doc, err := c.document(v)
	if err != nil {
		return nil, err
	}
	return doc, hasOperators(doc)
}

func (c codec) updatePipeline(list reflect.Value) (any, error) {
	out := make([]bson.Raw, list.Len())
	for i := range out {
		doc, err := c.document(list.Index(i).Interface())
		if err != nil {
			return nil, err
		}
		if err := hasOperators(doc); err != nil {
			return nil, err
		}
		out[i] = doc
	}
	return out, nil
}

func hasOperators(doc bson.Raw) error {
	first, err := doc.IndexErr(0)
	if err != nil {
		return errors.New("update document must have at least one element")
	}
	if !beginsWithDollar(first.Key()) {
		return errors.New("update document must contain key beginning with '$'")
	}
	return nil
}

// replacement encodes a document that takes the place of another one.
func (c codec) replacement(v any) (bson.Raw, error) {
	doc, err := c.document(v)
	if err != nil {
		return nil, err
	}
	if first, err := doc.IndexErr(0); err == nil && beginsWithDollar(first.Key()) {
		return nil, errors.New("replacement document cannot contain keys beginning with '$'")
	}
	return doc, nil
}

// pipeline encodes the stages of an aggregation.
func (c codec) pipeline(v any) ([]bson.Raw, error) {
	switch t := v.(type) {
	case bson.ValueMarshaler:
		kind, data, err := t.MarshalBSONValue()
		if err != nil {
			return nil, err
		}
		if bson.Type(kind) != bson.TypeArray {
			return nil, fmt.Errorf("ValueMarshaler returned a %v, but was expecting %v", bson.Type(kind), bson.TypeArray)
		}
		return stages(data)
	case bson.RawArray:
		return stages(t)
	case bson.D, bson.Raw:
		if reflect.ValueOf(t).Len() > 0 {
			return nil, fmt.Errorf("%T is not an allowed pipeline type as it represents a single document. Use bson.A or mongo.Pipeline instead", t)
		}
	}
	list := reflect.ValueOf(v)
	if kind := list.Kind(); kind != reflect.Slice && kind != reflect.Array {
		return nil, fmt.Errorf("can only marshal slices and arrays into aggregation pipelines, but got %v", kind)
	}
	out := make([]bson.Raw, list.Len())
	for i := range out {
		doc, err := c.document(list.Index(i).Interface())
		if err != nil {
			return nil, err
		}
		out[i] = doc
	}
	return out, nil
}

// stages are the documents of an encoded array.
func stages(array []byte) ([]bson.Raw, error) {
	values, err := bson.RawArray(array).Values()
	if err != nil {
		return nil, err
	}
	out := make([]bson.Raw, len(values))
	for i, v := range values {
		doc, ok := v.DocumentOK()
		if !ok {
			return nil, fmt.Errorf("stage %d of the pipeline is a %v, not a document", i, v.Type)
		}
		out[i] = doc
	}
	return out, nil
}

// writesOut reports whether a pipeline ends with a stage that writes.
func writesOut(pipeline []bson.Raw) bool {
	if len(pipeline) == 0 {
		return false
	}
	first, err := pipeline[len(pipeline)-1].IndexErr(0)
	return err == nil && (first.Key() == "$out" || first.Key() == "$merge")
}

// documents encodes a list of documents.
func (c codec) documents(list []any) ([]any, error) {
	out := make([]any, len(list))
	for i, v := range list {
		doc, err := c.document(v)
		if err != nil {
			return nil, err
		}
		out[i] = doc
	}
	return out, nil
}

// insertion encodes a document to insert, with its _id.
func (c codec) insertion(v any) (doc bson.Raw, id any, err error) {
	if doc, err = c.document(v); err != nil {
		return nil, nil, err
	}
	if _, err := doc.LookupErr("_id"); err == nil {
		var has struct {
			ID any `bson:"_id"`
		}
		if err := c.decode(doc, &has); err != nil {
			return nil, nil, fmt.Errorf("error unmarshaling BSON document: %w", err)
		}
		return doc, has.ID, nil
	}
	oid := bson.NewObjectID()
	head, err := mgxbson.Marshal(bson.D{{Key: "_id", Value: oid}})
	if err != nil {
		return nil, nil, err
	}
	head = append(head[:len(head)-1], doc[4:]...)
	n := len(head)
	head[0], head[1], head[2], head[3] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
	return head, oid, nil
}

// decode decodes a document.
func (c codec) decode(doc bson.Raw, v any) error {
	if c.official() {
		return c.decoder(doc).Decode(v)
	}
	return mgxbson.Unmarshal(doc, v)
}

func (c codec) encoder(b *bytes.Buffer) *bson.Encoder {
	enc := bson.NewEncoder(bson.NewDocumentWriter(b))
	if c.registry != nil {
		enc.SetRegistry(c.registry)
	}
	o := c.opts
	if o == nil {
		return enc
	}
	for _, s := range []struct {
		on  bool
		set func()
	}{
		{o.ErrorOnInlineDuplicates, enc.ErrorOnInlineDuplicates},
		{o.IntMinSize, enc.IntMinSize},
		{o.NilByteSliceAsEmpty, enc.NilByteSliceAsEmpty},
		{o.NilMapAsEmpty, enc.NilMapAsEmpty},
		{o.NilSliceAsEmpty, enc.NilSliceAsEmpty},
		{o.OmitZeroStruct, enc.OmitZeroStruct},
		{o.OmitEmpty, enc.OmitEmpty},
		{o.StringifyMapKeysWithFmt, enc.StringifyMapKeysWithFmt},
		{o.UseJSONStructTags, enc.UseJSONStructTags},
	} {
		if s.on {
			s.set()
		}
	}
	return enc
}

func (c codec) decoder(doc bson.Raw) *bson.Decoder {
	dec := bson.NewDecoder(bson.NewDocumentReader(bytes.NewReader(doc)))
	if c.registry != nil {
		dec.SetRegistry(c.registry)
	}
	o := c.opts
	if o == nil {
		return dec
	}
	for _, s := range []struct {
		on  bool
		set func()
	}{
		{o.AllowTruncatingDoubles, dec.AllowTruncatingDoubles},
		{o.BinaryAsSlice, dec.BinaryAsSlice},
		{o.DefaultDocumentM, dec.DefaultDocumentM},
		{o.DefaultDocumentMap, dec.DefaultDocumentMap},
		{o.ObjectIDAsHexString, dec.ObjectIDAsHexString},
		{o.UseJSONStructTags, dec.UseJSONStructTags},
		{o.UseLocalTimeZone, dec.UseLocalTimeZone},
		{o.ZeroMaps, dec.ZeroMaps},
		{o.ZeroStructs, dec.ZeroStructs},
	} {
		if s.on {
			s.set()
		}
	}
	return dec
}
