package analyse

import (
	"context"
	rand2 "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// secret is a string that is encrypted wherever it is at a path that is.
const secret = "SECRET"

var secretPaths = map[string][]string{"f": {"ssn", "tin", "id", "note"}, "q": {"eq", "un", "in.x"}}

// parsed is what is known, read once.
var parsed = once{}

type once map[string]*Schema

func (o once) Schema(ctx context.Context, database, collection string) (s *Schema, err error) {
	parsing.Lock()
	defer parsing.Unlock()
	if s = o[collection]; s == nil {
		if s, err = known.Schema(ctx, database, collection); err == nil {
			o[collection] = s
		}
	}
	return s, err
}

func (o once) Local(ctx context.Context, database, collection string) (*Schema, error) {
	return known.Local(ctx, database, collection)
}

var parsing sync.Mutex

// leaks returns the path, of those that are encrypted, at which a document has the secret. Operators, which are to be
// found down to a depth, add nothing to a path; $expr, which builds documents, has none.
func leaks(v bsonwire.Value, path string, encrypted []string, operators int) string {
	if s, ok := v.AsString(); ok && s == secret && slices.Contains(encrypted, strings.TrimPrefix(path, ".")) {
		return path
	}
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return ""
	}
	for r := bsonwire.NewReader(v.Data); r.Next(); {
		below, key := path, string(r.Key())
		switch {
		case key == "$expr" && operators > 0:
			continue
		case v.Type == bson.TypeEmbeddedDocument && (operators <= 0 || !strings.HasPrefix(key, "$")):
			below += "." + key
		}
		if found := leaks(r.Value(), below, encrypted, operators-1); found != "" {
			return found
		}
	}
	return ""
}

// How deep there are operators in each kind of command: none in documents, one level in updates.
var operatorDepth = []int{0, 99, 1, 99}

// What is at an encrypted path in a document, a filter or an update is never sent as it is, whatever is around it.
func FuzzAnalysis(f *testing.F) {
	for _, doc := range []string{
		`{"ssn": "SECRET"}`, `{"$set": {"ssn": "SECRET", "in.x": "SECRET"}}`, `{"$or": [{"ssn": {"$in": ["SECRET"]}}, {"a.0.b": 1}]}`,
		`{"in": {"x": "SECRET"}, "eq": "SECRET"}`, `{"ssn": {"$not": {"$eq": "SECRET"}}}`, `{"$unset": {"ssn": "SECRET"}}`,
		`{"$setOnInsert": {"user": {"n": 1}}, "$push": {"a": {"ssn": "SECRET"}}}`, `{"note": {"$exists": "SECRET"}}`,
		`{"age": {"$gte": 1, "$lt": 2, "$ne": 3, "$in": [4, 5]}}`, `{"$expr": {"$eq": ["$ssn", "SECRET"]}}`,
	} {
		for i := range byte(8) {
			f.Add(i, []byte(raw(doc)))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, doc []byte) {
		if bsonwire.Validate(doc) == nil {
			checkSecrets(t, kind, doc)
		}
	})
}

// checkSecrets looks whether a document, in a command of a kind, is sent with the secret. It returns false if it was
// refused.
func checkSecrets(t *testing.T, kind byte, doc []byte) bool {
	collection := map[bool]string{true: "f", false: "q"}[kind&1 == 0]
	var command bson.D
	var at []string
	switch kind / 2 % 4 {
	case 0:
		command, at = bson.D{{Key: "insert", Value: collection}, {Key: "documents", Value: bson.A{bson.Raw(doc)}}}, []string{"documents", "0"}
	case 1:
		command, at = bson.D{{Key: "find", Value: collection}, {Key: "filter", Value: bson.Raw(doc)}}, []string{"filter"}
	case 2:
		command = bson.D{{Key: "update", Value: collection}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: bson.Raw(doc)}}}}}
		at = []string{"updates", "0", "u"}
	default:
		command = bson.D{{Key: "aggregate", Value: collection}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$match", Value: bson.Raw(doc)}}}}}
		at = []string{"pipeline", "0", "$match"}
	}
	b, err := bson.Marshal(command)
	if err != nil {
		return false
	}
	x := Analyser{Source: parsed, Encrypter: naming{}}
	out, err := x.Encrypt(context.Background(), "db", b)
	if err != nil {
		return false
	}
	if err := bsonwire.Validate(out); err != nil {
		t.Fatalf("%v\nbecomes something damaged: %v", bson.Raw(b), err)
	}
	v, _ := bsonwire.Lookup(out, at...)
	if path := leaks(v, "", secretPaths[collection], operatorDepth[kind/2%4]); path != "" {
		t.Errorf("%v\nhas the secret at %s in %v", bson.Raw(b), path, out)
	}
	return true
}

// Schemas from servers may be anything.
func FuzzSchema(f *testing.F) {
	for _, s := range []string{fleDB, qeDB, `{"bsonType": "object", "patternProperties": {"^a": {"encrypt": {}}}}`, `{"anyOf": [{"not": {"encrypt": 1}}]}`} {
		f.Add([]byte(raw(s)))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, local := range []bool{false, true} {
			if s, err := FromJSONSchema(doc, local); err == nil {
				s.root.follow("a.0.b").touches()
			}
		}
		if s, err := FromEncryptedFields(t.Context(), "c", doc, naming{}); err == nil && bsonwire.Validate(s.Fields) != nil {
			t.Errorf("%v becomes something damaged", bson.Raw(doc))
		}
	})
}

// words are what random documents are made of.
var words = strings.Fields(`ssn tin id note eq un in x user n a b 0 ssn.x in.x user.n user.0.n a.ssn $set $unset $setOnInsert $push $rename $inc $and $or
	$nor $not $eq $ne $in $nin $gt $gte $lt $lte $exists $elemMatch $expr $cond $ifNull $let $literal $all $type age age.x $setField $switch`)

// The same of documents that a generator makes, which gets deeper than mutations of bytes do.
func TestRandomDocuments(t *testing.T) {
	r := rand2.New(rand2.NewPCG(1, 2))
	sent, refused := 0, 0
	for i := range 30_000 {
		doc, err := bson.Marshal(randomDocument(r, 4))
		if err != nil {
			t.Fatal(err)
		}
		if checkSecrets(t, byte(i), doc) {
			sent++
		} else {
			refused++
		}
	}
	if sent < 1000 || refused < 1000 {
		t.Errorf("%d were sent, %d refused: the documents are of no use", sent, refused)
	}
}

func randomDocument(r *rand2.Rand, depth int) bson.D {
	doc := bson.D{}
	for range 1 + r.IntN(3) {
		doc = append(doc, bson.E{Key: words[r.IntN(len(words))], Value: randomValue(r, depth-1)})
	}
	return doc
}

func randomValue(r *rand2.Rand, depth int) any {
	switch n := r.IntN(10); {
	case n < 4 && depth > 0:
		return randomDocument(r, depth)
	case n < 6 && depth > 0:
		list := bson.A{}
		for range r.IntN(3) {
			list = append(list, randomValue(r, depth-1))
		}
		return list
	case n == 6:
		return int32(r.IntN(300) - 50)
	case n == 7:
		return "$" + words[r.IntN(15)]
	}
	return secret
}
