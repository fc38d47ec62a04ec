package analyse

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// marking is an encrypter that makes the markings of query analysis: see the specification "BSON Binary Encrypted", blob
// types 0 and 3.
type marking struct{ naming }

func (marking) Encrypt(_ context.Context, places []placeholder.Placeholder) (list [][]byte, _ error) {
	for _, p := range places {
		blob := []byte{3}
		if p.Algorithm <= placeholder.Random {
			blob[0] = 0
		}
		doc, at := bsonwire.Begin(blob)
		if blob[0] == 0 {
			doc = bsonwire.AppendInt32(doc, "a", int32(p.Algorithm))
			if p.Key.AltName != "" {
				doc = bsonwire.AppendString(doc, "ka", p.Key.AltName)
			} else {
				doc = bsonwire.AppendBinary(doc, "ki", 4, p.Key.ID[:])
			}
			list = append(list, bsonwire.End(bsonwire.AppendValue(doc, "v", p.Value), at))
			continue
		}
		doc = bsonwire.AppendInt32(doc, "t", int32(p.Purpose))
		doc = bsonwire.AppendInt32(doc, "a", int32(p.Algorithm-placeholder.Random))
		doc = bsonwire.AppendBinary(doc, "ki", 4, p.Key.ID[:])
		doc = appendMarked(doc, &p)
		doc = bsonwire.AppendInt64(doc, "cm", p.Contention)
		if p.Range != nil {
			doc = bsonwire.AppendInt64(doc, "s", cmp.Or(p.Range.Sparsity, 2))
		}
		list = append(list, bsonwire.End(doc, at))
	}
	return list, nil
}

func appendMarked(doc []byte, p *placeholder.Placeholder) []byte {
	if p.Range == nil {
		return bsonwire.AppendValue(doc, "v", p.Value)
	}
	doc, v := bsonwire.BeginDocument(doc, "v")
	q := p.Query
	f := Field{types: []bson.Type{p.Value.Type}, ranged: p.Range}
	if q != nil && !q.Stub {
		f.types[0] = q.Lower.Type
	}
	options := func(min, max string) {
		low, high := f.bounds()
		if p.Range.Precision != nil {
			doc = bsonwire.AppendInt32(doc, "precision", *p.Range.Precision)
		}
		if p.Range.TrimFactor != nil && q != nil {
			doc = bsonwire.AppendInt32(doc, "trimFactor", *p.Range.TrimFactor)
		}
		doc = bsonwire.AppendValue(bsonwire.AppendValue(doc, min, low), max, high)
	}
	switch {
	case q == nil:
		doc = bsonwire.AppendValue(doc, "v", p.Value)
		options("min", "max")
		return bsonwire.End(doc, v)
	case !q.Stub:
		var edges int
		doc, edges = bsonwire.BeginDocument(doc, "edgesInfo")
		doc = bsonwire.AppendValue(doc, "lowerBound", q.Lower)
		doc = bsonwire.AppendBoolean(doc, "lbIncluded", q.LowerIncluded)
		doc = bsonwire.AppendValue(doc, "upperBound", q.Upper)
		doc = bsonwire.AppendBoolean(doc, "ubIncluded", q.UpperIncluded)
		options("indexMin", "indexMax")
		doc = bsonwire.End(doc, edges)
	}
	doc = bsonwire.AppendInt32(doc, "payloadId", q.PayloadID)
	doc = bsonwire.AppendInt32(doc, "firstOperator", int32(q.First))
	if q.Second != placeholder.None {
		doc = bsonwire.AppendInt32(doc, "secondOperator", int32(q.Second))
	}
	return bsonwire.End(doc, v)
}

// markings are the documents of the markings in a document, by their order.
func markings(v bsonwire.Value) (list []bson.D) {
	if subtype, b, ok := v.AsBinary(); ok && subtype == 6 && len(b) > 1 && (b[0] == 0 || b[0] == 3) {
		var d bson.D
		if bson.Unmarshal(b[1:], &d) != nil {
			return nil
		}
		return append(list, d)
	}
	if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
		for r := bsonwire.NewReader(v.Data); r.Next(); {
			list = append(list, markings(r.Value())...)
		}
	}
	return list
}

// comparableMarking is a marking without the fields that TestMarkings does not compare, at any depth, and without the order
// of the others: the user key's id ("ku"), which the vectors' replies choose as they like, the number of a payload
// ("payloadId"), and the trim factor ("trimFactor"), which they have where the schema gives none.
func comparableMarking(d bson.D) map[string]any {
	m := map[string]any{}
	for _, e := range d {
		switch e.Key {
		case "ku", "payloadId", "trimFactor":
			continue
		}
		if sub, ok := e.Value.(bson.D); ok {
			m[e.Key] = comparableMarking(sub)
			continue
		}
		m[e.Key] = e.Value
	}
	return m
}

// The markings are those in the replies of libmongocrypt's vectors. Nothing says where a reply comes from: it may be of any
// version of query analysis, or written by hand. So this compares with what libmongocrypt takes, not with what a server
// answers today, and leaves out the fields that comparableMarking names. What stands around the markings is not compared.
func TestMarkings(t *testing.T) {
	dir := os.Getenv("MGX_CRYPT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "libmongocrypt-data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("libmongocrypt's vectors are not there; MGX_CRYPT_DATA says where they are")
	}
	for _, tt := range []struct{ dir, command, reply, schema string }{
		{"fle2-explain/with-mongocryptd", "cmd.json", "mongocryptd-reply.json", "collinfo.json"},
		{"fle2-insert-unindexed-v2", "cmd.json", "mongocryptd-reply.json", "encrypted-field-map.json"},
		{"fle2-insert-v2", "cmd.json", "mongocryptd-reply.json", "encrypted-field-map.json"},
		{"fle2-insert-range/decimal128-precision-v2", "cmd.json", "mongocryptd-reply.json", "encrypted-field-map.json"},
		{"fle2-insert-range/double-precision-v2", "cmd.json", "mongocryptd-reply.json", "encrypted-field-map.json"},
		{"range-sends-cryptoParams/auto-find-int32", "cmd.json", "mongocryptd-reply.json", "encrypted-field-map.json"},
		{"range-sends-cryptoParams/auto-insert-int32", "cmd.json", "mongocryptd-reply.json", "encrypted-field-map.json"},
		{"dollardb/preserved", "cmd.json", "mongocryptd-reply.json", "collinfo.json"},
		{"lookup/mixed/no-schema/csfle", "cmd.json", "reply-from-mongocryptd.json", "collInfo-c2.json"},
		{"lookup/qe-self", "cmd.json", "reply-from-mongocryptd.json", "collInfo-c1.json"},
		{"multikey", "command.json", "mongocryptd_reply.json", "schema_map.json"},
	} {
		t.Run(tt.dir, func(t *testing.T) {
			read := func(name string) bson.Raw {
				b, err := os.ReadFile(filepath.Join(dir, tt.dir, name))
				if err != nil {
					t.Skipf("this copy of the vectors has no %s", name)
				}
				return raw(string(b))
			}
			source := schemas{}
			schema := read(tt.schema)
			add := func(ns string, doc bson.Raw) {
				b, err := bson.MarshalExtJSON(doc, true, false)
				if err != nil {
					t.Fatal(err)
				}
				source[ns] = string(b)
			}
			if name, ok := schema.Lookup("name").StringValueOK(); ok {
				if doc, ok := schema.Lookup("options", "encryptedFields").DocumentOK(); ok {
					add("db."+name, doc)
				} else {
					add("db."+name, schema.Lookup("options", "validator", "$jsonSchema").Document())
				}
			} else {
				elements, _ := schema.Elements()
				for _, e := range elements {
					add(e.Key(), e.Value().Document())
				}
			}
			x := Analyser{Source: source, Encrypter: marking{}}
			out, err := x.Encrypt(t.Context(), "db", read(tt.command))
			if err != nil {
				t.Fatal(err)
			}
			got := markings(bsonwire.Value{Type: bson.TypeEmbeddedDocument, Data: out})
			want := markings(bsonwire.Value{Type: bson.TypeEmbeddedDocument, Data: read(tt.reply)})
			if len(got) != len(want) || len(want) == 0 {
				t.Fatalf("%d markings, want %d\n got %v\nwant %v", len(got), len(want), got, want)
			}
			for i := range got {
				g, w := bson.M(comparableMarking(got[i])), bson.M(comparableMarking(want[i]))
				gb, _ := bson.MarshalExtJSON(g, true, false)
				wb, _ := bson.MarshalExtJSON(w, true, false)
				if !equalJSON(gb, wb) {
					t.Errorf("marking %d:\n got %s\nwant %s", i, gb, wb)
				}
			}
		})
	}
}

func equalJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
