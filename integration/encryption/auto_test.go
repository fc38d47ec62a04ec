package encryption_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/spectest"
)

// The tests with numbers are those of the specification's prose: client-side-encryption/tests/README.md.

// specMasterKey is the local master key of the prose tests.
const specMasterKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"

func specProviders(t *testing.T) map[string]encryption.Provider {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(specMasterKey)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]encryption.Provider{"local": encryption.Local{Key: key}}
}

// specDocument reads a document of the specification.
func specDocument(t *testing.T, path ...string) bson.D {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{spectest.Dir(t, "client-side-encryption")}, path...)...))
	if err != nil {
		t.Skipf("this copy of the specifications has no %v", path)
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON(b, true, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// recorded is what a client lets observe.
type recorded struct {
	mu       sync.Mutex
	commands []string // with the database
	opened   int      // topologies
	replies  []bson.Raw
	failed   int
}

func (r *recorded) watch(o *mgx.Options) {
	o.CommandMonitors = []*event.CommandMonitor{{
		Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
			if e.CommandName != "ping" && e.CommandName != "endSessions" {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.commands = append(r.commands, e.CommandName+" "+e.DatabaseName)
			}
			return ctx
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceeded) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.replies = append(r.replies, slices.Clone(e.Reply))
		},
		Failed: func(context.Context, *event.CommandFailed) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.failed++
		},
	}}
	o.TopologyMonitors = []func(event.TopologyEvent){func(e event.TopologyEvent) {
		if _, ok := e.(event.TopologyOpening); ok {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.opened++
		}
	}}
}

func (r *recorded) sent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.commands)
}

// connected is a client, which ends with the test.
func connected(t *testing.T, uri string, change ...func(*mgx.Options)) *mgx.Client {
	t.Helper()
	options, err := mgx.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(options)
	}
	client, err := mgx.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}

// prepared is a client of the simulated servers, with the key of the specification in keyvault.datakeys and db.coll with
// a schema as its validator; nil: without.
func prepared(t *testing.T, key bson.D, schema any) (uri string, plain *mgx.Client) {
	t.Helper()
	uri = servers["simulated"]
	plain = connected(t, uri)
	vault, coll := plain.Database("keyvault").Collection("datakeys"), plain.Database("db").Collection("coll")
	for _, c := range []*mgx.Collection{vault, coll, plain.Database("db").Collection("view")} {
		if err := c.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := vault.InsertOne(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	var options []mgx.CreateCollectionOption
	if schema != nil {
		options = append(options, mgx.Validator(bson.D{{Key: "$jsonSchema", Value: schema}}, "", ""))
	}
	if err := plain.Database("db").CreateCollection(t.Context(), "coll", options...); err != nil {
		t.Fatal(err)
	}
	return uri, plain
}

func auto(o encryption.AutoOptions) func(*mgx.Options) {
	o.KeyVaultNamespace = "keyvault.datakeys"
	return func(c *mgx.Options) { c.Encryption = encryption.Auto(o) }
}

// 4. BSON size limits and batch splitting: what is encrypted is split at 2 MiB.
func TestProse4SizeLimits(t *testing.T) {
	uri, _ := prepared(t, specDocument(t, "limits", "limits-key.json"), specDocument(t, "limits", "limits-schema.json"))
	doc := specDocument(t, "limits", "limits-doc.json")
	r := &recorded{}
	coll := connected(t, uri, r.watch, auto(encryption.AutoOptions{Providers: specProviders(t)})).Database("db").Collection("coll")
	sized := func(id string, n int, more bson.D) bson.D {
		return append(bson.D{{Key: "_id", Value: id}, {Key: "unencrypted", Value: strings.Repeat("a", n)}}, more...)
	}
	inserts := func() (n int) {
		for _, c := range r.sent() {
			if c == "insert db" {
				n++
			}
		}
		return n
	}
	for _, tt := range []struct {
		name string
		docs []bson.D
		want int // messages; 0: an error
	}{
		{"a document over 2 MiB", []bson.D{sized("over_2mib_under_16mib", 2<<20, nil)}, 1},
		{"one that grows over 2 MiB", []bson.D{sized("encryption_exceeds_2mib", 2<<20-2000, doc)}, 1},
		{"two documents over 2 MiB", []bson.D{sized("over_2mib_1", 2<<20, nil), sized("over_2mib_2", 2<<20, nil)}, 2},
		{"two that grow over it", []bson.D{sized("encryption_exceeds_2mib_1", 2<<20-2000, doc), sized("encryption_exceeds_2mib_2", 2<<20-2000, doc)}, 2},
		{"one almost at the limit", []bson.D{sized("under_16mib", 16<<20-2000, nil)}, 1},
		{"one that grows over the limit", []bson.D{sized("encryption_exceeds_16mib", 16<<20-2000, doc)}, 0},
	} {
		before := inserts()
		var models []mgx.WriteModel
		for _, d := range tt.docs {
			models = append(models, mgx.InsertOneModel(d))
		}
		_, err := coll.BulkWrite(t.Context(), models)
		if got := inserts() - before; tt.want > 0 && (err != nil || got != tt.want) || tt.want == 0 && err == nil {
			t.Errorf("%s: %d messages, want %d; %v", tt.name, got, tt.want, err)
		}
	}
}

// 5. Views are prohibited.
func TestProse5Views(t *testing.T) {
	uri, plain := prepared(t, specDocument(t, "external", "external-key.json"), nil)
	if err := plain.Database("db").CreateCollection(t.Context(), "view", mgx.View("coll", bson.A{})); err != nil {
		t.Fatal(err)
	}
	client := connected(t, uri, auto(encryption.AutoOptions{Providers: specProviders(t)}))
	_, err := client.Database("db").Collection("view").InsertOne(t.Context(), bson.D{{Key: "a", Value: 1}})
	if !errors.Is(err, encryption.ErrView) || !errors.Is(err, mgx.ErrEncryption) || !strings.Contains(err.Error(), "cannot auto encrypt a view") {
		t.Error(err)
	}
}

// 9. Deadlock tests: whatever the size of the pools and wherever the keys are, no operation waits for itself.
func TestProse9Deadlock(t *testing.T) {
	none := 0
	one := 1
	for i, tt := range []struct {
		size              *int
		bypass, otherKeys bool
		encrypted, vault  []string
		clients           int
	}{
		{&one, false, false, []string{"listCollections db", "find keyvault", "insert db", "find db"}, nil, 2},
		{&one, false, true, []string{"listCollections db", "insert db", "find db"}, []string{"find keyvault"}, 2},
		{&one, true, false, []string{"find db", "find keyvault"}, nil, 2},
		{&one, true, true, []string{"find db"}, []string{"find keyvault"}, 1},
		{&none, false, false, []string{"listCollections db", "listCollections keyvault", "find keyvault", "insert db", "find db"}, nil, 1},
		{&none, false, true, []string{"listCollections db", "insert db", "find db"}, []string{"find keyvault"}, 1},
		{&none, true, false, []string{"find db", "find keyvault"}, nil, 1},
		{&none, true, true, []string{"find db"}, []string{"find keyvault"}, 1},
	} {
		t.Run(fmt.Sprint("case ", i+1), func(t *testing.T) {
			uri, plain := prepared(t, specDocument(t, "external", "external-key.json"), specDocument(t, "external", "external-schema.json"))
			crypt, err := encryption.New(&encryption.Options{KeyVault: plain.Database("keyvault").Collection("datakeys"), Providers: specProviders(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer crypt.Close()
			ciphertext, err := crypt.Encrypt(t.Context(), "string0", encryption.EncryptOptions{KeyAltName: "local", Algorithm: encryption.Deterministic})
			if err != nil {
				t.Fatal(err)
			}
			keys, r := &recorded{}, &recorded{}
			o := encryption.AutoOptions{Providers: specProviders(t), BypassAutoEncryption: tt.bypass}
			if tt.otherKeys {
				o.KeyVaultClient = connected(t, uri, keys.watch, func(o *mgx.Options) { o.MaxPoolSize = &one })
			}
			client := connected(t, uri, r.watch, auto(o), func(o *mgx.Options) { o.MaxPoolSize = tt.size })
			coll := client.Database("db").Collection("coll")
			insert, value := coll, any("string0")
			if tt.bypass {
				insert, value = plain.Database("db").Collection("coll"), ciphertext
			}
			if _, err := insert.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 0}, {Key: "encrypted", Value: value}}); err != nil {
				t.Fatal(err)
			}
			found, err := mgx.FindOne[bson.M](t.Context(), coll, bson.D{{Key: "_id", Value: 0}})
			if err != nil || found["encrypted"] != "string0" {
				t.Errorf("%v, %v", found, err)
			}
			if got := r.sent(); !slices.Equal(got, tt.encrypted) {
				t.Errorf("the client sent %v, want %v", got, tt.encrypted)
			}
			if got := keys.sent(); !slices.Equal(got, tt.vault) {
				t.Errorf("the key vault's client sent %v, want %v", got, tt.vault)
			}
			if r.opened != tt.clients {
				t.Errorf("%d clients, want %d", r.opened, tt.clients)
			}
		})
	}
}

// 14. Decryption events: replies are decrypted behind their events; what fails to be decrypted is an error beside an
// event of success.
func TestProse14DecryptionEvents(t *testing.T) {
	key := specDocument(t, "external", "external-key.json")
	uri, plain := prepared(t, key, nil)
	crypt, err := encryption.New(&encryption.Options{KeyVault: plain.Database("keyvault").Collection("datakeys"), Providers: specProviders(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer crypt.Close()
	ciphertext, err := crypt.Encrypt(t.Context(), "hello", encryption.EncryptOptions{KeyAltName: "local", Algorithm: encryption.Deterministic})
	if err != nil {
		t.Fatal(err)
	}
	malformed := bson.Binary{Subtype: ciphertext.Subtype, Data: slices.Clone(ciphertext.Data)}
	malformed.Data[len(malformed.Data)-1]++
	for name, tt := range map[string]struct {
		value bson.Binary
		want  string // "": an error
	}{"case 3: decrypt error": {malformed, ""}, "case 4: decrypt success": {ciphertext, "hello"}} {
		t.Run(name, func(t *testing.T) {
			coll := plain.Database("db").Collection("coll")
			if _, err := coll.DeleteMany(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := coll.InsertOne(t.Context(), bson.D{{Key: "encrypted", Value: tt.value}}); err != nil {
				t.Fatal(err)
			}
			r := &recorded{}
			client := connected(t, uri, r.watch, auto(encryption.AutoOptions{Providers: specProviders(t)}))
			list, err := mgx.Collect[bson.M](client.Database("db").Collection("coll").Aggregate(t.Context(), bson.A{}))
			switch {
			case tt.want == "" && !errors.Is(err, mgx.ErrEncryption):
				t.Errorf("%v, %v", list, err)
			case tt.want != "" && (err != nil || len(list) != 1 || list[0]["encrypted"] != tt.want):
				t.Errorf("%v, %v", list, err)
			}
			seen := false
			for _, reply := range r.replies {
				v := reply.Lookup("cursor", "firstBatch", "0", "encrypted")
				seen = seen || v.Type == bson.TypeBinary
			}
			if !seen || r.failed > 0 {
				t.Errorf("the events show %v, %d failures", r.replies, r.failed)
			}
		})
	}
}

// 21. Automatic data encryption keys.
func TestProse21AutomaticDataKeys(t *testing.T) {
	_, plain := prepared(t, specDocument(t, "external", "external-key.json"), nil)
	crypt, err := encryption.New(&encryption.Options{KeyVault: plain.Database("keyvault").Collection("datakeys"), Providers: specProviders(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer crypt.Close()
	db := plain.Database("db21")
	if err := db.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	field := func(key any) bson.D {
		return bson.D{{Key: "fields", Value: bson.A{bson.D{{Key: "path", Value: "ssn"}, {Key: "bsonType", Value: "string"}, {Key: "keyId", Value: key}}}}}
	}
	coll, fields, err := crypt.CreateEncryptedCollection(t.Context(), db, "testing1", field(nil), "local", nil)
	if err != nil {
		t.Fatal(err)
	}
	if subtype, id := fields.Lookup("fields", "0", "keyId").Binary(); subtype != 4 || len(id) != 16 || coll.Name() != "testing1" {
		t.Errorf("case 1: %v", fields)
	}
	if _, _, err := crypt.CreateEncryptedCollection(t.Context(), db, "testing2", nil, "local", nil); !errors.Is(err, mgx.ErrEncryption) {
		t.Errorf("case 2: %v", err)
	}
	// The keys that were made are known, though the next one cannot be.
	two := bson.D{{Key: "fields", Value: bson.A{
		bson.D{{Key: "path", Value: "a"}, {Key: "bsonType", Value: "string"}, {Key: "keyId", Value: nil}},
	}}}
	if _, fields, err := crypt.CreateEncryptedCollection(t.Context(), db, "testing3", two, "aws", nil); err == nil || fields.Lookup("fields", "0", "path").StringValue() != "a" {
		t.Errorf("a key that cannot be made: %v, %v", fields, err)
	}
}

// 25. $lookup joins collections that are encrypted by field level encryption with each other and with others.
func TestProse25Lookup(t *testing.T) {
	_, plain := prepared(t, specDocument(t, "etc", "data", "lookup", "key-doc.json"), nil)
	client := connected(t, servers["simulated"], auto(encryption.AutoOptions{Providers: specProviders(t)}))
	db := plain.Database("db25")
	if err := db.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, schema := range map[string]string{"csfle": "schema-csfle.json", "csfle2": "schema-csfle2.json", "no_schema": "", "no_schema2": ""} {
		var options []mgx.CreateCollectionOption
		if schema != "" {
			options = append(options, mgx.Validator(bson.D{{Key: "$jsonSchema", Value: specDocument(t, "etc", "data", "lookup", schema)}}, "", ""))
		}
		if err := db.CreateCollection(t.Context(), name, options...); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Database("db25").Collection(name).InsertOne(t.Context(), bson.D{{Key: name, Value: name}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, pair := range map[string][2]string{"case 1": {"csfle", "no_schema"}, "case 3": {"no_schema", "csfle"}, "case 5": {"csfle", "csfle2"}, "case 7": {"no_schema", "no_schema2"}} {
		from, to := pair[0], pair[1]
		pipeline := bson.A{
			bson.D{{Key: "$match", Value: bson.D{{Key: from, Value: from}}}},
			bson.D{{Key: "$lookup", Value: bson.D{{Key: "from", Value: to}, {Key: "as", Value: "matched"}, {Key: "pipeline", Value: bson.A{
				bson.D{{Key: "$match", Value: bson.D{{Key: to, Value: to}}}}, bson.D{{Key: "$project", Value: bson.D{{Key: "_id", Value: 0}}}},
			}}}}},
			bson.D{{Key: "$project", Value: bson.D{{Key: "_id", Value: 0}}}},
		}
		list, err := mgx.Collect[bson.D](client.Database("db25").Collection(from).Aggregate(t.Context(), pipeline))
		want := fmt.Sprint(bson.D{{Key: from, Value: from}, {Key: "matched", Value: bson.A{bson.D{{Key: to, Value: to}}}}})
		if err != nil || len(list) != 1 || fmt.Sprint(list[0]) != want {
			t.Errorf("%s: %v, %v, want %s", name, list, err, want)
		}
	}
}
