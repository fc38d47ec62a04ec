package encryption

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/analyse"
	"github.com/mgxdb/mgx/encryption/internal/auto"
)

// AutoOptions are those of automatic encryption: where data keys are, and which fields of which collections are
// encrypted.
//
// Automatic encryption applies to operations on a collection. It is not supported for operations on a database or a
// view: those that are not bypassed (as getMore, or listCollections) are errors, before anything is sent. So is
// every operation of which it cannot be told whether it has values of encrypted fields. To bypass it for all operations
// use BypassAutoEncryption, and encrypt with a ClientEncryption.
//
// The user that the client logs in as needs the privilege listCollections. Writes are split into smaller messages, of
// 2 MiB, which costs performance.
type AutoOptions struct {
	// KeyVaultNamespace is the collection with the data keys, as database.collection.
	KeyVaultNamespace string
	// KeyVaultClient is the client for the key vault; nil is the encrypted client, or one of its own (see Auto).
	KeyVaultClient *mgx.Client
	// Providers, TLS, Dial and KeyExpiration are as in Options.
	Providers     map[string]Provider
	TLS           map[string]*mgx.TLS
	Dial          func(ctx context.Context, network, address string) (net.Conn, error)
	KeyExpiration time.Duration

	// SchemaMap has JSON schemas by database.collection, for client-side field level encryption. What it has no schema
	// of is encrypted by the schema of the server's validator, which is asked for once a minute.
	//
	// Schemas given here are more secure than those from the server: they protect against a server that advertises a
	// false schema, which could trick the client into sending what should be encrypted. They only say how to encrypt:
	// other rules of validation are not enforced, and are errors.
	SchemaMap map[string]any
	// EncryptedFieldsMap has encryptedFields by database.collection, for Queryable Encryption. It is more secure than
	// what the server says, as SchemaMap is; the two must not share a namespace.
	EncryptedFieldsMap map[string]any
	// BypassAutoEncryption only decrypts.
	BypassAutoEncryption bool
	// BypassQueryAnalysis leaves values as they are, for those who encrypt them with a ClientEncryption, and still tells
	// servers of Queryable Encryption.
	BypassQueryAnalysis bool
}

// Auto returns what encrypts and decrypts for a client, for mgx.Options.Encryption. What is wrong with the options is an
// error of mgx.New.
//
//	options, err := mgx.ParseURI(uri)
//	options.Encryption = encryption.Auto(encryption.AutoOptions{
//		KeyVaultNamespace: "encryption.keys",
//		Providers:         map[string]encryption.Provider{"local": local},
//		SchemaMap:         map[string]any{"shop.customers": schema},
//	})
//	client, err := mgx.Open(ctx, options)
//
// Where the client's pools are bounded (Options.MaxPoolSize is not 0), it gets a second client with the same options but
// MinPoolSize, which is 0, for the key vault, unless KeyVaultClient is given, and for schemas, unless
// BypassAutoEncryption is set: so that no operation waits for a connection that another one holds which waits for it.
func Auto(options AutoOptions) mgx.Encryption { return &automatic{options} }

// AnalysisError is an operation, or a schema, that cannot be encrypted safely. Nothing was sent.
type AnalysisError = analyse.Error

// ErrView is an operation on a view, whose schema is not known.
var ErrView = auto.ErrView

type automatic struct{ AutoOptions }

// Attach is mgx.Encryption's.
func (a *automatic) Attach(client *mgx.Client, options *mgx.Options) (mgx.CommandCipher, error) {
	database, collection, ok := strings.Cut(a.KeyVaultNamespace, ".")
	if !ok || database == "" || collection == "" {
		return nil, wrap("options", fmt.Errorf("AutoOptions.KeyVaultNamespace is needed, as database.collection: %q", a.KeyVaultNamespace))
	}
	config := auto.Config{BypassEncryption: a.BypassAutoEncryption, BypassQueries: a.BypassQueryAnalysis}
	var err error
	if config.SchemaMap, err = documents("SchemaMap", a.SchemaMap); err != nil {
		return nil, wrap("options", err)
	}
	if config.EncryptedFieldsMap, err = documents("EncryptedFieldsMap", a.EncryptedFieldsMap); err != nil {
		return nil, wrap("options", err)
	}
	c := &autoCipher{}
	vault, metadata := a.KeyVaultClient, client
	if options.MaxPoolSize == nil || *options.MaxPoolSize != 0 {
		if vault == nil || !a.BypassAutoEncryption {
			if c.own, err = ownClient(options); err != nil {
				return nil, wrap("options", err)
			}
		}
		metadata = c.own
	}
	if vault == nil {
		vault = metadata
	}
	err = c.attach(a, &config, vault.Database(database).Collection(collection), metadata)
	if err != nil {
		return nil, wrap("options", errors.Join(err, c.Close(context.Background())))
	}
	return c, nil
}

// ownClient makes the client that keys and schemas are read with.
func ownClient(options *mgx.Options) (*mgx.Client, error) {
	o := *options
	o.MinPoolSize, o.Encryption = 0, nil
	return mgx.New(&o)
}

// documents encodes the documents of a map.
func documents(what string, m map[string]any) (map[string]bson.Raw, error) {
	encoded := map[string]bson.Raw{}
	for ns, v := range m {
		doc, err := document(what+" of "+ns, v)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			return nil, fmt.Errorf("%s of %s is nil", what, ns)
		}
		encoded[ns] = doc
	}
	return encoded, nil
}

// autoCipher is the mgx.CommandCipher of a client.
type autoCipher struct {
	*auto.Cipher
	keys *keys
	own  *mgx.Client // nil: none
}

var _ mgx.CommandCipher = (*autoCipher)(nil)

func (c *autoCipher) attach(a *automatic, config *auto.Config, vault *mgx.Collection, metadata *mgx.Client) error {
	k, err := newKeys(&Options{KeyVault: vault, Providers: a.Providers, TLS: a.TLS, Dial: a.Dial, KeyExpiration: a.KeyExpiration})
	if err != nil {
		return err
	}
	c.keys = k
	config.Encrypter, config.Decrypter = k.cipher, k.cipher
	config.Collection = func(ctx context.Context, database, name string) (bson.Raw, error) {
		list, err := mgx.Collect[bson.Raw](metadata.Database(database).ListCollections(mgx.WithoutSession(ctx), bson.D{{Key: "name", Value: name}}))
		if err != nil || len(list) == 0 {
			return nil, err
		}
		return list[0], nil
	}
	c.Cipher, err = auto.New(*config)
	return err
}

// Disconnect is mgx.CommandCipher's.
func (c *autoCipher) Disconnect(ctx context.Context) error {
	if c.own == nil {
		return nil
	}
	return c.own.Disconnect(ctx)
}

// Close is mgx.CommandCipher's.
func (c *autoCipher) Close(ctx context.Context) error {
	if c.keys != nil {
		c.keys.forget()
	}
	if c.own == nil {
		return nil
	}
	return c.own.Close(ctx)
}
