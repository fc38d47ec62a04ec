package encryption

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/cryptdata"
	"github.com/mgxdb/mgx/encryption/internal/payloadtest"
)

// vectors is a ClientEncryption with libmongocrypt's data keys, and their local master key of zeros.
func vectors(t *testing.T) *ClientEncryption {
	var docs []bson.Raw
	for _, name := range []string{payloadtest.KeyABC, payloadtest.Key123} {
		docs = append(docs, cryptdata.Document(t, "keys", name+"-local-document.json"))
	}
	return withKeys(t, map[string]Provider{"local": Local{Key: make([]byte, 96)}}, docs...)
}

func idOfKey(digits string) bson.Binary { return uuid(payloadtest.ID(digits)) }

// repeat encrypts until the contention factor is the one that was wanted.
func repeat(t *testing.T, want []byte, encrypt func() (bson.Binary, error)) []byte {
	t.Helper()
	for range 100 {
		got, err := encrypt()
		if err != nil {
			t.Fatal(err)
		}
		if payloadtest.Factor(got.Data) == payloadtest.Factor(want) {
			return got.Data
		}
	}
	t.Fatal("in a hundred attempts the contention factor was never the one of the vector")
	return nil
}

func TestStringVectors(t *testing.T) {
	c, keys := vectors(t), payloadtest.Keys(t)
	all := &StringQuery{MinQuery: 1, MaxQuery: 100}
	long := &StringQuery{MaxLength: 100, MinQuery: 1, MaxQuery: 100}
	for name, o := range map[string]struct {
		query  QueryType
		string StringOptions
	}{
		"insert-prefix":        {"", StringOptions{Prefix: all}},
		"insert-suffix":        {"", StringOptions{Suffix: all}},
		"insert-prefix-suffix": {"", StringOptions{Prefix: all, Suffix: all}},
		"insert-casef-diacf":   {"", StringOptions{Prefix: all}},
		"insert-substring":     {"", StringOptions{Substring: long}},
		"find-prefix":          {Prefix, StringOptions{Prefix: all, Suffix: all}},
		"find-suffix":          {SuffixPreview, StringOptions{Suffix: all}},
		"find-substring":       {SubstringPreview, StringOptions{Substring: long}},
	} {
		t.Run(name, func(t *testing.T) {
			o.string.CaseSensitive, o.string.DiacriticSensitive = true, true
			want := payloadtest.Encrypted(cryptdata.Document(t, "fle2-explicit", name+".json"))[0]
			got := repeat(t, want, func() (bson.Binary, error) {
				return c.Encrypt(t.Context(), "abc", EncryptOptions{KeyID: idOfKey(payloadtest.KeyABC), Algorithm: String, ContentionFactor: Contention(1), QueryType: o.query, String: &o.string})
			})
			if name == "insert-substring" {
				got, want = sorted(t, got), sorted(t, want) // substrings are a set
			}
			payloadtest.Equal(t, got, want, keys, payloadtest.ID(payloadtest.KeyABC))
		})
	}
}

// sorted puts the substrings' tokens of a payload in order.
func sorted(t *testing.T, data []byte) []byte {
	t.Helper()
	var doc bson.D
	if err := bson.Unmarshal(data[1:], &doc); err != nil {
		t.Fatal(err)
	}
	for _, e := range doc {
		if e.Key != "b" {
			continue
		}
		sets, _ := e.Value.(bson.D)
		for _, set := range sets {
			if list, ok := set.Value.(bson.A); ok && set.Key == "s" {
				sortByToken(list)
			}
		}
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return append(data[:1:1], raw...)
}

func sortByToken(list bson.A) {
	key := func(i int) string { return fmt.Sprint(list[i].(bson.D)[0].Value) }
	for i := range list {
		for j := i + 1; j < len(list); j++ {
			if key(j) < key(i) {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
}

func TestIndexedVectors(t *testing.T) {
	c, keys := vectors(t), payloadtest.Keys(t)
	id := idOfKey(payloadtest.KeyABC)
	want := payloadtest.Encrypted(cryptdata.Document(t, "fle2-explicit", "insert-indexed-same-user-and-index-key-v2.json"))[0]
	got, err := c.Encrypt(t.Context(), "value123", EncryptOptions{KeyID: id, Algorithm: Indexed, ContentionFactor: Contention(0)})
	if err != nil {
		t.Fatal(err)
	}
	payloadtest.Equal(t, got.Data, want, keys, payloadtest.ID(payloadtest.KeyABC))
}

func TestRangeVectors(t *testing.T) {
	c, keys := vectors(t), payloadtest.Keys(t)
	one, two := int64(1), new(int32(2))
	and := func(field string, bounds ...bson.E) bson.D {
		var list bson.A
		for _, b := range bounds {
			list = append(list, bson.D{{field, bson.D{b}}})
		}
		return bson.D{{"$and", list}}
	}
	for name, c1 := range map[string]struct {
		expression bson.D
		o          RangeOptions
		key        string
		contention int64
		dir        string
	}{
		"int32":                        {and("age", bson.E{"$gte", int32(23)}, bson.E{"$lte", int32(35)}), RangeOptions{Min: int32(0), Max: int32(200), Sparsity: one}, payloadtest.KeyABC, 4, "fle2-find-range-explicit"},
		"int32-openinterval":           {and("age", bson.E{"$gte", int32(23)}), RangeOptions{Min: int32(0), Max: int32(200), Sparsity: one}, payloadtest.KeyABC, 0, "fle2-find-range-explicit"},
		"explicit-find-int32-defaults": {and("age", bson.E{"$gte", int32(23)}, bson.E{"$lte", int32(35)}), RangeOptions{Min: int32(0), Max: int32(1234567)}, payloadtest.Key123, 1, "range-sends-cryptoParams"},
		"explicit-find-int32":          {and("age", bson.E{"$gte", int32(23)}, bson.E{"$lte", int32(35)}), RangeOptions{Min: int32(0), Max: int32(1234567), Sparsity: 3, TrimFactor: new(int32(4))}, payloadtest.Key123, 1, "range-sends-cryptoParams"},
	} {
		t.Run(name, func(t *testing.T) {
			file := "encrypted-payload-v2.json"
			if c1.dir != "fle2-find-range-explicit" {
				file = "expected.json"
			}
			want := cryptdata.Document(t, c1.dir, name, file)
			got, err := c.EncryptExpression(t.Context(), c1.expression, EncryptOptions{
				KeyID: idOfKey(c1.key), Algorithm: Range, QueryType: RangeQuery, ContentionFactor: Contention(c1.contention), Range: &c1.o})
			if err != nil {
				t.Fatal(err)
			}
			theirs, ours := payloadtest.Encrypted(want), payloadtest.Encrypted(got)
			if len(ours) != len(theirs) || len(ours) != len(c1.expression[0].Value.(bson.A)) {
				t.Fatalf("%d payloads, want %d", len(ours), len(theirs))
			}
			for i := range ours {
				// The numbers of queries are just counted.
				payloadtest.Equal(t, withoutID(t, ours[i]), withoutID(t, theirs[i]), keys, payloadtest.ID(c1.key))
			}
		})
	}
	for name, c1 := range map[string]struct {
		value any
		o     RangeOptions
	}{
		"explicit-insert-int32":          {int32(123456), RangeOptions{Min: int32(0), Max: int32(1234567), Sparsity: 3, TrimFactor: new(int32(4))}},
		"explicit-insert-int32-defaults": {int32(123456), RangeOptions{Min: int32(0), Max: int32(1234567)}},
		"explicit-insert-double":         {123456.0, RangeOptions{Min: 0.0, Max: 1234567.0, Precision: two, Sparsity: 3, TrimFactor: new(int32(4))}},
	} {
		t.Run(name, func(t *testing.T) {
			want := payloadtest.Encrypted(cryptdata.Document(t, "range-sends-cryptoParams", name, "expected.json"))[0]
			got := repeat(t, want, func() (bson.Binary, error) {
				return c.Encrypt(t.Context(), c1.value, EncryptOptions{KeyID: idOfKey(payloadtest.Key123), Algorithm: Range, ContentionFactor: Contention(1), Range: &c1.o})
			})
			payloadtest.Equal(t, got, want, keys, payloadtest.ID(payloadtest.Key123))
		})
	}
}

// withoutID sets the number of a query to 0.
func withoutID(t *testing.T, data []byte) []byte {
	t.Helper()
	var doc bson.D
	if err := bson.Unmarshal(data[1:], &doc); err != nil {
		t.Fatal(err)
	}
	for i := range doc {
		if doc[i].Key == "payloadId" {
			doc[i].Value = int32(0)
		}
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return append(data[:1:1], raw...)
}

// TestExpressionForms keeps the form of expressions: filters stay filters, aggregations aggregations, bounds in order.
func TestExpressionForms(t *testing.T) {
	c := vectors(t)
	o := EncryptOptions{KeyID: idOfKey(payloadtest.Key123), Algorithm: Range, QueryType: RangeQuery, ContentionFactor: Contention(0), Range: &RangeOptions{Min: 0.0, Max: 10.0, Precision: new(int32(1))}}
	for _, expression := range []bson.D{
		{{"$and", bson.A{bson.D{{"a.b", bson.D{{"$lt", 5.0}}}}, bson.D{{"a.b", bson.D{{"$gt", 1.0}}}}}}},
		{{"$and", bson.A{bson.D{{"$gte", bson.A{"$a.b", 1.0}}}, bson.D{{"$lte", bson.A{"$a.b", 5.0}}}}}},
		{{"$and", bson.A{bson.D{{"$lte", bson.A{"$a.b", 5.0}}}}}},
		{{"$and", bson.A{bson.D{{"a", bson.D{{"$gt", math.Inf(-1)}}}}, bson.D{{"a", bson.D{{"$lt", math.Inf(1)}}}}}}},
	} {
		got, err := c.EncryptExpression(t.Context(), expression, o)
		if err != nil {
			t.Errorf("%v: %v", expression, err)
			continue
		}
		raw, err := bson.Marshal(expression)
		if err != nil {
			t.Fatal(err)
		}
		if shape(got) != shape(raw) {
			t.Errorf("%v became %v", shape(raw), shape(got))
		}
	}
}

// shape is a document's keys and the texts in it.
func shape(doc []byte) string {
	var b strings.Builder
	for r := bsonwire.NewReader(doc); r.Next(); {
		b.Write(r.Key())
		switch v := r.Value(); v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			b.WriteString("{" + shape(v.Data) + "}")
		case bson.TypeString:
			s, _ := v.AsString()
			b.WriteString("=" + s)
		}
		b.WriteString(" ")
	}
	return b.String()
}

func TestRefusedExpressions(t *testing.T) {
	c := vectors(t)
	o := EncryptOptions{KeyID: idOfKey(payloadtest.Key123), Algorithm: Range, QueryType: RangeQuery, ContentionFactor: Contention(0), Range: &RangeOptions{Min: int32(0), Max: int32(10)}}
	bound := func(field, op string, v any) bson.D { return bson.D{{field, bson.D{{op, v}}}} }
	for name, expression := range map[string]any{
		"nothing":             nil,
		"no $and":             bound("a", "$gt", int32(1)),
		"an empty $and":       bson.D{{"$and", bson.A{}}},
		"values":              bson.D{{"$and", bson.A{1}}},
		"two fields":          bson.D{{"$and", bson.A{bound("a", "$gt", int32(1)), bound("b", "$lt", int32(2))}}},
		"two lower bounds":    bson.D{{"$and", bson.A{bound("a", "$gt", int32(1)), bound("a", "$gte", int32(2))}}},
		"three bounds":        bson.D{{"$and", bson.A{bound("a", "$gt", int32(1)), bound("a", "$lt", int32(2)), bound("a", "$lte", int32(2))}}},
		"another operator":    bson.D{{"$and", bson.A{bound("a", "$eq", int32(1))}}},
		"no operator":         bson.D{{"$and", bson.A{bson.D{{"a", int32(1)}}}}},
		"two in one":          bson.D{{"$and", bson.A{bson.D{{"a", bson.D{{"$gt", int32(1)}, {"$lt", int32(2)}}}}}}},
		"an empty document":   bson.D{{"$and", bson.A{bson.D{}}}},
		"filters and others":  bson.D{{"$and", bson.A{bound("a", "$gt", int32(1)), bson.D{{"$lt", bson.A{"$a", int32(2)}}}}}},
		"no path":             bson.D{{"$and", bson.A{bson.D{{"$lt", bson.A{"a", int32(2)}}}}}},
		"one operand":         bson.D{{"$and", bson.A{bson.D{{"$lt", bson.A{"$a"}}}}}},
		"another type":        bson.D{{"$and", bson.A{bound("a", "$gt", int64(1))}}},
		"null":                bson.D{{"$and", bson.A{bound("a", "$gt", nil)}}},
		"bounds out of order": bson.D{{"$and", bson.A{bound("a", "$gt", int32(5)), bound("a", "$lt", int32(4))}}},
		"more beside $and":    bson.D{{"$and", bson.A{bound("a", "$gt", int32(5))}}, {"x", 1}},
	} {
		if got, err := c.EncryptExpression(t.Context(), expression, o); !errors.Is(err, mgx.ErrEncryption) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	o.QueryType = ""
	if _, err := c.EncryptExpression(t.Context(), bson.D{{"$and", bson.A{bound("a", "$gt", int32(5))}}}, o); err == nil {
		t.Error("an expression is encrypted for storing")
	}
}

func TestRefusedOptions(t *testing.T) {
	c := vectors(t)
	id := idOfKey(payloadtest.Key123)
	integers := &RangeOptions{Min: int32(0), Max: int32(10)}
	strs := &StringOptions{Prefix: &StringQuery{MinQuery: 1, MaxQuery: 2}}
	for name, o := range map[string]EncryptOptions{
		"no key":                    {Algorithm: Random},
		"two keys":                  {KeyID: id, KeyAltName: "x", Algorithm: Random},
		"a key of another subtype":  {KeyID: bson.Binary{Data: make([]byte, 16)}, Algorithm: Random},
		"a short key":               {KeyID: bson.Binary{Subtype: 4, Data: make([]byte, 15)}, Algorithm: Random},
		"no algorithm":              {KeyID: id},
		"an unknown algorithm":      {KeyID: id, Algorithm: "AES"},
		"contention of random":      {KeyID: id, Algorithm: Random, ContentionFactor: Contention(1)},
		"contention of unindexed":   {KeyID: id, Algorithm: Unindexed, ContentionFactor: Contention(1)},
		"no contention":             {KeyID: id, Algorithm: Indexed},
		"negative contention":       {KeyID: id, Algorithm: Indexed, ContentionFactor: Contention(-1)},
		"query of unindexed":        {KeyID: id, Algorithm: Unindexed, QueryType: Equality},
		"range query of indexed":    {KeyID: id, Algorithm: Indexed, ContentionFactor: Contention(1), QueryType: RangeQuery},
		"equality query of range":   {KeyID: id, Algorithm: Range, ContentionFactor: Contention(1), QueryType: Equality, Range: integers},
		"one value of a range":      {KeyID: id, Algorithm: Range, ContentionFactor: Contention(1), QueryType: RangeQuery, Range: integers},
		"range options of indexed":  {KeyID: id, Algorithm: Indexed, ContentionFactor: Contention(1), Range: integers},
		"range without options":     {KeyID: id, Algorithm: Range, ContentionFactor: Contention(1)},
		"precision of integers":     {KeyID: id, Algorithm: Range, ContentionFactor: Contention(1), Range: &RangeOptions{Min: int32(0), Max: int32(10), Precision: new(int32(1))}},
		"precision without bounds":  {KeyID: id, Algorithm: Range, ContentionFactor: Contention(1), Range: &RangeOptions{Precision: new(int32(1))}},
		"doubles without precision": {KeyID: id, Algorithm: Range, ContentionFactor: Contention(1), Range: &RangeOptions{Min: 0.0, Max: 1.0}},
		"negative sparsity":         {KeyID: id, Algorithm: Range, ContentionFactor: Contention(1), Range: &RangeOptions{Min: int32(0), Max: int32(10), Sparsity: -1}},
		"string options of indexed": {KeyID: id, Algorithm: Indexed, ContentionFactor: Contention(1), String: strs},
		"string without options":    {KeyID: id, Algorithm: String, ContentionFactor: Contention(1)},
		"string without contention": {KeyID: id, Algorithm: String, String: strs},
		"an unknown key":            {KeyID: idOfKey(payloadtest.Key1235), Algorithm: Random},
		"an unknown name":           {KeyAltName: "nobody", Algorithm: Random},
	} {
		got, err := c.Encrypt(t.Context(), int32(5), o)
		if !errors.Is(err, mgx.ErrEncryption) || got.Data != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	var missing *KeyNotFoundError
	_, err := c.Encrypt(t.Context(), 1, EncryptOptions{KeyAltName: "nobody", Algorithm: Random})
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), `not all keys requested were satisfied`) || !strings.Contains(err.Error(), `"nobody"`) {
		t.Errorf("an unknown key: %v", err)
	}
}

// TestCustomKeyMaterial is the specification's prose test of that name, without its server: the key that it makes has
// this material.
func TestCustomKeyMaterial(t *testing.T) {
	c := withKeys(t, local(t))
	material, err := base64.StdEncoding.DecodeString("xPTAjBRG5JiPm+d3fj6XLi2q5DMXUS/f1f+SMAlhhwkhDRL0kr8r9GDLIGTAGlvC+HVjSIgdL+RKwZCvpXSyxTICWSXTUYsWYPyu3IoHbuBZdmw2faM3WhcRIgbMReU5")
	if err != nil {
		t.Fatal(err)
	}
	wrapped, master, err := c.wrapKey(t.Context(), "local", nil, material)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := bson.Marshal(bson.D{{"_id", uuid([16]byte{})}, {"keyMaterial", bson.Binary{Data: wrapped}}, {"masterKey", master}})
	if err != nil {
		t.Fatal(err)
	}
	c = withKeys(t, local(t), doc)
	got, err := c.Encrypt(t.Context(), "test", EncryptOptions{KeyID: uuid([16]byte{}), Algorithm: Deterministic})
	const want = "AQAAAAAAAAAAAAAAAAAAAAACz0ZOLuuhEYi807ZXTdhbqhLaS2/t9wLifJnnNYwiw79d75QYIZ6M/aYC1h9nCzCjZ7pGUpAuNnkUhnIXM3PjrA=="
	if err != nil || base64.StdEncoding.EncodeToString(got.Data) != want {
		t.Errorf("encrypted to %s (%v), want %s", base64.StdEncoding.EncodeToString(got.Data), err, want)
	}
}

func TestDecryptRefuses(t *testing.T) {
	c := vectors(t)
	value, err := c.Encrypt(t.Context(), "secret text", EncryptOptions{KeyID: idOfKey(payloadtest.Key123), Algorithm: Random})
	if err != nil {
		t.Fatal(err)
	}
	changed := bson.Binary{Subtype: 6, Data: append([]byte(nil), value.Data...)}
	changed.Data[len(changed.Data)-1] ^= 1
	if _, err := c.Decrypt(t.Context(), changed); !errors.Is(err, ErrForged) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a changed value: %v", err)
	}
	for _, v := range []bson.Binary{{}, {Subtype: 6}, {Subtype: 6, Data: []byte{1, 2}}, {Subtype: 0, Data: value.Data}, {Subtype: 6, Data: []byte{99, 1}}} {
		if _, err := c.Decrypt(t.Context(), v); !errors.Is(err, mgx.ErrEncryption) {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// TestClosed uses what is closed: nothing is encrypted with keys of zeros.
func TestClosed(t *testing.T) {
	c := vectors(t)
	o := EncryptOptions{KeyID: idOfKey(payloadtest.Key123), Algorithm: Random}
	value, err := c.Encrypt(t.Context(), 1, o)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	_, err1 := c.Encrypt(t.Context(), 1, o)
	_, err2 := c.Decrypt(t.Context(), value)
	_, err3 := c.CreateDataKey(t.Context(), "local", DataKeyOptions{})
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, mgx.ErrClosed) || !errors.Is(err, mgx.ErrEncryption) {
			t.Errorf("error %v", err)
		}
	}
}

func FuzzExpression(f *testing.F) {
	for _, d := range []bson.D{{{"$and", bson.A{bson.D{{"a", bson.D{{"$gt", 1}}}}}}}, {{"$and", bson.A{bson.D{{"$lt", bson.A{"$a", 1}}}}}}} {
		raw, err := bson.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseExpression(data)
		if err != nil {
			return
		}
		if len(e.bounds) == 0 || len(e.bounds) > 2 {
			t.Fatalf("%d bounds", len(e.bounds))
		}
		if err := bsonwire.ValidateStructure(e.with(make([][]byte, len(e.bounds)))); err != nil {
			t.Fatal(err)
		}
	})
}
