package analyse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// naming is an encrypter whose ciphertexts say what they were made of.
type naming struct{}

var algorithmNames = map[placeholder.Algorithm]string{
	placeholder.Deterministic: "det", placeholder.Random: "rand", placeholder.Unindexed: "unindexed", placeholder.Indexed: "indexed",
	placeholder.Range: "range", placeholder.TextPreview: "text",
}

func (naming) Encrypt(_ context.Context, places []placeholder.Placeholder) (list [][]byte, _ error) {
	for _, p := range places {
		s := algorithmNames[p.Algorithm] + " " + p.Path
		if p.Key.AltName != "" {
			s += " by " + p.Key.AltName
		}
		if p.Purpose == placeholder.Find && p.Algorithm > placeholder.Random {
			s += " find"
		}
		if q := p.Query; q != nil {
			s += describe(q)
		} else {
			s += " " + text(p.Value)
		}
		list = append(list, []byte(s))
	}
	return list, nil
}

func describe(q *placeholder.RangeQuery) string {
	if q.Stub {
		return fmt.Sprintf(" %d stub", q.PayloadID)
	}
	open, end := "(", ")"
	if q.LowerIncluded {
		open = "["
	}
	if q.UpperIncluded {
		end = "]"
	}
	return fmt.Sprintf(" %d %s%s, %s%s %d %d", q.PayloadID, open, text(q.Lower), text(q.Upper), end, q.First, q.Second)
}

// text is a value as Extended JSON.
func text(v bsonwire.Value) string {
	b, _ := bson.MarshalExtJSON(bson.D{{Key: "", Value: v.Raw()}}, false, false)
	return strings.TrimSuffix(strings.TrimPrefix(string(b), `{"":`), "}")
}

func (naming) KeyID(_ context.Context, k placeholder.Key) ([16]byte, error) {
	return [16]byte([]byte(fmt.Sprintf("%-16s", k.AltName))[:16]), nil
}

func (naming) CompactionTokens(_ context.Context, fields []placeholder.TokenField) (bson.Raw, error) {
	doc, at := bsonwire.Begin(nil)
	for _, f := range fields {
		doc = bsonwire.AppendString(doc, f.Path, fmt.Sprint("token ", f.Padded))
	}
	return bsonwire.End(doc, at), nil
}

// schemas are a source of schemas, in Extended JSON.
type schemas map[string]string

func (s schemas) Schema(ctx context.Context, database, collection string) (*Schema, error) {
	known, ok := s[database+"."+collection]
	switch {
	case !ok:
		return Plain(), nil
	case known == "view":
		return nil, errors.New("cannot auto encrypt a view")
	}
	doc := raw(known)
	if _, err := doc.LookupErr("fields"); err == nil {
		return FromEncryptedFields(ctx, collection, doc, naming{})
	}
	return FromJSONSchema(doc, true)
}

func (s schemas) Local(ctx context.Context, database, collection string) (*Schema, error) {
	if _, ok := s[database+"."+collection]; !ok {
		return nil, nil
	}
	return s.Schema(ctx, database, collection)
}

func raw(json string) bson.Raw {
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		panic(fmt.Sprintf("%v: %s", err, json))
	}
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return b
}

// shown is a document as Extended JSON, with what is encrypted as «text».
func shown(doc []byte) string {
	var show func(dst, src []byte) []byte
	show = func(dst, src []byte) []byte {
		dst, at := bsonwire.Begin(dst)
		for r := bsonwire.NewReader(src); r.Next(); {
			key, v := string(r.Key()), r.Value()
			if subtype, b, ok := v.AsBinary(); ok && subtype == 6 {
				dst = bsonwire.AppendString(dst, key, "«"+string(b)+"»")
			} else if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
				dst = show(bsonwire.AppendHeader(dst, v.Type, key), v.Data)
			} else {
				dst = bsonwire.AppendValue(dst, key, v)
			}
		}
		return bsonwire.End(dst, at)
	}
	b, err := bson.MarshalExtJSON(bson.Raw(show(nil, doc)), false, false)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

const (
	key   = `{"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}`
	key2  = `{"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAQ==", "subType": "04"}}`
	det   = `"AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"`
	rand  = `"AEAD_AES_256_CBC_HMAC_SHA_512-Random"`
	fleDB = `{"bsonType": "object", "properties": {
		"ssn": {"encrypt": {"keyId": [` + key + `], "bsonType": "string", "algorithm": ` + det + `}},
		"tin": {"encrypt": {"keyId": [` + key + `], "bsonType": "string", "algorithm": ` + det + `}},
		"id": {"encrypt": {"keyId": [` + key2 + `], "bsonType": "string", "algorithm": ` + det + `}},
		"note": {"encrypt": {"keyId": [` + key + `], "algorithm": ` + rand + `}},
		"memo": {"encrypt": {"keyId": [` + key + `], "algorithm": ` + rand + `}},
		"named": {"encrypt": {"keyId": "/who", "bsonType": "string", "algorithm": ` + rand + `}},
		"user": {"bsonType": "object", "properties": {"n": {"encrypt": {"keyId": [` + key + `], "bsonType": "int", "algorithm": ` + det + `}}}}}}`
	qeDB = `{"fields": [
		{"keyId": ` + key + `, "path": "eq", "bsonType": "string", "queries": {"queryType": "equality", "contention": 0}},
		{"keyId": ` + key + `, "path": "un", "bsonType": "string"},
		{"keyId": ` + key + `, "path": "age", "bsonType": "int", "queries": {"queryType": "range", "min": 0, "max": 200, "sparsity": 1, "trimFactor": 1}},
		{"keyId": ` + key + `, "path": "at", "bsonType": "date", "queries": {"queryType": "range"}},
		{"keyId": ` + key + `, "path": "d", "bsonType": "double", "queries": {"queryType": "range"}},
		{"keyId": ` + key + `, "path": "t", "bsonType": "string", "queries": [{"queryType": "prefix", "strMinQueryLength": 1, "strMaxQueryLength": 9, "caseSensitive": true, "diacriticSensitive": true}, {"queryType": "suffix", "strMinQueryLength": 1, "strMaxQueryLength": 9, "caseSensitive": true, "diacriticSensitive": true}]},
		{"keyId": ` + key + `, "path": "in.x", "bsonType": "string", "queries": {"queryType": "equality"}}]}`
)

var known = schemas{"db.f": fleDB, "db.g": fleDB, "db.q": qeDB, "db.v": "view"}

func analysed1(command string) (string, error) {
	x := Analyser{Source: known, Encrypter: naming{}}
	out, err := x.Encrypt(context.Background(), "db", raw(command))
	if err != nil {
		return "", err
	}
	if err := bsonwire.Validate(out); err != nil {
		return "", err
	}
	list := bson.D{}
	if err := bson.Unmarshal(out, &list); err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(e bson.E) bool { return e.Key == "encryptionInformation" })
	doc, _ := bson.Marshal(list)
	return shown(doc), nil
}

// normal is Extended JSON in the form that shown has it.
func normal(json string) string { return shown(raw(json)) }

// What is sent of commands, or why they are refused. A want that begins with ! is part of an error.
func TestAnalysis(t *testing.T) {
	for _, tt := range []struct{ name, command, want string }{
		// Filters.
		{"equality", `{"find": "f", "filter": {"ssn": "1", "a": 2}}`, `{"find": "f", "filter": {"ssn": {"$eq": "«det ssn \"1\"»"}, "a": {"$eq": 2}}}`},
		{"operators", `{"find": "f", "filter": {"ssn": {"$eq": "1", "$ne": "2", "$in": ["3"], "$nin": ["4"], "$exists": true, "$not": {"$eq": "5"}}}}`,
			`{"find": "f", "filter": {"ssn": {"$eq": "«det ssn \"1\"»", "$ne": "«det ssn \"2\"»", "$in": ["«det ssn \"3\"»"], "$nin": ["«det ssn \"4\"»"], "$exists": true, "$not": {"$eq": "«det ssn \"5\"»"}}}}`},
		{"logic", `{"find": "f", "filter": {"$and": [{"$or": [{"ssn": "1"}]}, {"$nor": [{"user.n": 2}]}]}}`,
			`{"find": "f", "filter": {"$and": [{"$or": [{"ssn": {"$eq": "«det ssn \"1\"»"}}]}, {"$nor": [{"user.n": {"$eq": "«det user.n 2»"}}]}]}}`},
		{"document", `{"find": "f", "filter": {"user": {"n": 1, "x": "y"}}}`, `{"find": "f", "filter": {"user": {"$eq": {"n": "«det user.n 1»", "x": "y"}}}}`},
		{"documents", `{"find": "f", "filter": {"user": {"$in": [{"n": 1}, 2]}}}`, `{"find": "f", "filter": {"user": {"$in": [{"n": "«det user.n 1»"}, 2]}}}`},
		{"random", `{"find": "f", "filter": {"note": "x"}}`, "!Cannot query on fields encrypted with the randomized encryption"},
		{"exists what", `{"find": "f", "filter": {"ssn": {"$exists": "1"}}}`, "!needs a boolean"},
		{"random exists", `{"find": "f", "filter": {"note": {"$exists": true}}}`, `{"find": "f", "filter": {"note": {"$exists": true}}}`},
		{"null", `{"find": "f", "filter": {"ssn": null}}`, "!Illegal equality to null predicate for encrypted field"},
		{"null in", `{"find": "f", "filter": {"ssn": {"$in": [null]}}}`, "!Illegal equality to null inside $in against an encrypted field"},
		{"regex", `{"find": "f", "filter": {"ssn": {"$regularExpression": {"pattern": "a", "options": ""}}}}`, "!Illegal equality to regex"},
		{"wrong type", `{"find": "f", "filter": {"ssn": 1}}`, "!Cannot encrypt element of type: int"},
		{"greater", `{"find": "f", "filter": {"ssn": {"$gt": "1"}}}`, "!Invalid match expression operator on encrypted field"},
		{"elemMatch", `{"find": "f", "filter": {"user": {"$elemMatch": {"n": 1}}}}`, "!Invalid operation on path 'user'"},
		{"below", `{"find": "f", "filter": {"ssn.x": "1"}}`, "!contains an encrypted path prefix"},
		{"through an array", `{"find": "f", "filter": {"user.0.n": 1}}`, "!through an array"},
		{"text", `{"find": "f", "filter": {"$text": {"$search": "1"}}}`, "!Unsupported match expression operator for encryption: $text"},
		{"where", `{"find": "f", "filter": {"$where": "1"}}`, "!Unsupported match expression operator for encryption: $where"},
		{"jsonSchema", `{"find": "f", "filter": {"$jsonSchema": {}}}`, "!Unsupported match expression operator for encryption: $jsonSchema"},
		{"unknown operator", `{"find": "f", "filter": {"$future": {"ssn": "1"}}}`, "!Unsupported match expression operator"},
		{"plain operators", `{"find": "f", "filter": {"a": {"$gt": 1, "$regex": "x"}, "b.0.c": {"$elemMatch": {"d": 1}}}}`, `{"find": "f", "filter": {"a": {"$gt": 1, "$regex": "x"}, "b.0.c": {"$elemMatch": {"d": 1}}}}`},
		{"collation", `{"find": "f", "filter": {"ssn": "1"}, "collation": {"locale": "en"}}`, "!non-simple collation"},
		{"simple collation", `{"find": "f", "filter": {"ssn": "1"}, "collation": {"locale": "simple"}}`, `{"find": "f", "filter": {"ssn": {"$eq": "«det ssn \"1\"»"}}, "collation": {"locale": "simple"}}`},
		{"already encrypted", `{"find": "f", "filter": {"ssn": {"$binary": {"base64": "AA==", "subType": "06"}}}}`, "!Cannot encrypt binary data of subtype 6"},
		// Expressions.
		{"expr", `{"find": "f", "filter": {"$expr": {"$eq": ["$ssn", "1"]}}}`, `{"find": "f", "filter": {"$expr": {"$eq": ["$ssn", "«det ssn \"1\"»"]}}}`},
		{"expr literal", `{"find": "f", "filter": {"$expr": {"$ne": [{"$literal": "$1"}, "$ssn"]}}}`, `{"find": "f", "filter": {"$expr": {"$ne": ["«det ssn \"$1\"»", "$ssn"]}}}`},
		{"expr in", `{"find": "f", "filter": {"$expr": {"$in": ["$ssn", ["1"]]}}}`, `{"find": "f", "filter": {"$expr": {"$in": ["$ssn", ["«det ssn \"1\"»"]]}}}`},
		{"expr fields", `{"find": "f", "filter": {"$expr": {"$eq": ["$ssn", "$tin"]}}}`, `{"find": "f", "filter": {"$expr": {"$eq": ["$ssn", "$tin"]}}}`},
		{"expr other key", `{"find": "f", "filter": {"$expr": {"$eq": ["$ssn", "$id"]}}}`, "!Comparison disallowed"},
		{"expr with plain", `{"find": "f", "filter": {"$expr": {"$eq": ["$ssn", "$a"]}}}`, "!Comparison disallowed"},
		{"expr with variable", `{"find": "f", "let": {"x": "1"}, "filter": {"$expr": {"$eq": ["$ssn", "$$x"]}}}`, "!can only be compared with a constant"},
		{"expr function", `{"find": "f", "filter": {"$expr": {"$eq": [{"$concat": ["$ssn", "1"]}, "x1"]}}}`, "!Invalid reference to an encrypted field"},
		{"expr choice", `{"find": "f", "filter": {"$expr": {"$eq": [{"$cond": ["$a", "$ssn", "$b"]}, "1"]}}}`, "!Invalid reference to an encrypted field"},
		{"expr root", `{"find": "f", "filter": {"$expr": {"$eq": ["$$ROOT.ssn", "1"]}}}`, `{"find": "f", "filter": {"$expr": {"$eq": ["$$ROOT.ssn", "«det ROOT.ssn \"1\"»"]}}}`},
		{"expr let", `{"find": "f", "filter": {"$expr": {"$let": {"vars": {"v": "$ssn"}, "in": {"$eq": ["$$v", "1"]}}}}}`, `{"find": "f", "filter": {"$expr": {"$let": {"vars": {"v": "$ssn"}, "in": {"$eq": ["$$v", "«det v \"1\"»"]}}}}}`},
		{"expr getField", `{"find": "f", "filter": {"$expr": {"$eq": [{"$getField": "ssn"}, "1"]}}}`, "!Invalid reference to an encrypted field"},
		{"expr random", `{"find": "f", "filter": {"$expr": {"$eq": ["$note", "1"]}}}`, "!Cannot query on fields encrypted with the randomized"},
		{"expr document", `{"find": "f", "filter": {"$expr": {"$eq": ["$user", {"n": 1}]}}}`, "!Invalid reference to an encrypted field"},
		{"expr plain", `{"find": "f", "filter": {"$expr": {"$gt": [{"$add": ["$a", 1]}, "$b"]}}}`, `{"find": "f", "filter": {"$expr": {"$gt": [{"$add": ["$a", 1]}, "$b"]}}}`},
		{"expr map", `{"find": "f", "filter": {"$expr": {"$map": {"input": "$ssn", "as": "s", "in": {"$eq": ["$$s", "1"]}}}}}`, "!Invalid reference to an encrypted field"},
		// The rest of find.
		{"projection", `{"find": "f", "projection": {"ssn": 1, "x": "$note"}}`, `{"find": "f", "projection": {"ssn": 1, "x": "$note"}}`},
		{"projection slice", `{"find": "f", "projection": {"ssn": {"$slice": 1}}}`, "!the projection $slice is not supported"},
		{"sort", `{"find": "f", "sort": {"ssn": 1}}`, "!the sort is on the encrypted field 'ssn'"},
		{"min", `{"find": "f", "min": {"ssn": "1"}}`, "!the min is on the encrypted field 'ssn'"},
		{"unknown field", `{"find": "f", "future": {"ssn": "1"}}`, "!the field 'future' of find is not known"},
		{"unknown field of plain", `{"find": "x", "future": {"ssn": "1"}}`, `{"find": "x", "future": {"ssn": "1"}}`},
		{"plain", `{"find": "x", "filter": {"ssn": "1"}}`, `{"find": "x", "filter": {"ssn": "1"}}`},
		{"view", `{"find": "v", "filter": {}}`, "!cannot auto encrypt a view"},
		// Inserts.
		{"insert", `{"insert": "f", "documents": [{"_id": 1, "ssn": "1", "note": {"a": 1}, "user": {"n": 2, "m": 3}, "named": "x", "who": "bob"}]}`,
			`{"insert": "f", "documents": [{"_id": 1, "ssn": "«det ssn \"1\"»", "note": "«rand note {\"a\":1}»", "user": {"n": "«det user.n 2»", "m": 3}, "named": "«rand named by bob \"x\"»", "who": "bob"}]}`},
		{"insert null", `{"insert": "f", "documents": [{"ssn": null}]}`, "!Cannot encrypt element of type: null"},
		{"insert minKey", `{"insert": "f", "documents": [{"note": {"$minKey": 1}}]}`, "!Cannot encrypt element of type: minKey"},
		{"insert array", `{"insert": "f", "documents": [{"ssn": ["1"]}]}`, "!Cannot encrypt element of type: array"},
		{"insert array above", `{"insert": "f", "documents": [{"user": [{"n": 1}]}]}`, "!Cannot encrypt an array at path 'user'"},
		{"insert dotted", `{"insert": "f", "documents": [{"user.n": 1}]}`, "!contains a dot"},
		{"insert timestamp", `{"insert": "f", "documents": [{"note": {"$timestamp": {"t": 0, "i": 0}}}]}`, "!A command that inserts cannot supply Timestamp(0, 0) for an encrypted"},
		{"insert without name", `{"insert": "f", "documents": [{"named": "x"}]}`, "!has no field 'who'"},
		// Updates.
		{"set", `{"update": "f", "updates": [{"q": {"ssn": "1"}, "u": {"$set": {"ssn": "2", "user.n": 3, "user": {"n": 4}}}}]}`,
			`{"update": "f", "updates": [{"q": {"ssn": {"$eq": "«det ssn \"1\"»"}}, "u": {"$set": {"ssn": "«det ssn \"2\"»", "user.n": "«det user.n 3»", "user": {"n": "«det user.n 4»"}}}}]}`},
		{"replacement", `{"update": "f", "updates": [{"q": {}, "u": {"ssn": "2"}, "upsert": true}]}`, `{"update": "f", "updates": [{"q": {}, "u": {"ssn": "«det ssn \"2\"»"}, "upsert": true}]}`},
		{"unset", `{"update": "f", "updates": [{"q": {}, "u": {"$unset": {"ssn": 1, "a": 1}}}]}`, `{"update": "f", "updates": [{"q": {}, "u": {"$unset": {"ssn": "", "a": 1}}}]}`},
		{"inc", `{"update": "f", "updates": [{"q": {}, "u": {"$inc": {"user.n": 1}}}]}`, "!$inc and $mul not allowed on encrypted values"},
		{"min", `{"update": "f", "updates": [{"q": {}, "u": {"$min": {"user": {"n": 1}}}}]}`, "!$max and $min not allowed on encrypted values"},
		{"push", `{"update": "f", "updates": [{"q": {}, "u": {"$push": {"ssn": "1"}}}]}`, "!$push not allowed on encrypted values"},
		{"push into array", `{"update": "f", "updates": [{"q": {}, "u": {"$push": {"a": {"ssn": "1"}}}}]}`, `{"update": "f", "updates": [{"q": {}, "u": {"$push": {"a": {"ssn": "1"}}}}]}`},
		{"rename", `{"update": "f", "updates": [{"q": {}, "u": {"$rename": {"ssn": "tin", "a": "b"}}}]}`, `{"update": "f", "updates": [{"q": {}, "u": {"$rename": {"ssn": "tin", "a": "b"}}}]}`},
		{"rename to plain", `{"update": "f", "updates": [{"q": {}, "u": {"$rename": {"ssn": "a"}}}]}`, "!$rename between two encrypted fields must have the same metadata"},
		{"rename from plain", `{"update": "f", "updates": [{"q": {}, "u": {"$rename": {"a": "ssn"}}}]}`, "!$rename between two encrypted fields must have the same metadata"},
		{"positional", `{"update": "f", "updates": [{"q": {}, "u": {"$set": {"ssn.$": "1"}}}]}`, "!Cannot encrypt fields below '$' positional update operator"},
		{"array filter", `{"update": "f", "updates": [{"q": {}, "u": {"$set": {"ssn.$[i].x": "1"}}}]}`, "!Array update operations not allowed on encrypted values"},
		{"positional through", `{"update": "f", "updates": [{"q": {}, "u": {"$set": {"user.$[].n": 1}}}]}`, "!Array update operations not allowed on encrypted values"},
		{"pointer", `{"update": "f", "updates": [{"q": {}, "u": {"$set": {"named": "1"}}}]}`, "!A non-static (JSONPointer) keyId is not supported"},
		{"unknown update operator", `{"update": "f", "updates": [{"q": {}, "u": {"$future": {"a": "1"}}}]}`, "!the update operator $future is not known"},
		{"pipeline", `{"update": "f", "updates": [{"q": {}, "u": [{"$set": {"a": {"$add": ["$a", 1]}}}, {"$unset": "b"}]}]}`, `{"update": "f", "updates": [{"q": {}, "u": [{"$set": {"a": {"$add": ["$a", 1]}}}, {"$unset": "b"}]}]}`},
		{"pipeline sets", `{"update": "f", "updates": [{"q": {}, "u": [{"$set": {"ssn": "1"}}]}]}`, "!Pipeline updates"},
		{"pipeline replaces", `{"update": "f", "updates": [{"q": {}, "u": [{"$replaceWith": {"ssn": "1"}}]}]}`, "!Pipeline updates"},
		{"statement's unknown field", `{"update": "f", "updates": [{"q": {}, "u": {}, "x": {"ssn": "1"}}]}`, "!the field 'x' of update is not known"},
		{"delete", `{"delete": "f", "deletes": [{"q": {"ssn": "1"}, "limit": 1}]}`, `{"delete": "f", "deletes": [{"q": {"ssn": {"$eq": "«det ssn \"1\"»"}}, "limit": 1}]}`},
		{"delete's collation", `{"delete": "f", "deletes": [{"q": {"ssn": "1"}, "limit": 1, "collation": {"locale": "en"}}]}`, "!non-simple collation"},
		{"findAndModify", `{"findAndModify": "f", "query": {"ssn": "1"}, "update": {"$set": {"ssn": "2"}}, "new": true}`, `{"findAndModify": "f", "query": {"ssn": {"$eq": "«det ssn \"1\"»"}}, "update": {"$set": {"ssn": "«det ssn \"2\"»"}}, "new": true}`},
		{"findandmodify", `{"findandmodify": "f", "query": {"ssn": "1"}, "remove": true}`, `{"findandmodify": "f", "query": {"ssn": {"$eq": "«det ssn \"1\"»"}}, "remove": true}`},
		// Other commands.
		{"count", `{"count": "f", "query": {"ssn": "1"}}`, `{"count": "f", "query": {"ssn": {"$eq": "«det ssn \"1\"»"}}}`},
		{"distinct", `{"distinct": "f", "key": "ssn", "query": {"ssn": "1"}}`, `{"distinct": "f", "key": "ssn", "query": {"ssn": {"$eq": "«det ssn \"1\"»"}}}`},
		{"distinct random", `{"distinct": "f", "key": "note"}`, "!The distinct key is not allowed to be marked for encryption with the randomized"},
		{"distinct pointer", `{"distinct": "f", "key": "named"}`, "!The distinct key is not allowed to be marked for encryption with a non-UUID keyId"},
		{"distinct above", `{"distinct": "f", "key": "user"}`, "!The distinct key is not allowed"},
		{"explain", `{"explain": {"find": "f", "filter": {"ssn": "1"}}, "verbosity": "queryPlanner"}`, `{"explain": {"find": "f", "filter": {"ssn": {"$eq": "«det ssn \"1\"»"}}}, "verbosity": "queryPlanner"}`},
		{"explain unknown", `{"explain": {"mapReduce": "f"}}`, "!command not supported for auto encryption: mapReduce"},
		{"unknown", `{"killOp": 1}`, "!command not supported for auto encryption: killOp"},
		{"database", `{"aggregate": 1, "pipeline": []}`, "!non-collection command not supported for auto encryption: aggregate"},
		{"validator", `{"collMod": "f", "validator": {"ssn": "1"}}`, "!Comparison to encrypted fields not supported"},
		{"validator elsewhere", `{"collMod": "f", "validator": {"a": "1"}}`, `{"collMod": "f", "validator": {"a": "1"}}`},
		{"schema", `{"collMod": "f", "validator": {"$jsonSchema": ` + fleDB + `}}`, `{"collMod": "f", "validator": {"$jsonSchema": ` + fleDB + `}}`},
		{"schema with a value", `{"collMod": "f", "validator": {"$jsonSchema": {"properties": {"ssn": {"enum": ["1"]}}}}}`, "!Comparison to encrypted fields not supported"},
		{"create", `{"create": "f", "validator": {"ssn": "1"}}`, "!Comparison to encrypted fields not supported"},
		{"create with its own fields", `{"create": "new", "encryptedFields": {"fields": [{"path": "x", "bsonType": "string", "keyId": ` + key + `, "queries": {"queryType": "equality"}}]}, "validator": {"x": "1"}}`, "!Comparison to encrypted fields not supported"},
		{"create with named keys", `{"create": "new", "encryptedFields": {"fields": [{"path": "x", "bsonType": "string", "keyAltName": "mine"}]}}`,
			`{"create": "new", "encryptedFields": {"fields": [{"path": "x", "bsonType": "string", "keyId": {"$binary": {"base64": "bWluZSAgICAgICAgICAgIA==", "subType": "04"}}}]}}`},
		{"view's pipeline", `{"create": "new", "viewOn": "f", "pipeline": [{"$match": {"ssn": "1"}}]}`, "!Comparison to encrypted fields not supported"},
		{"index", `{"createIndexes": "f", "indexes": [{"key": {"ssn": 1}, "name": "s"}]}`, `{"createIndexes": "f", "indexes": [{"key": {"ssn": 1}, "name": "s"}]}`},
		{"partial index", `{"createIndexes": "f", "indexes": [{"key": {"a": 1}, "name": "s", "partialFilterExpression": {"ssn": "1"}}]}`, "!Comparison to encrypted fields not supported"},
		{"compact", `{"compactStructuredEncryptionData": "q"}`, `{"compactStructuredEncryptionData": "q", "compactionTokens": {"eq": "token false", "un": "token false", "age": "token true", "at": "token true", "d": "token true", "t": "token true", "in.x": "token false"}}`},
		// Queryable Encryption.
		{"qe insert", `{"insert": "q", "documents": [{"eq": "1", "un": "2", "age": 3, "in": {"x": "4"}}]}`,
			`{"insert": "q", "documents": [{"eq": "«indexed eq \"1\"»", "un": "«unindexed un \"2\"»", "age": "«range age 3»", "in": {"x": "«indexed in.x \"4\"»"}}]}`},
		{"qe safe content", `{"insert": "q", "documents": [{"__safeContent__": []}]}`, "!Cannot modify __safeContent__"},
		{"qe set safe content", `{"update": "q", "updates": [{"q": {}, "u": {"$set": {"__safeContent__": []}}}]}`, "!Cannot modify __safeContent__"},
		{"qe find", `{"find": "q", "filter": {"eq": "1", "in.x": {"$in": ["2"]}}}`, `{"find": "q", "filter": {"eq": {"$eq": "«indexed eq find \"1\"»"}, "in.x": {"$in": ["«indexed in.x find \"2\"»"]}}}`},
		{"qe find unindexed", `{"find": "q", "filter": {"un": "1"}}`, "!Can only execute encrypted equality queries with an encrypted equality index"},
		{"qe above", `{"find": "q", "filter": {"in": {"x": "1"}}}`, "!Invalid comparison of path 'in'"},
		{"qe greater", `{"find": "q", "filter": {"age": {"$gt": 5}}}`, `{"find": "q", "filter": {"age": {"$gt": "«range age find 0 (5, 200] 1 0»"}}}`},
		{"qe between", `{"find": "q", "filter": {"age": {"$gte": 5, "$lt": 9}}}`, `{"find": "q", "filter": {"age": {"$gte": "«range age find 0 [5, 9) 2 3»", "$lt": "«range age find 0 stub»"}}}`},
		{"qe range equal", `{"find": "q", "filter": {"age": 5}}`, `{"find": "q", "filter": {"$and": [{"age": {"$gte": "«range age find 0 [5, 5] 2 4»", "$lte": "«range age find 0 stub»"}}]}}`},
		{"qe range in", `{"find": "q", "filter": {"age": {"$in": [5, 6]}}}`, `{"find": "q", "filter": {"$and": [{"$or": [{"age": {"$gte": "«range age find 0 [5, 5] 2 4»", "$lte": "«range age find 0 stub»"}}, {"age": {"$gte": "«range age find 1 [6, 6] 2 4»", "$lte": "«range age find 1 stub»"}}]}]}}`},
		{"qe range not", `{"find": "q", "filter": {"age": {"$not": {"$lt": 5}}}}`, `{"find": "q", "filter": {"$and": [{"$nor": [{"age": {"$lt": "«range age find 0 [0, 5) 3 0»"}}]}]}}`},
		{"qe range outside", `{"find": "q", "filter": {"age": {"$gte": -5}}}`, `{"find": "q", "filter": {"age": {"$gte": "«range age find 0 [0, 200] 2 0»"}}}`},
		{"qe below the minimum", `{"find": "q", "filter": {"age": {"$lt": 0}}}`, "!must be greater than the range minimum"},
		{"qe above the maximum", `{"find": "q", "filter": {"age": {"$gt": 200}}}`, "!must be less than the range maximum"},
		{"qe range type", `{"find": "q", "filter": {"age": {"$gt": 5.5}}}`, "!field type is not supported"},
		{"qe date type", `{"find": "q", "filter": {"at": {"$gt": 5.5}}}`, "!value type is a date"},
		{"qe double", `{"find": "q", "filter": {"d": {"$gt": 5.5}}}`, `{"find": "q", "filter": {"d": {"$gt": "«range d find 0 (5.5, {\"$numberDouble\":\"Infinity\"}] 1 0»"}}}`},
		{"qe expr", `{"find": "q", "filter": {"$expr": {"$and": [{"$eq": ["$eq", "1"]}, {"$gt": [5, "$age"]}]}}}`, `{"find": "q", "filter": {"$expr": {"$and": [{"$eq": ["$eq", "«indexed eq find \"1\"»"]}, {"$gt": ["«range age find 0 [0, 5) 3 0»", "$age"]}]}}}`},
		{"qe text", `{"find": "q", "filter": {"$expr": {"$encStrStartsWith": {"input": "$t", "prefix": "x"}}}}`, `{"find": "q", "filter": {"$expr": {"$encStrStartsWith": {"input": "$t", "prefix": "«text t find \"x\"»"}}}}`},
		{"qe no such text", `{"find": "q", "filter": {"$expr": {"$encStrContains": {"input": "$t", "substring": "x"}}}}`, "!has no substring queries"},
		{"qe upsert", `{"update": "q", "updates": [{"q": {"eq": "1"}, "u": {"$set": {"a": 1}}, "upsert": true}]}`, "!Upsert with an encrypted field in the filter"},
		{"qe distinct", `{"distinct": "q", "key": "eq"}`, "!The distinct key is not allowed"},
		// Bulk writes.
		{"bulk", `{"bulkWrite": 1, "ops": [{"insert": 0, "document": {"ssn": "1"}}, {"update": 1, "filter": {"ssn": "1"}, "updateMods": {"$set": {"ssn": "1"}}, "multi": false}, {"delete": 0, "filter": {"ssn": "2"}, "multi": true}], "nsInfo": [{"ns": "db.f"}, {"ns": "db.x"}]}`,
			`{"bulkWrite": 1, "ops": [{"insert": 0, "document": {"ssn": "«det ssn \"1\"»"}}, {"update": 1, "filter": {"ssn": "1"}, "updateMods": {"$set": {"ssn": "1"}}, "multi": false}, {"delete": 0, "filter": {"ssn": {"$eq": "«det ssn \"2\"»"}}, "multi": true}], "nsInfo": [{"ns": "db.f"}, {"ns": "db.x"}]}`},
		{"qe bulk of updates", `{"bulkWrite": 1, "ops": [{"insert": 0, "document": {}}, {"delete": 0, "filter": {}}], "nsInfo": [{"ns": "db.q"}]}`, "!Only insert is supported in BulkWrite with multiple operations and Queryable Encryption"},
		{"bulk of both kinds", `{"bulkWrite": 1, "ops": [], "nsInfo": [{"ns": "db.q"}, {"ns": "db.f"}]}`, "!cannot have collections with field level encryption and"},
		// Aggregations.
		{"match", `{"aggregate": "f", "pipeline": [{"$match": {"ssn": "1"}}, {"$limit": 1}], "cursor": {}}`, `{"aggregate": "f", "pipeline": [{"$match": {"ssn": {"$eq": "«det ssn \"1\"»"}}}, {"$limit": 1}], "cursor": {}}`},
		{"project renames", `{"aggregate": "f", "pipeline": [{"$project": {"x": "$ssn"}}, {"$match": {"x": "1", "ssn": "1"}}]}`, `{"aggregate": "f", "pipeline": [{"$project": {"x": "$ssn"}}, {"$match": {"x": {"$eq": "«det x \"1\"»"}, "ssn": {"$eq": "1"}}}]}`},
		{"project excludes", `{"aggregate": "f", "pipeline": [{"$project": {"ssn": 0}}, {"$match": {"tin": "1", "ssn": "1"}}]}`, `{"aggregate": "f", "pipeline": [{"$project": {"ssn": 0}}, {"$match": {"tin": {"$eq": "«det tin \"1\"»"}, "ssn": {"$eq": "1"}}}]}`},
		{"project computes", `{"aggregate": "f", "pipeline": [{"$project": {"x": {"$concat": ["$ssn", "!"]}}}]}`, "!Invalid reference to an encrypted field"},
		{"project chooses", `{"aggregate": "f", "pipeline": [{"$project": {"x": {"$ifNull": ["$ssn", "$tin"]}}}, {"$match": {"x": "1"}}]}`, `{"aggregate": "f", "pipeline": [{"$project": {"x": {"$ifNull": ["$ssn", "$tin"]}}}, {"$match": {"x": {"$eq": "«det x \"1\"»"}}}]}`},
		{"project mixes", `{"aggregate": "f", "pipeline": [{"$project": {"x": {"$ifNull": ["$ssn", "$a"]}}}, {"$match": {"x": "1"}}]}`, "!Cannot tell whether the field 'x' is encrypted"},
		{"addFields", `{"aggregate": "f", "pipeline": [{"$addFields": {"ssn": "$a", "y.z": "$tin"}}, {"$match": {"ssn": "1", "y.z": "2"}}]}`, `{"aggregate": "f", "pipeline": [{"$addFields": {"ssn": "$a", "y.z": "$tin"}}, {"$match": {"ssn": {"$eq": "1"}, "y.z": {"$eq": "«det y.z \"2\"»"}}}]}`},
		{"group", `{"aggregate": "f", "pipeline": [{"$group": {"_id": "$ssn", "n": {"$sum": 1}, "all": {"$push": "$note"}}}, {"$match": {"_id": "1"}}]}`, `{"aggregate": "f", "pipeline": [{"$group": {"_id": "$ssn", "n": {"$sum": 1}, "all": {"$push": "$note"}}}, {"$match": {"_id": {"$eq": "«det _id \"1\"»"}}}]}`},
		{"group random", `{"aggregate": "f", "pipeline": [{"$group": {"_id": "$note"}}]}`, "!cannot be grouped by"},
		{"group max", `{"aggregate": "f", "pipeline": [{"$group": {"_id": 1, "m": {"$max": "$ssn"}}}]}`, "!Invalid reference to an encrypted field"},
		{"match behind push", `{"aggregate": "f", "pipeline": [{"$group": {"_id": 1, "all": {"$push": "$ssn"}}}, {"$match": {"all": "1"}}]}`, "!Cannot tell whether"},
		{"replaceRoot", `{"aggregate": "f", "pipeline": [{"$replaceRoot": {"newRoot": "$user"}}, {"$match": {"n": 1}}]}`, `{"aggregate": "f", "pipeline": [{"$replaceRoot": {"newRoot": "$user"}}, {"$match": {"n": {"$eq": "«det n 1»"}}}]}`},
		{"sort", `{"aggregate": "f", "pipeline": [{"$sort": {"ssn": 1}}]}`, "!the sort is on the encrypted field"},
		{"unwind", `{"aggregate": "f", "pipeline": [{"$unwind": "$ssn"}]}`, "!cannot be an array"},
		{"facet", `{"aggregate": "f", "pipeline": [{"$facet": {"a": [{"$match": {"ssn": "1"}}]}}]}`, `{"aggregate": "f", "pipeline": [{"$facet": {"a": [{"$match": {"ssn": {"$eq": "«det ssn \"1\"»"}}}]}}]}`},
		{"lookup", `{"aggregate": "x", "pipeline": [{"$lookup": {"from": "f", "as": "m", "pipeline": [{"$match": {"ssn": "1"}}]}}, {"$unwind": "$m"}, {"$match": {"m.ssn": "2"}}]}`,
			`{"aggregate": "x", "pipeline": [{"$lookup": {"from": "f", "as": "m", "pipeline": [{"$match": {"ssn": {"$eq": "«det ssn \"1\"»"}}}]}}, {"$unwind": "$m"}, {"$match": {"m.ssn": {"$eq": "«det m.ssn \"2\"»"}}}]}`},
		{"lookup by an encrypted field", `{"aggregate": "f", "pipeline": [{"$lookup": {"from": "g", "localField": "ssn", "foreignField": "tin", "as": "m"}}]}`, `{"aggregate": "f", "pipeline": [{"$lookup": {"from": "g", "localField": "ssn", "foreignField": "tin", "as": "m"}}]}`},
		{"lookup by unlike fields", `{"aggregate": "f", "pipeline": [{"$lookup": {"from": "x", "localField": "ssn", "foreignField": "tin", "as": "m"}}]}`, "!must both be unencrypted, or both be encrypted"},
		{"lookup of both kinds", `{"aggregate": "f", "pipeline": [{"$lookup": {"from": "q", "localField": "a", "foreignField": "a", "as": "m"}}]}`, "!cannot have collections with field level encryption and"},
		{"union", `{"aggregate": "f", "pipeline": [{"$unionWith": "x"}, {"$match": {"ssn": "1"}}]}`, "!Cannot tell whether"},
		{"union of equals", `{"aggregate": "f", "pipeline": [{"$unionWith": {"coll": "g", "pipeline": []}}, {"$match": {"ssn": "1"}}]}`, `{"aggregate": "f", "pipeline": [{"$unionWith": {"coll": "g", "pipeline": []}}, {"$match": {"ssn": {"$eq": "«det ssn \"1\"»"}}}]}`},
		{"out", `{"aggregate": "f", "pipeline": [{"$out": "x"}]}`, "!Aggregation stage $out is not allowed"},
		{"merge into an encrypted collection", `{"aggregate": "x", "pipeline": [{"$merge": {"into": "f"}}]}`, "!Aggregation stage $merge is not allowed into 'db.f'"},
		{"merge", `{"aggregate": "x", "pipeline": [{"$merge": {"into": "y"}}]}`, `{"aggregate": "x", "pipeline": [{"$merge": {"into": "y"}}]}`},
		{"unknown stage", `{"aggregate": "x", "pipeline": [{"$future": {"from": "f"}}]}`, "!Aggregation stage $future is not allowed"},
		{"change stream", `{"aggregate": "f", "pipeline": [{"$changeStream": {}}, {"$match": {"fullDocument.ssn": "1"}}]}`, `{"aggregate": "f", "pipeline": [{"$changeStream": {}}, {"$match": {"fullDocument.ssn": {"$eq": "«det fullDocument.ssn \"1\"»"}}}]}`},
		{"change stream's update", `{"aggregate": "f", "pipeline": [{"$changeStream": {}}, {"$match": {"updateDescription.updatedFields.ssn": "1"}}]}`, "!Cannot tell whether"},
		{"qe match", `{"aggregate": "q", "pipeline": [{"$match": {"age": {"$gt": 5}}}]}`, `{"aggregate": "q", "pipeline": [{"$match": {"age": {"$gt": "«range age find 0 (5, 200] 1 0»"}}}]}`},
		{"qe group", `{"aggregate": "q", "pipeline": [{"$group": {"_id": "$eq"}}]}`, "!cannot be grouped by"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := analysed1(tt.command)
			if part, fails := strings.CutPrefix(tt.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%v\n got %s, %v\nwant the error %q", tt.command, got, err, part)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s\n%v", tt.command, err)
			}
			if want := normal(tt.want); got != want {
				t.Errorf("%s\n got %s\nwant %s", tt.command, got, want)
			}
		})
	}
}

// Without analysis, values stay as they are, and servers are told of Queryable Encryption.
func TestBypassQueries(t *testing.T) {
	x := Analyser{Source: known, Encrypter: naming{}, BypassQueries: true}
	for command, told := range map[string]bool{
		`{"insert": "q", "documents": [{"eq": "1"}]}`:                                                          true,
		`{"find": "q", "filter": {"eq": "1"}}`:                                                                 true,
		`{"find": "f", "filter": {"ssn": "1"}}`:                                                                false,
		`{"explain": {"find": "q", "filter": {"eq": "1"}}}`:                                                    true,
		`{"bulkWrite": 1, "ops": [{"insert": 0, "document": {"eq": "1"}}], "nsInfo": [{"ns": "db.q"}]}`:        true,
		`{"createIndexes": "q", "indexes": [{"name": "a", "partialFilterExpression": {"eq": "1"}, "key": 1}]}`: false,
	} {
		out, err := x.Encrypt(t.Context(), "db", raw(command))
		if err != nil {
			t.Errorf("%s: %v", command, err)
			continue
		}
		if s := out.String(); strings.Contains(s, `"encryptionInformation"`) != told || strings.Contains(s, "«") {
			t.Errorf("%s becomes %s", command, s)
		}
	}
	if _, err := x.Encrypt(t.Context(), "db", raw(`{"killOp": 1}`)); err == nil {
		t.Error("killOp is sent")
	}
}
