package encryption_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
	"github.com/mgxdb/mgx/encryption"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/mgxtest"
)

// servers are the deployments that the tests run against: FerretDB, or the one of MGX_TEST_URI, and a simulated replica
// set.
var servers = map[string]string{}

func TestMain(m *testing.M) {
	uri, stop := os.Getenv("MGX_TEST_URI"), func() error { return nil }
	if uri == "" {
		var err error
		if uri, stop, err = ferretdbcmd.Quickest(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	set, err := mgxtest.NewReplicaSet(1)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	servers["server"], servers["simulated"] = uri, set.URI()
	code := m.Run()
	set.Close()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if left := leaktest.Left(); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// vault is an empty key vault.
func vault(t *testing.T, uri string) *mgx.Collection {
	t.Helper()
	client, err := mgx.Connect(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.WithoutCancel(t.Context())) })
	keys := client.Database("keyvault").Collection("datakeys")
	if err := keys.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return keys
}

func local(fill byte) encryption.Local {
	return encryption.Local{Key: bytes.Repeat([]byte{fill}, 96)}
}

func open(t *testing.T, keys *mgx.Collection) *encryption.ClientEncryption {
	t.Helper()
	c, err := encryption.New(&encryption.Options{KeyVault: keys, Providers: map[string]encryption.Provider{"local": local(1), "local:second": local(2)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestKeyManagement goes through the life of data keys.
func TestKeyManagement(t *testing.T) {
	for name, uri := range servers {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			keys := vault(t, uri)
			c := open(t, keys)
			id := must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{AltNames: []string{"first", "also"}}))
			doc := must[bson.Raw](t)(c.GetKey(ctx, id))
			if got := fieldsOf(t, doc); got != "_id keyAltNames keyMaterial creationDate updateDate status masterKey" {
				t.Errorf("the key's document has %s", got)
			}
			if byName := must[bson.Raw](t)(c.GetKeyByAltName(ctx, "also")); !bytes.Equal(byName, doc) {
				t.Errorf("by its name the key is %v", byName)
			}
			second := must[bson.Binary](t)(c.CreateDataKey(ctx, "local:second", encryption.DataKeyOptions{Material: bytes.Repeat([]byte("m"), 96)}))
			if all := must[[]bson.Raw](t)(mgx.Collect[bson.Raw](c.GetKeys(ctx))); len(all) != 2 {
				t.Errorf("%d keys", len(all))
			}
			before := must[bson.Raw](t)(c.AddKeyAltName(ctx, second, "named"))
			if _, err := before.LookupErr("keyAltNames"); err == nil {
				t.Errorf("the document is not the one before: %v", before)
			}
			must[bson.Raw](t)(c.GetKeyByAltName(ctx, "named"))
			result := must[mgx.DeleteResult](t)(c.DeleteKey(ctx, id))
			if result.DeletedCount != 1 {
				t.Errorf("%+v", result)
			}
			for what, f := range map[string]func() error{
				"GetKey":          func() error { _, err := c.GetKey(ctx, id); return err },
				"GetKeyByAltName": func() error { _, err := c.GetKeyByAltName(ctx, "first"); return err },
				"AddKeyAltName":   func() error { _, err := c.AddKeyAltName(ctx, id, "x"); return err },
			} {
				if err := f(); !errors.Is(err, mgx.ErrNoDocuments) || !errors.Is(err, mgx.ErrEncryption) {
					t.Errorf("%s of a deleted key: %v", what, err)
				}
			}
		})
	}
}

func fieldsOf(t *testing.T, doc bson.Raw) string {
	t.Helper()
	elements, err := doc.Elements()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range elements {
		names = append(names, e.Key())
	}
	return strings.Join(names, " ")
}

// TestRemoveKeyAltName needs updates by pipelines, which FerretDB does not have.
func TestRemoveKeyAltName(t *testing.T) {
	ctx := t.Context()
	c := open(t, vault(t, servers["simulated"]))
	id := must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{AltNames: []string{"a", "b"}}))
	names := func() []string {
		doc := must[bson.Raw](t)(c.GetKey(ctx, id))
		var d struct {
			KeyAltNames []string `bson:"keyAltNames"`
		}
		if err := bson.Unmarshal(doc, &d); err != nil {
			t.Fatal(err)
		}
		if v, err := doc.LookupErr("keyAltNames"); err == nil && len(d.KeyAltNames) == 0 {
			t.Errorf("an empty list stays: %v", v)
		}
		return d.KeyAltNames
	}
	must[bson.Raw](t)(c.RemoveKeyAltName(ctx, id, "a"))
	if got := names(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("names %q", got)
	}
	must[bson.Raw](t)(c.RemoveKeyAltName(ctx, id, "unknown"))
	before := must[bson.Raw](t)(c.RemoveKeyAltName(ctx, id, "b"))
	if _, err := before.LookupErr("keyAltNames"); err != nil {
		t.Errorf("the document is not the one before: %v", before)
	}
	if got := names(); len(got) != 0 {
		t.Errorf("names %q", got)
	}
}

// TestUniqueNames is the specification's prose test "Unique Index on keyAltNames".
func TestUniqueNames(t *testing.T) {
	ctx := t.Context()
	c := open(t, vault(t, servers["simulated"]))
	if err := c.EnsureIndex(ctx); err != nil {
		t.Fatal(err)
	}
	existing := must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{AltNames: []string{"def"}}))
	must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{AltNames: []string{"abc"}}))
	for _, taken := range []string{"abc", "def"} {
		if _, err := c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{AltNames: []string{taken}}); !errors.Is(err, mgx.ErrDuplicateKey) {
			t.Errorf("creating a key with the name %s: %v", taken, err)
		}
	}
	must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{}))
	other := must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{}))
	must[bson.Raw](t)(c.AddKeyAltName(ctx, other, "ghi"))
	must[bson.Raw](t)(c.AddKeyAltName(ctx, other, "ghi"))
	if _, err := c.AddKeyAltName(ctx, other, "def"); !errors.Is(err, mgx.ErrDuplicateKey) {
		t.Errorf("a name of another key: %v", err)
	}
	must[bson.Raw](t)(c.AddKeyAltName(ctx, existing, "def"))
}

// TestRewrap encrypts data keys under another master key: what they encrypted is read as before.
func TestRewrap(t *testing.T) {
	for name, uri := range servers {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			keys := vault(t, uri)
			c := open(t, keys)
			first := must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{AltNames: []string{"x"}}))
			must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{}))
			secret := must[bson.Binary](t)(c.Encrypt(ctx, "tea", encryption.EncryptOptions{KeyID: first, Algorithm: encryption.Random}))
			before := must[bson.Raw](t)(c.GetKey(ctx, first))

			none := must[encryption.RewrapResult](t)(c.RewrapManyDataKey(ctx, bson.D{{Key: "keyAltNames", Value: "nobody"}}, encryption.RewrapOptions{}))
			if none.BulkWriteResult != nil {
				t.Errorf("nothing matched, and %+v was written", none.BulkWriteResult)
			}
			all := must[encryption.RewrapResult](t)(c.RewrapManyDataKey(ctx, nil, encryption.RewrapOptions{Provider: "local:second"}))
			if all.BulkWriteResult == nil || all.BulkWriteResult.ModifiedCount != 2 {
				t.Errorf("%+v", all.BulkWriteResult)
			}
			after := must[bson.Raw](t)(c.GetKey(ctx, first))
			if after.Lookup("masterKey", "provider").StringValue() != "local:second" || bytes.Equal(after.Lookup("keyMaterial").Value, before.Lookup("keyMaterial").Value) {
				t.Errorf("the key is %v", after)
			}
			only, err := encryption.New(&encryption.Options{KeyVault: keys, Providers: map[string]encryption.Provider{"local:second": local(2)}})
			if err != nil {
				t.Fatal(err)
			}
			defer only.Close()
			if got := must[bson.RawValue](t)(only.Decrypt(ctx, secret)); got.StringValue() != "tea" {
				t.Errorf("decrypted %v", got)
			}
			// Its own master key again, without naming it.
			must[encryption.RewrapResult](t)(only.RewrapManyDataKey(ctx, nil, encryption.RewrapOptions{}))
			if got := must[bson.RawValue](t)(only.Decrypt(ctx, secret)); got.StringValue() != "tea" {
				t.Errorf("decrypted %v", got)
			}
			if _, err := only.RewrapManyDataKey(ctx, nil, encryption.RewrapOptions{MasterKey: bson.D{}}); !errors.Is(err, mgx.ErrEncryption) {
				t.Errorf("a master key without a provider: %v", err)
			}
			if _, err := only.RewrapManyDataKey(ctx, nil, encryption.RewrapOptions{Provider: "aws"}); !errors.Is(err, mgx.ErrEncryption) {
				t.Errorf("an unknown provider: %v", err)
			}
		})
	}
}

// TestConcerns reads data keys with majority, and writes them so, outside of the caller's transaction.
func TestConcerns(t *testing.T) {
	ctx := t.Context()
	vault(t, servers["simulated"])
	o := must[*mgx.Options](t)(mgx.ParseURI(servers["simulated"]))
	var sent []string
	o.CommandMonitors = []*event.CommandMonitor{{Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
		if e.DatabaseName == "keyvault" {
			read, _ := e.Command.Lookup("readConcern", "level").StringValueOK()
			write, _ := e.Command.Lookup("writeConcern", "w").StringValueOK()
			_, err := e.Command.LookupErr("txnNumber")
			sent = append(sent, fmt.Sprintf("%s read %s write %s transaction %v", e.CommandName, read, write, err == nil && e.CommandName == "find"))
		}
		return ctx
	}}}
	client := must[*mgx.Client](t)(mgx.Open(ctx, o))
	defer func() { _ = client.Close(ctx) }()
	c := open(t, client.Database("keyvault").Collection("datakeys"))
	id := must[bson.Binary](t)(c.CreateDataKey(ctx, "local", encryption.DataKeyOptions{}))
	err := client.WithTransaction(ctx, func(ctx context.Context) error {
		value, err := c.Encrypt(ctx, 5, encryption.EncryptOptions{KeyID: id, Algorithm: encryption.Random})
		if err != nil {
			return err
		}
		_, err = client.Database("test").Collection("values").InsertOne(ctx, bson.D{{Key: "v", Value: value}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := must[bson.Raw](t)(client.Database("test").Collection("values").FindOne(ctx, nil).Raw())
	got := must[bson.Raw](t)(c.DecryptDocument(ctx, raw))
	if got.Lookup("v").AsInt64() != 5 {
		t.Errorf("decrypted %v", got)
	}
	if want := []string{"insert read  write majority transaction false", "find read majority write  transaction false"}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

// TestUnreachableVault distinguishes the key vault's errors from others, and keeps what they are.
func TestUnreachableVault(t *testing.T) {
	o, err := mgx.ParseURI("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50")
	if err != nil {
		t.Fatal(err)
	}
	client, err := mgx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(t.Context()) }()
	c := open(t, client.Database("keyvault").Collection("datakeys"))
	_, err = c.Encrypt(t.Context(), 1, encryption.EncryptOptions{KeyAltName: "x", Algorithm: encryption.Random})
	if !errors.Is(err, mgx.ErrServerSelection) || !errors.Is(err, mgx.ErrEncryption) {
		t.Errorf("error %v", err)
	}
}
