package auto

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/analyse"
)

func marshal(t *testing.T, json string) bson.Raw {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		t.Fatal(err)
	}
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	field  = `{"encrypt": {"keyId": [{"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}], "bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}}`
	schema = `{"bsonType": "object", "properties": {"a": ` + field + `}}`
	fields = `{"fields": [{"path": "a", "bsonType": "string", "keyId": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}}]}`
)

// What the server says of a collection is asked for once a minute, and read as it is to be; what could not be asked is
// asked again.
func TestSchemas(t *testing.T) {
	for name, tt := range map[string]struct {
		info string // "": there is no collection
		kind analyse.Kind
		want string // part of an error
	}{
		"none":       {"", analyse.NoEncryption, ""},
		"plain":      {`{"name": "c", "type": "collection", "options": {}}`, analyse.NoEncryption, ""},
		"validator":  {`{"options": {"validator": {"$jsonSchema": ` + schema + `}}}`, analyse.FieldLevel, ""},
		"expression": {`{"options": {"validator": {"a": 1}}}`, analyse.NoEncryption, ""},
		"both":       {`{"options": {"validator": {"$jsonSchema": ` + schema + `}, "encryptedFields": ` + fields + `}}`, analyse.Queryable, ""},
		"siblings":   {`{"options": {"validator": {"$jsonSchema": ` + schema + `, "b": 1}}}`, 0, "has siblings"},
		"view":       {`{"type": "view", "options": {"viewOn": "d"}}`, 0, "cannot auto encrypt a view"},
		"no fields":  {`{"options": {"encryptedFields": 1}}`, 0, "are no document"},
	} {
		t.Run(name, func(t *testing.T) {
			now, asked := time.Now(), 0
			failing := errors.New("no server")
			c, err := New(Config{Now: func() time.Time { return now }, Collection: func(context.Context, string, string) (bson.Raw, error) {
				if asked++; failing != nil || tt.info == "" {
					return nil, failing
				}
				return marshal(t, tt.info), nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Schema(t.Context(), "db", "c"); !errors.Is(err, failing) {
				t.Error(err)
			}
			failing = nil
			for range 2 {
				s, err := c.Schema(t.Context(), "db", "c")
				if tt.want == "" && (err != nil || s.Kind != tt.kind) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("%+v, %v", s, err)
				}
			}
			kept := asked == 2
			now = now.Add(lifetime)
			_, _ = c.Schema(t.Context(), "db", "c")
			if tt.want == "" && (!kept || asked != 3) {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// What the user says counts, and is not asked for; it must not contradict itself.
func TestLocalSchemas(t *testing.T) {
	asks := func(context.Context, string, string) (bson.Raw, error) { return nil, errors.New("asked") }
	c, err := New(Config{
		Collection: asks, SchemaMap: map[string]bson.Raw{"db.s": marshal(t, schema)}, EncryptedFieldsMap: map[string]bson.Raw{"db.q": marshal(t, fields)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for collection, kind := range map[string]analyse.Kind{"s": analyse.FieldLevel, "q": analyse.Queryable} {
		for range 2 {
			if s, err := c.Schema(t.Context(), "db", collection); err != nil || s.Kind != kind {
				t.Errorf("%s: %+v, %v", collection, s, err)
			}
		}
	}
	if c.EncryptedFields("db", "q") == nil || c.EncryptedFields("db", "s") != nil {
		t.Error("the encryptedFields of the map are not those of the collection")
	}
	both := map[string]bson.Raw{"db.c": marshal(t, schema)}
	if _, err := New(Config{SchemaMap: both, EncryptedFieldsMap: both}); err == nil || !strings.Contains(err.Error(), "present in both") {
		t.Error(err)
	}
	if _, err := New(Config{SchemaMap: map[string]bson.Raw{"db": nil}}); err == nil || !strings.Contains(err.Error(), "is no namespace") {
		t.Error(err)
	}
}

// What is bypassed is sent as it is.
func TestEncrypts(t *testing.T) {
	for command, want := range map[string]bool{"find": true, "killOp": true, "getMore": false, "ping": false} {
		c, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Encrypts(command) != want {
			t.Errorf("%s: %v", command, !want)
		}
		if c.BypassEncryption = true; c.Encrypts(command) {
			t.Errorf("%s is encrypted all the same", command)
		}
	}
}
