package analyse

import (
	"strings"
	"testing"
)

// encrypt is a schema with the keyword.
func encrypt(fields string) string { return `{"encrypt": {` + fields + `}}` }

const okKey = `"keyId": [` + key + `], `

// Schemas that cannot be kept are refused, before anything is done by them.
func TestJSONSchema(t *testing.T) {
	str := encrypt(okKey + `"bsonType": "string", "algorithm": ` + rand)
	object := func(properties string) string { return `{"bsonType": "object", "properties": {` + properties + `}}` }
	for _, tt := range []struct {
		name, schema string
		local        bool
		want         string // "": read
	}{
		{"encrypted", object(`"a": ` + str), true, ""},
		{"nested", object(`"a": ` + object(`"b": `+str)), true, ""},
		{"type", `{"type": "object", "properties": {"a": ` + str + `}}`, true, ""},
		{"inherited", `{"bsonType": "object", "encryptMetadata": {` + okKey + `"algorithm": ` + rand + `}, "properties": {"a": {"encrypt": {}}}}`, true, ""},
		{"patterns", `{"bsonType": "object", "patternProperties": {"^a": ` + str + `}}`, true, ""},
		{"all others", `{"bsonType": "object", "additionalProperties": ` + str + `}`, true, ""},
		{"nothing encrypted", `{"bsonType": "object"}`, true, ""},
		{"a server's validation", `{"bsonType": "object", "required": ["a"], "properties": {"a": ` + str + `, "b": {"enum": ["encrypt"], "minLength": 3}}}`, false, ""},
		{"a server's validation alone", `{"anyOf": [{"properties": {"b": {"bsonType": "int"}}}]}`, false, ""},

		{"array", `{"bsonType": "array", "properties": {"a": ` + str + `}}`, true, "Invalid schema containing the 'encrypt' keyword."},
		{"no type", `{"properties": {"a": ` + object(`"b": `+str) + `}}`, true, "Invalid schema"},
		{"two types", `{"bsonType": ["object", "string"], "properties": {"a": ` + str + `}}`, false, "Invalid schema"},
		{"root", str, true, "Invalid schema"},
		{"sibling", object(`"a": {"encrypt": {}, "bsonType": "object"}`), true, "'encrypt' cannot be used in conjunction with 'bsonType'"},
		{"anyOf", `{"anyOf": [` + object(`"a": `+str) + `]}`, true, "Invalid schema"},
		{"items", object(`"a": {"bsonType": "array", "items": ` + str + `}`), false, "Invalid schema"},
		{"not", `{"not": {"allOf": [` + object(`"a": `+str) + `]}}`, false, "Invalid schema"},
		{"required", `{"bsonType": "object", "required": ["a"], "properties": {"a": ` + str + `}}`, true, "JSON schema keyword 'required' is only allowed with a remote schema"},
		{"no key", object(`"a": ` + encrypt(`"algorithm": `+rand)), true, "needs a keyId"},
		{"no algorithm", object(`"a": ` + encrypt(okKey+`"bsonType": "string"`)), true, "needs an algorithm"},
		{"algorithm", object(`"a": ` + encrypt(okKey+`"algorithm": "rot13"`)), true, "the algorithm must be"},
		{"two keys", object(`"a": ` + encrypt(`"keyId": [`+key+`, `+key2+`], "algorithm": `+rand)), true, "must have one UUID"},
		{"key", object(`"a": ` + encrypt(`"keyId": ["x"], "algorithm": `+rand)), true, "must be a UUID"},
		{"pointer", object(`"a": ` + encrypt(`"keyId": "x", "algorithm": `+rand)), true, "JSON pointer"},
		{"deterministic pointer", object(`"a": ` + encrypt(`"keyId": "/x", "bsonType": "string", "algorithm": `+det)), true, "JSON pointer"},
		{"deterministic double", object(`"a": ` + encrypt(okKey+`"bsonType": "double", "algorithm": `+det)), true, "element of type: double"},
		{"deterministic anything", object(`"a": ` + encrypt(okKey+`"algorithm": `+det)), true, "exactly one specified non-object type"},
		{"null", object(`"a": ` + encrypt(okKey+`"bsonType": "null", "algorithm": `+rand)), true, "Cannot encrypt element of type: null"},
		{"unknown type", object(`"a": ` + encrypt(okKey+`"bsonType": "text", "algorithm": `+rand)), true, "bsonType must be the name of a type"},
		{"unknown field", object(`"a": ` + encrypt(okKey+`"queries": {}, "algorithm": `+rand)), true, "'queries' is not a field of encrypt"},
		{"dot", object(`"a.b": ` + str), true, "cannot contain a dot"},
		{"pattern", `{"bsonType": "object", "patternProperties": {"(?<=a)b": ` + str + `}}`, true, "not one that can be analysed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FromJSONSchema(raw(tt.schema), tt.local)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Names that several rules are for are encrypted by what all say, or refused.
func TestPatterns(t *testing.T) {
	str := encrypt(okKey + `"bsonType": "string", "algorithm": ` + det)
	s, err := FromJSONSchema(raw(`{"bsonType": "object", "properties": {"abc": {}, "x": `+str+`}, "patternProperties": {"^a": `+str+`, "^x": `+str+`}, "additionalProperties": `+str+`}`), true)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"a1": "field", "abc": "unknown", "x": "field", "other": "field"} {
		n := s.root.follow(path).node
		got := map[bool]string{true: "field"}[n.field != nil] + map[bool]string{true: "unknown"}[n.unknown]
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// EncryptedFields that make no sense are refused.
func TestEncryptedFields(t *testing.T) {
	field := func(s string) string { return `{"fields": [{"keyId": ` + key + `, ` + s + `}]}` }
	for _, tt := range []struct{ name, fields, want string }{
		{"none", `{"fields": []}`, ""},
		{"unindexed", field(`"path": "a"`), ""},
		{"named", `{"fields": [{"keyAltName": "x", "path": "a", "bsonType": "string"}]}`, ""},
		{"range", field(`"path": "a", "bsonType": "int", "queries": [{"queryType": "range", "min": 1, "max": 2, "sparsity": 1, "trimFactor": 1}]`), ""},
		{"text", field(`"path": "a", "bsonType": "string", "queries": {"queryType": "substringPreview", "strMaxLength": 9, "strMinQueryLength": 1, "strMaxQueryLength": 2}`), ""},

		{"no fields", `{}`, "there are no 'fields'"},
		{"twice", `{"fields": [{"keyId": ` + key + `, "path": "a"}, {"keyId": ` + key + `, "path": "a"}]}`, "in the way of another"},
		{"below", `{"fields": [{"keyId": ` + key + `, "path": "a"}, {"keyId": ` + key + `, "path": "a.b"}]}`, "in the way of another"},
		{"above", `{"fields": [{"keyId": ` + key + `, "path": "a.b"}, {"keyId": ` + key + `, "path": "a"}]}`, "in the way of another"},
		{"no key", `{"fields": [{"path": "a"}]}`, "has no keyId"},
		{"two keys", `{"fields": [{"keyId": ` + key + `, "keyAltName": "x", "path": "a"}]}`, "a keyId and a keyAltName"},
		{"no path", field(`"bsonType": "int"`), "has no path"},
		{"_id", field(`"path": "_id"`), "not a path that can be encrypted"},
		{"safe content", field(`"path": "__safeContent__"`), "not a path that can be encrypted"},
		{"empty part", field(`"path": "a..b"`), "not a path that can be encrypted"},
		{"no type", field(`"path": "a", "queries": {"queryType": "equality"}`), "needs one bsonType"},
		{"type without equality", field(`"path": "a", "bsonType": "double", "queries": {"queryType": "equality"}`), "no equality queries"},
		{"type without ranges", field(`"path": "a", "bsonType": "string", "queries": {"queryType": "range"}`), "has range queries, and needs"},
		{"minimum", field(`"path": "a", "bsonType": "int", "queries": {"queryType": "range", "min": 1.5}`), "'min' of 'a'"},
		{"text type", field(`"path": "a", "bsonType": "int", "queries": {"queryType": "prefix"}`), "needs the type string"},
		{"query type", field(`"path": "a", "bsonType": "int", "queries": {"queryType": "future"}`), "is not known"},
		{"two queries", field(`"path": "a", "bsonType": "int", "queries": [{"queryType": "equality"}, {"queryType": "range"}]`), "cannot be combined"},
		{"contention", field(`"path": "a", "bsonType": "int", "queries": {"queryType": "equality", "contention": -1}`), "'contention'"},
		{"null", field(`"path": "a", "bsonType": "null"`), "Cannot encrypt element of type: null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := FromEncryptedFields(t.Context(), "c", raw(tt.fields), naming{})
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "" && s.Fields.Lookup("escCollection").StringValue() != "enxcol_.c.esc":
				t.Errorf("%v", s.Fields)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
