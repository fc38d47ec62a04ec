package encryption

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/cipher"
	"github.com/mgxdb/mgx/encryption/internal/keyring"
	"github.com/mgxdb/mgx/encryption/internal/kms"
	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/tlsclient"
)

// NeverExpire as Options.KeyExpiration keeps decrypted data keys as long as the program runs.
const NeverExpire time.Duration = -1

// DefaultKeyExpiration is how long decrypted data keys are kept.
const DefaultKeyExpiration = time.Minute

// Options are where data keys are, and how they are decrypted.
type Options struct {
	// KeyVault is the collection with the data keys. Its client needs no encryption itself. It should have a unique
	// index on keyAltNames, for the documents that have some: EnsureIndex makes it.
	//
	// Data keys are read with the read concern majority, and written with the write concern majority, whatever the
	// collection's are.
	KeyVault *mgx.Collection
	// Providers are the key management services, by their names: "local", "aws", "azure", "gcp" and "kmip", or one of
	// these with a name of your own behind a colon, such as "aws:accounting", where there are several of one kind. Data
	// keys name their provider so: it cannot be renamed later.
	Providers map[string]Provider
	// TLS has, by the providers' names, how connections to them are secured. Without an entry the system's authorities
	// are trusted. Nothing can be left unchecked.
	TLS map[string]*mgx.TLS
	// Dial opens the sockets to key management services; nil uses a net.Dialer. This is where a proxy comes in: Dial may
	// return a connection through it, on which TLS with the service itself begins. Its errors are taken for failures of
	// the network, after which a request is tried again.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// KeyExpiration is how long a decrypted data key is kept in memory before the key vault and the key management
	// service are asked again. 0 is DefaultKeyExpiration; NeverExpire keeps it.
	KeyExpiration time.Duration
}

// keys is what the options make: the providers, the key vault, the ring, and a cipher with its keys.
type keys struct {
	providers map[string]kms.Provider
	vault     *mgx.Collection
	ring      *keyring.Ring
	cipher    *cipher.Cipher
}

func newKeys(o *Options) (*keys, error) {
	if o == nil || o.KeyVault == nil {
		return nil, errors.New("Options.KeyVault is needed: the collection with the data keys")
	}
	if len(o.Providers) == 0 {
		return nil, errors.New("Options.Providers is needed: one key management service at least")
	}
	k := &keys{providers: make(map[string]kms.Provider, len(o.Providers)),
		vault: o.KeyVault.With(mgx.WithReadConcern(mgx.ReadConcernMajority), mgx.WithWriteConcern(mgx.Majority()))}
	for _, name := range slices.Sorted(maps.Keys(o.TLS)) {
		if o.Providers[name] == nil {
			return nil, fmt.Errorf("Options.TLS has %q, which is no provider", name)
		}
	}
	for name, p := range o.Providers {
		provider, err := o.provider(name, p)
		if err != nil {
			return nil, err
		}
		k.providers[name] = provider
	}
	lifetime := o.KeyExpiration
	switch {
	case lifetime == 0:
		lifetime = DefaultKeyExpiration
	case lifetime == NeverExpire:
		lifetime = 0
	case lifetime < 0:
		return nil, fmt.Errorf("Options.KeyExpiration is %v: it must not be negative, except NeverExpire", lifetime)
	}
	k.ring = keyring.New(keyring.Options{Find: k.find, Provider: k.provider, Lifetime: lifetime})
	k.cipher = cipher.New(k.ring.Keys)
	return k, nil
}

// provider makes one provider.
func (o *Options) provider(name string, p Provider) (kms.Provider, error) {
	if err := kms.CheckName(name); err != nil {
		return nil, err
	}
	if p == nil || kindOf(p) != kms.Kind(name) {
		return nil, fmt.Errorf("the KMS provider %s is a %T", name, p)
	}
	secure, err := tlsOf(o.TLS[name], o.Dial)
	if err != nil {
		return nil, fmt.Errorf("TLS of the KMS provider %s: %w", name, err)
	}
	made, err := p.make(name, kms.Service{Name: name, Dial: o.Dial, TLS: secure})
	if err != nil {
		return nil, fmt.Errorf("the KMS provider %s: %w", name, err)
	}
	return made, nil
}

func kindOf(p Provider) string {
	switch p.(type) {
	case Local:
		return "local"
	case AWS:
		return "aws"
	case Azure:
		return "azure"
	case GCP:
		return "gcp"
	case KMIP:
		return "kmip"
	}
	return ""
}

// tlsOf makes connections secure as the options say, which must not leave anything unchecked.
func tlsOf(t *mgx.TLS, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*tlsclient.Client, error) {
	if t == nil {
		t = new(mgx.TLS)
	}
	if t.Insecure || t.AllowInvalidCertificates || t.AllowInvalidHostnames || t.DisableRevocationCheck || t.Config != nil && t.Config.InsecureSkipVerify {
		return nil, errors.New("Insecure TLS options prohibited")
	}
	return tlsclient.New(tlsclient.Options{Config: t.Config, DialContext: dial, TLS: setup.TLS{
		CAFile: t.CAFile, CertificateKeyFile: t.CertificateKeyFile, CertFile: t.CertFile, KeyFile: t.KeyFile, KeyPassword: t.KeyPassword,
		DisableOCSPEndpointCheck: t.DisableOCSPEndpointCheck,
	}})
}

func (k *keys) provider(name string) (kms.Provider, error) {
	if p := k.providers[name]; p != nil {
		return p, nil
	}
	if err := kms.CheckName(name); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("the KMS provider %s is not among Options.Providers", name)
}

// find reads the documents of data keys from the key vault, out of whatever session the caller is in.
func (k *keys) find(ctx context.Context, ids [][16]byte, names []string) ([]bson.Raw, error) {
	list := make(bson.A, len(ids))
	for i, id := range ids {
		list[i] = uuid(id)
	}
	filter := bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: list}}}},
		bson.D{{Key: "keyAltNames", Value: bson.D{{Key: "$in", Value: orEmpty(names)}}}},
	}}}
	return mgx.Collect[bson.Raw](k.vault.Find(mgx.WithoutSession(ctx), filter))
}

func orEmpty(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// uuid is an identifier as BSON has it.
func uuid(id [16]byte) bson.Binary {
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id[:]}
}

// forget wipes decrypted keys and local master keys, for good.
func (k *keys) forget() {
	k.ring.Close()
	for _, p := range k.providers {
		if l, ok := p.(*kms.Local); ok {
			l.Wipe()
		}
	}
}
