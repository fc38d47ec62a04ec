package mgx

import (
	"slices"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

var someFields = bson.D{{"fields", bson.A{bson.D{{"path", "a"}}}}}

// names are the commands that were sent, with their collections.
func (k *keeping) names() (list []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.requests {
		e, _ := r.Document.IndexErr(0)
		name, _ := e.Value().StringValueOK()
		list = append(list, r.Name+" "+name)
	}
	return list
}

var created = []string{"create enxcol_.c.esc", "create enxcol_.c.ecoc", "create c", "createIndexes c"}

// A collection with encrypted fields comes with what the server needs for it, whoever
// said which fields.
func TestCreateEncryptedCollection(t *testing.T) {
	fields := mustMarshal(t, someFields)
	for name, tt := range map[string]struct {
		known   bson.Raw
		options []CreateCollectionOption
		want    []string
	}{
		"no fields":     {nil, nil, []string{"create c"}},
		"by the option": {nil, []CreateCollectionOption{EncryptedFields(someFields)}, created},
		"by the client": {fields, nil, created},
		"names of one's own": {nil, []CreateCollectionOption{EncryptedFields(bson.D{{"escCollection", "x"}, {"fields", bson.A{}}})},
			[]string{"create x", "create enxcol_.c.ecoc", "create c", "createIndexes c"}},
	} {
		k := &keeping{}
		db := openMasking(t, k, &masking{fields: tt.known}).Database("db")
		if err := db.CreateCollection(t.Context(), "c", tt.options...); err != nil {
			t.Fatal(err)
		}
		if got := k.names(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: sent %v, want %v", name, got, tt.want)
		}
		if len(tt.want) < 4 {
			continue
		}
		if v := k.requests[0].Document.Lookup("clusteredIndex", "unique"); !v.Boolean() {
			t.Errorf("%s: %v", name, k.requests[0].Document)
		}
		if v := k.requests[2].Document.Lookup("encryptedFields", "fields"); v.Type != bson.TypeArray {
			t.Errorf("%s: %v", name, k.requests[2].Document)
		}
		if v := k.requests[3].Document.Lookup("indexes", "0", "key", "__safeContent__"); v.Type == 0 {
			t.Errorf("%s: %v", name, k.requests[3].Document)
		}
	}
}

// What fails ends the creation, and servers that are too old are not asked.
func TestCreateEncryptedCollectionFails(t *testing.T) {
	k := &keeping{answer: func(n int, r scripted.Request) any {
		if n == 2 {
			return bson.D{{"ok", 0}, {"code", 48}, {"errmsg", "exists"}}
		}
		return nil
	}}
	db := openMasking(t, k, &masking{}).Database("db")
	err := db.CreateCollection(t.Context(), "c", EncryptedFields(someFields))
	is(t, err, []error{ErrNamespaceExists})
	if got := k.names(); !slices.Equal(got, created[:2]) {
		t.Errorf("sent %v", got)
	}
	err = db.CreateCollection(t.Context(), "c", EncryptedFields(7))
	is(t, err, []error{ErrInvalidArgument}, "must be a document")

	old := &keeping{}
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "maxWireVersion", Value: 20}), old.serve))
	err = openClient(t, s).Database("db").CreateCollection(t.Context(), "c", EncryptedFields(someFields))
	is(t, err, []error{ErrUnsupported}, "Driver support of Queryable Encryption is incompatible with server. Upgrade server to use Queryable Encryption.")
	if got := old.names(); len(got) > 0 {
		t.Errorf("sent %v", got)
	}
}

// With the collection goes what the server keeps for it, though it is not there.
func TestDropEncryptedCollection(t *testing.T) {
	fields := mustMarshal(t, someFields)
	dropped := []string{"drop enxcol_.c.esc", "drop enxcol_.c.ecoc", "drop c"}
	listed := func(options bson.D) func(int, scripted.Request) any {
		return func(_ int, r scripted.Request) any {
			switch r.Name {
			case "listCollections":
				return bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "db.$cmd.listCollections"}, {"firstBatch", bson.A{bson.D{{"name", "c"}, {"options", options}}}}}}}
			}
			return bson.D{{"ok", 0}, {"code", 26}, {"errmsg", "ns not found"}}
		}
	}
	for name, tt := range map[string]struct {
		known   bson.Raw
		stored  bson.D
		options []DropCollectionOption
		want    []string
	}{
		"by the option": {nil, nil, []DropCollectionOption{EncryptedFields(someFields)}, dropped},
		"by the client": {fields, nil, nil, dropped},
		"by the server": {nil, bson.D{{"encryptedFields", someFields}}, nil, append([]string{"listCollections "}, dropped...)},
		"no fields":     {nil, nil, nil, []string{"listCollections ", "drop c"}},
	} {
		k := &keeping{answer: listed(tt.stored)}
		c := openMasking(t, k, &masking{fields: tt.known}).Database("db").Collection("c")
		if err := c.Drop(t.Context(), tt.options...); err != nil {
			t.Fatal(err)
		}
		if got := k.names(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: sent %v, want %v", name, got, tt.want)
		}
	}
	k := &keeping{}
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), k.serve))
	if err := openClient(t, s).Database("db").Collection("c").Drop(t.Context()); err != nil || !slices.Equal(k.names(), []string{"drop c"}) {
		t.Errorf("without encryption: %v, sent %v", err, k.names())
	}
}
