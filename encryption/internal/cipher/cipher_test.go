package cipher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/cryptdata"
	"github.com/mgxdb/mgx/encryption/internal/payload"
	"github.com/mgxdb/mgx/encryption/internal/payloadtest"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

var errNoKey = errors.New("no such key")

// cipherOf is a Cipher with these keys. Alternate names are the identifiers' digits.
func cipherOf(keys map[[16]byte]*aead.Key) *Cipher {
	return New(func(_ context.Context, wanted []placeholder.Key) ([]*Key, error) {
		var list []*Key
		for _, w := range wanted {
			if w.AltName != "" {
				w.ID = payloadtest.ID(w.AltName)
			}
			k := keys[w.ID]
			if k == nil {
				return nil, errNoKey
			}
			list = append(list, &Key{ID: w.ID, Material: *k})
		}
		return list, nil
	})
}

// marking reads a marking of query analysis.
func marking(t *testing.T, data []byte) placeholder.Placeholder {
	t.Helper()
	doc := data[1:]
	look := func(path ...string) bsonwire.Value {
		v, _ := bsonwire.Lookup(doc, path...)
		return v
	}
	number := func(v bsonwire.Value) int64 {
		n, _ := v.AsInt64()
		return n
	}
	id := func(name string) placeholder.Key {
		_, b, _ := look(name).AsBinary()
		return placeholder.Key{ID: [16]byte(b)}
	}
	optional := func(v bsonwire.Value) *int32 {
		if v.IsZero() {
			return nil
		}
		return new(int32(number(v)))
	}
	p := placeholder.Placeholder{
		Purpose: placeholder.Purpose(number(look("t"))), Algorithm: placeholder.Unindexed - 1 + placeholder.Algorithm(number(look("a"))),
		Key: id("ku"), IndexKey: id("ki"), Contention: number(look("cm")), Value: look("v"),
	}
	if p.Algorithm != placeholder.Range {
		return p
	}
	p.Range = &placeholder.RangeOptions{Sparsity: number(look("s"))}
	if p.Purpose == placeholder.Insert {
		p.Value = look("v", "v")
		p.Range.Min, p.Range.Max = look("v", "min"), look("v", "max")
		p.Range.Precision, p.Range.TrimFactor = optional(look("v", "precision")), optional(look("v", "trimFactor"))
		return p
	}
	yes := func(v bsonwire.Value) bool { b, _ := v.AsBool(); return b }
	q := &placeholder.RangeQuery{
		PayloadID: int32(number(look("v", "payloadId"))), First: placeholder.Operator(number(look("v", "firstOperator"))),
		Second: placeholder.Operator(number(look("v", "secondOperator"))), Stub: look("v", "edgesInfo").IsZero(),
		Lower: look("v", "edgesInfo", "lowerBound"), LowerIncluded: yes(look("v", "edgesInfo", "lbIncluded")),
		Upper: look("v", "edgesInfo", "upperBound"), UpperIncluded: yes(look("v", "edgesInfo", "ubIncluded")),
	}
	p.Range.Min, p.Range.Max = look("v", "edgesInfo", "indexMin"), look("v", "edgesInfo", "indexMax")
	p.Range.Precision, p.Range.TrimFactor = optional(look("v", "edgesInfo", "precision")), optional(look("v", "edgesInfo", "trimFactor"))
	p.Query, p.Value = q, bsonwire.Value{}
	return p
}

// TestMarkings encrypts what query analysis marked, and compares with what libmongocrypt made of it.
func TestMarkings(t *testing.T) {
	keys := payloadtest.Keys(t)
	root := cryptdata.Path(t)
	tested := 0
	for _, pattern := range []string{"fle2-insert-v2", "fle2-insert-unindexed-v2", "fle2-find-equality-v2", "fle2-insert-range/*-v2", "fle2-find-range/*",
		"no-trimFactor/*", "range-sends-cryptoParams/auto-*", "fle2-insert-text-search", "fle2-delete/success", "dollardb/preserved"} {
		dirs, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(dirs) == 0 {
			t.Fatalf("no vectors %s (%v)", pattern, err)
		}
		for _, dir := range dirs {
			name, _ := filepath.Rel(root, dir)
			if _, err := os.Stat(filepath.Join(dir, "encrypted-payload.json")); err != nil {
				continue // the vectors have only an error for it
			}
			t.Run(name, func(t *testing.T) {
				marked := payloadtest.Encrypted(cryptdata.Document(t, name, "mongocryptd-reply.json"))
				want := payloadtest.Encrypted(cryptdata.Document(t, name, "encrypted-payload.json"))
				if len(marked) == 0 || len(marked) != len(want) {
					t.Fatalf("%d markings, %d payloads", len(marked), len(want))
				}
				for i, data := range marked {
					p := marking(t, data)
					c := cipherOf(keys)
					c.contention = func(int64) int64 { return payloadtest.Factor(want[i]) }
					got, err := c.Encrypt(t.Context(), []placeholder.Placeholder{p})
					if err != nil {
						t.Fatal(err)
					}
					payloadtest.Equal(t, got[0], want[i], keys, p.IndexKey.ID)
					tested++
				}
			})
		}
	}
	if tested < 20 {
		t.Errorf("only %d markings were tested", tested)
	}
}

func TestDecryptVectors(t *testing.T) {
	c := cipherOf(payloadtest.Keys(t))
	for name, want := range map[string]any{
		"FLE1DeterministicEncryptedValue": "foo", "FLE1RandomEncryptedValue": "foo", "FLE2InsertUpdatePayload": "value123",
		"FLE2InsertUpdatePayload-RangeV1": int32(123456), "FLE2UnindexedEncryptedValue": "value123",
		"FLE2IndexedEqualityEncryptedValue": "value123", "FLE2IndexedRangeEncryptedValue": int32(123456),
		"FLE2InsertUpdatePayloadV2": "value123", "FLE2InsertUpdatePayloadV2-RangeV1": int32(123456),
		"FLE2InsertUpdatePayloadV2-RangeV2": int32(123456), "FLE2UnindexedEncryptedValueV2": "foo",
		"FLE2IndexedEqualityEncryptedValueV2": "foo", "FLE2IndexedRangeEncryptedValueV2": int32(123),
		// These hold no encrypted value and stay as they are.
		"FLE1EncryptionPlaceholder": nil, "FLE2EncryptionPlaceholder": nil, "FLE2FindEqualityPayload": nil, "FLE2FindEqualityPayloadV2": nil,
	} {
		doc := cryptdata.Document(t, "explicit-decrypt", name+".json")
		got, err := c.Decrypt(t.Context(), doc)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		expected := doc
		if want != nil {
			expected, _ = bson.Marshal(bson.D{{"v", want}})
		}
		if !bytes.Equal(got, expected) {
			t.Errorf("%s: %v, want %v", name, got, expected)
		}
	}
}

// TestStoredValues decrypts what servers stored.
func TestStoredValues(t *testing.T) {
	for _, name := range []string{"FLECrudTest-insertOneV2", "FLECrudTest-insertOneRangeV2", "FLECrudTest-insertOneText", "FLECrudTest-insertOneTextLarge"} {
		var v map[string]any
		cryptdata.JSON(t, &v, "iev-v2", name+".json")
		text := func(key string) string { s, _ := v[key].(string); return s }
		keys := make(map[[16]byte]*aead.Key)
		for _, pair := range [][2]string{{"S_KeyId", "S_Key"}, {"K_KeyId", "K_Key"}} {
			k, err := aead.ParseKey(unhex(t, text(pair[1])))
			if err != nil {
				t.Fatal(err)
			}
			keys[payloadtest.ID(text(pair[0]))] = k
		}
		got, err := cipherOf(keys).DecryptValue(t.Context(), unhex(t, text("payload")))
		if want := unhex(t, text("bson_value")); err != nil || !bytes.Equal(got.Data, want) || fmt.Sprintf("%02x", byte(got.Type)) != text("bson_value_type") && fmt.Sprint(byte(got.Type)) != fmt.Sprint(v["bson_value_type"]) {
			t.Errorf("%s: %x of %s (%v), want %x of %v", name, got.Data, got.Type, err, want, v["bson_value_type"])
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b := make([]byte, len(s)/2)
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func valueOfGo(t testing.TB, v any) bsonwire.Value {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{"v", v}})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := bsonwire.Lookup(doc, "v")
	return got
}

var testKey = [16]byte{1, 2, 3}

func oneKey() *Cipher { return cipherOf(map[[16]byte]*aead.Key{testKey: {7, 95: 9}}) }

func TestRoundTrip(t *testing.T) {
	c := oneKey()
	for _, algorithm := range []placeholder.Algorithm{placeholder.Deterministic, placeholder.Random, placeholder.Unindexed, placeholder.Indexed} {
		values := []any{"text", "", int32(1), int64(2), bson.DateTime(3), bson.ObjectID{4}, bson.Regex{Pattern: "a", Options: "i"}, bson.Binary{Data: []byte("x")}, bson.Timestamp{T: 1}, bson.JavaScript("x")}
		if algorithm != placeholder.Deterministic {
			values = append(values, bson.D{{"a", bson.D{{"b", 1}}}}, bson.A{1, 2}, 1.5, true)
		}
		var places []placeholder.Placeholder
		doc := bson.D{}
		for i, v := range values {
			places = append(places, placeholder.Placeholder{Value: valueOfGo(t, v), Key: placeholder.Key{ID: testKey}, Algorithm: algorithm, Purpose: placeholder.Insert, Contention: 4})
			doc = append(doc, bson.E{Key: fmt.Sprint(i), Value: bson.D{{"in", bson.A{nil, v}}}})
		}
		data, err := c.Encrypt(t.Context(), places)
		if err != nil {
			t.Fatal(err)
		}
		hidden := bson.D{}
		for i := range data {
			hidden = append(hidden, bson.E{Key: fmt.Sprint(i), Value: bson.D{{"in", bson.A{nil, bson.Binary{Subtype: 6, Data: data[i]}}}}})
		}
		raw, err := bson.Marshal(hidden)
		if err != nil {
			t.Fatal(err)
		}
		want, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Decrypt(t.Context(), raw); err != nil || !bytes.Equal(got, want) {
			t.Errorf("algorithm %d: %v (%v), want %v", algorithm, got, err, bson.Raw(want))
		}
	}
}

func TestDecryptLeavesDocumentsAlone(t *testing.T) {
	doc, err := bson.Marshal(bson.D{{"a", bson.D{{"b", bson.A{1, "x", bson.Binary{Data: []byte{1}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := oneKey().Decrypt(t.Context(), doc)
	if err != nil || &got[0] != &doc[0] {
		t.Errorf("a document without encrypted values is copied (%v)", err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = oneKeyCipher.Decrypt(context.Background(), doc) }); n > 0 {
		t.Errorf("%v allocations for a document without encrypted values", n)
	}
}

var oneKeyCipher = oneKey()

func TestRefuses(t *testing.T) {
	options := &placeholder.RangeOptions{Min: valueOfGo(t, int32(0)), Max: valueOfGo(t, int32(9))}
	limits := &placeholder.TextLimits{MaxLength: 5, MinQuery: 1, MaxQuery: 3}
	for name, p := range map[string]placeholder.Placeholder{
		"null":                     {Value: valueOfGo(t, nil), Algorithm: placeholder.Random},
		"MinKey":                   {Value: valueOfGo(t, bson.MinKey{}), Algorithm: placeholder.Indexed, Purpose: placeholder.Insert},
		"no value":                 {Algorithm: placeholder.Random},
		"encrypted twice":          {Value: valueOfGo(t, bson.Binary{Subtype: 6, Data: []byte{1}}), Algorithm: placeholder.Random},
		"a deterministic double":   {Value: valueOfGo(t, 1.5), Algorithm: placeholder.Deterministic},
		"a deterministic array":    {Value: valueOfGo(t, bson.A{1}), Algorithm: placeholder.Deterministic},
		"no algorithm":             {Value: valueOfGo(t, 1), Purpose: placeholder.Insert},
		"no purpose":               {Value: valueOfGo(t, 1), Algorithm: placeholder.Indexed},
		"negative contention":      {Value: valueOfGo(t, 1), Algorithm: placeholder.Indexed, Purpose: placeholder.Insert, Contention: -1},
		"unindexed find":           {Value: valueOfGo(t, 1), Algorithm: placeholder.Unindexed, Purpose: placeholder.Find},
		"range without options":    {Value: valueOfGo(t, int32(1)), Algorithm: placeholder.Range, Purpose: placeholder.Insert},
		"query without bounds":     {Algorithm: placeholder.Range, Purpose: placeholder.Find, Range: options},
		"value out of range":       {Value: valueOfGo(t, int32(10)), Algorithm: placeholder.Range, Purpose: placeholder.Insert, Range: options},
		"value of another type":    {Value: valueOfGo(t, int64(1)), Algorithm: placeholder.Range, Purpose: placeholder.Insert, Range: options},
		"text without options":     {Value: valueOfGo(t, "x"), Algorithm: placeholder.TextPreview, Purpose: placeholder.Insert},
		"text that is none":        {Value: valueOfGo(t, 1), Algorithm: placeholder.TextPreview, Purpose: placeholder.Insert, Text: &placeholder.TextOptions{Prefix: limits}},
		"text without queries":     {Value: valueOfGo(t, "x"), Algorithm: placeholder.TextPreview, Purpose: placeholder.Insert, Text: &placeholder.TextOptions{}},
		"two text queries at once": {Value: valueOfGo(t, "x"), Algorithm: placeholder.TextPreview, Purpose: placeholder.Find, Text: &placeholder.TextOptions{Prefix: limits, Suffix: limits}},
		"a too long text query":    {Value: valueOfGo(t, "xxxx"), Algorithm: placeholder.TextPreview, Purpose: placeholder.Find, Text: &placeholder.TextOptions{Prefix: limits}},
	} {
		p.Key, p.Path = placeholder.Key{ID: testKey}, "a.b"
		got, err := oneKey().Encrypt(t.Context(), []placeholder.Placeholder{p})
		if err == nil || got != nil || !strings.Contains(err.Error(), `"a.b"`) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	missing := placeholder.Placeholder{Value: valueOfGo(t, 1), Algorithm: placeholder.Random, Key: placeholder.Key{ID: [16]byte{9}}}
	if _, err := oneKey().Encrypt(t.Context(), []placeholder.Placeholder{missing}); !errors.Is(err, errNoKey) {
		t.Errorf("a missing key: %v", err)
	}
}

func TestKeyID(t *testing.T) {
	c := cipherOf(map[[16]byte]*aead.Key{payloadtest.ID(payloadtest.Key123): {}})
	if got, err := c.KeyID(t.Context(), placeholder.Key{AltName: payloadtest.Key123}); err != nil || got != payloadtest.ID(payloadtest.Key123) {
		t.Errorf("%x (%v)", got, err)
	}
	if got, err := c.KeyID(t.Context(), placeholder.Key{ID: testKey}); err != nil || got != testKey {
		t.Errorf("%x (%v)", got, err)
	}
}

func TestCompactionTokens(t *testing.T) {
	c := cipherOf(payloadtest.Keys(t))
	for _, name := range []string{"compact/anchor-pad", "compact/success", "compact/text-search", "cleanup/success", "cleanup/text-search"} {
		doc := cryptdata.Document(t, name, "encrypted-payload.json")
		tokens, ok := bsonwire.Lookup(doc, "compactionTokens")
		if !ok {
			tokens, _ = bsonwire.Lookup(doc, "cleanupTokens")
		}
		schema, ok := bsonwire.Lookup(doc, "encryptionInformation", "schema", "db.test", "fields")
		if !ok {
			schema, ok = bsonwire.Lookup(cryptdata.Document(t, name, "collinfo.json"), "options", "encryptedFields", "fields")
		}
		if !ok {
			t.Fatalf("%s has no fields", name)
		}
		ids := make(map[string][16]byte)
		for r := bsonwire.NewReader(schema.Data); r.Next(); {
			path, _ := bsonwire.Lookup(r.Value().Data, "path")
			id, _ := bsonwire.Lookup(r.Value().Data, "keyId")
			_, b, _ := id.AsBinary()
			s, _ := path.AsString()
			ids[s] = [16]byte(b)
		}
		var fields []placeholder.TokenField
		for r := bsonwire.NewReader(tokens.Data); r.Next(); {
			fields = append(fields, placeholder.TokenField{Path: string(r.Key()), Key: placeholder.Key{ID: ids[string(r.Key())]}, Padded: r.Value().Type == bson.TypeEmbeddedDocument})
		}
		got, err := c.CompactionTokens(t.Context(), fields)
		if err != nil || !bytes.Equal(got, tokens.Data) {
			t.Errorf("%s: %v (%v), want %v", name, got, err, tokens.Raw())
		}
	}
}

// TestContention draws contention factors.
func TestContention(t *testing.T) {
	seen := make(map[int64]bool)
	for range 200 {
		n := oneKeyCipher.contention(3)
		if n < 0 || n > 3 {
			t.Fatalf("chose %d of 0 to 3", n)
		}
		seen[n] = true
	}
	if len(seen) != 4 {
		t.Errorf("of four factors, only %v were chosen", seen)
	}
}

func FuzzDecrypt(f *testing.F) {
	c := oneKey()
	data, err := c.Encrypt(context.Background(), []placeholder.Placeholder{
		{Value: valueOfGo(f, "x"), Algorithm: placeholder.Random, Key: placeholder.Key{ID: testKey}},
		{Value: valueOfGo(f, "x"), Algorithm: placeholder.Unindexed, Purpose: placeholder.Insert, Key: placeholder.Key{ID: testKey}},
		{Value: valueOfGo(f, "x"), Algorithm: placeholder.Indexed, Purpose: placeholder.Insert, Key: placeholder.Key{ID: testKey}},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range data {
		f.Add(d)
	}
	for t := range byte(20) {
		f.Add(append(append([]byte{t}, testKey[:]...), make([]byte, 200)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if v, err := c.DecryptValue(context.Background(), data); err == nil {
			if err := bsonwire.ValidateValue(v.Type, v.Data); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = payload.Parse(data)
		doc, _ := bson.Marshal(bson.D{{"a", bson.A{bson.Binary{Subtype: 6, Data: data}}}})
		if out, err := c.Decrypt(context.Background(), doc); err == nil {
			if err := bsonwire.ValidateStructure(out); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = c.Decrypt(context.Background(), data)
	})
}
