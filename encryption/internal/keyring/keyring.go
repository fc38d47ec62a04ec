package keyring

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/cipher"
	"github.com/mgxdb/mgx/encryption/internal/kms"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
	"github.com/mgxdb/mgx/internal/fault"
)

// Options are how a Ring gets at keys.
type Options struct {
	// Find returns the documents of the key vault with one of the identifiers or alternate names.
	Find func(ctx context.Context, ids [][16]byte, names []string) ([]bson.Raw, error)
	// Provider returns the KMS provider with a name.
	Provider func(name string) (kms.Provider, error)
	// Lifetime is how long a decrypted key is kept; 0 is for ever.
	Lifetime time.Duration
	// Now is the time; nil is the clock's.
	Now func() time.Time
}

// A Ring keeps decrypted data keys. It is safe for concurrent use.
type Ring struct {
	options Options
	mu      sync.Mutex
	// keys are those that are kept, by what they were asked for: the key of one with alternate names stands there
	// under each that it was asked by.
	keys map[placeholder.Key]*entry
	// coming are closed when somebody else's request for a key has ended.
	coming map[placeholder.Key]chan struct{}
	closed bool
}

// ErrClosed is a key that is wanted from a Ring that is closed.
var ErrClosed = fmt.Errorf("%w: the data keys were overwritten", fault.ErrClosed)

type entry struct {
	key     cipher.Key
	expires time.Time
}

// New returns a Ring without keys.
func New(o Options) *Ring {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Ring{options: o, keys: make(map[placeholder.Key]*entry), coming: make(map[placeholder.Key]chan struct{})}
}

// Keys is cipher.Keys.
func (r *Ring) Keys(ctx context.Context, wanted []placeholder.Key) ([]*cipher.Key, error) {
	if list, err := r.kept(wanted); list != nil || err != nil {
		return list, err
	}
	got := make(map[placeholder.Key]*cipher.Key, len(wanted))
	for len(got) < len(wanted) {
		mine, others := r.lookUp(wanted, got)
		if len(mine) == 0 && len(others) == 0 {
			break // the same key was wanted twice
		}
		if err := r.fetch(ctx, mine, got); err != nil {
			wipeAll(got)
			return nil, err
		}
		for _, done := range others {
			select {
			case <-done:
			case <-ctx.Done():
				wipeAll(got)
				return nil, ctx.Err()
			}
		}
	}
	list := make([]*cipher.Key, len(wanted))
	for i, k := range wanted {
		copied := *got[k]
		list[i] = &copied
	}
	wipeAll(got)
	return list, nil
}

// kept returns copies of the keys if all are there, which is almost always.
func (r *Ring) kept(wanted []placeholder.Key) ([]*cipher.Key, error) {
	copies, list := make([]cipher.Key, len(wanted)), make([]*cipher.Key, len(wanted))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	now := r.options.Now()
	for i, k := range wanted {
		e := r.keys[k]
		if e == nil || !e.expires.IsZero() && !now.Before(e.expires) {
			for i := range copies[:i] {
				copies[i].Material.Wipe()
			}
			return nil, nil
		}
		copies[i] = e.key
		list[i] = &copies[i]
	}
	return list, nil
}

func wipeAll(keys map[placeholder.Key]*cipher.Key) {
	for _, k := range keys {
		k.Material.Wipe()
	}
}

// lookUp adds copies of the keys that are there to got. Of the others, mine are asked for by nobody yet; for the rest
// there is something to wait for.
func (r *Ring) lookUp(wanted []placeholder.Key, got map[placeholder.Key]*cipher.Key) (mine []placeholder.Key, others []chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	for _, k := range wanted {
		if got[k] != nil {
			continue
		}
		if e := r.keys[k]; e != nil && (e.expires.IsZero() || now.Before(e.expires)) {
			copied := e.key
			got[k] = &copied
		} else if done := r.coming[k]; done == nil {
			r.coming[k] = make(chan struct{})
			mine = append(mine, k)
		} else if !contains(mine, k) {
			others = append(others, done)
		}
	}
	return mine, others
}

func contains(list []placeholder.Key, k placeholder.Key) bool {
	for _, l := range list {
		if l == k {
			return true
		}
	}
	return false
}

// fetch gets keys from the vault, keeps them, and adds copies to got.
func (r *Ring) fetch(ctx context.Context, mine []placeholder.Key, got map[placeholder.Key]*cipher.Key) error {
	if len(mine) == 0 {
		return nil
	}
	defer r.done(mine)
	documents, err := r.find(ctx, mine)
	if err != nil {
		return err
	}
	opened := make(map[[16]byte]*cipher.Key, len(mine))
	defer func() {
		for _, k := range opened {
			k.Material.Wipe()
		}
	}()
	for _, k := range mine {
		d := documents[k]
		if opened[d.ID] == nil {
			key, err := r.open(ctx, d)
			if err != nil {
				return err
			}
			opened[d.ID] = key
		}
		copied := *opened[d.ID]
		got[k] = &copied
		r.keep(k, copied)
		if k.AltName != "" { // its identifier is known now, and will be asked for
			r.keep(placeholder.Key{ID: d.ID}, copied)
		}
	}
	return nil
}

// done tells those who wait that a request has ended.
func (r *Ring) done(mine []placeholder.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range mine {
		close(r.coming[k])
		delete(r.coming, k)
	}
}

// keep remembers a key, and forgets those whose time is over.
func (r *Ring) keep(k placeholder.Key, key cipher.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	now := r.options.Now()
	for old, e := range r.keys {
		if !e.expires.IsZero() && !now.Before(e.expires) || old == k {
			e.key.Material.Wipe()
			delete(r.keys, old)
		}
	}
	e := &entry{key: key}
	if r.options.Lifetime > 0 {
		e.expires = now.Add(r.options.Lifetime)
	}
	r.keys[k] = e
}

// find returns the documents of keys, and fails if one is missing.
func (r *Ring) find(ctx context.Context, keys []placeholder.Key) (map[placeholder.Key]*Document, error) {
	var ids [][16]byte
	var names []string
	for _, k := range keys {
		if k.AltName != "" {
			names = append(names, k.AltName)
		} else {
			ids = append(ids, k.ID)
		}
	}
	raws, err := r.options.Find(ctx, ids, names)
	if err != nil {
		return nil, err
	}
	found := make(map[placeholder.Key]*Document)
	for _, raw := range raws {
		d, err := ParseDocument(raw)
		if err != nil {
			return nil, err
		}
		found[placeholder.Key{ID: d.ID}] = d
		for _, name := range d.AltNames {
			k := placeholder.Key{AltName: name}
			if other := found[k]; other != nil && other.ID != d.ID {
				return nil, fmt.Errorf("two data keys, %s and %s, have the alternate name %q: the key vault needs a unique index on keyAltNames", cipher.UUID(other.ID), cipher.UUID(d.ID), name)
			}
			found[k] = d
		}
	}
	var missing []string
	for _, k := range keys {
		if found[k] == nil {
			missing = append(missing, name(k))
		}
	}
	if len(missing) > 0 {
		return nil, &NotFoundError{Keys: missing}
	}
	return found, nil
}

func name(k placeholder.Key) string {
	if k.AltName != "" {
		return fmt.Sprintf("%q", k.AltName)
	}
	return cipher.UUID(k.ID).String()
}

// A NotFoundError is keys that are not in the key vault.
type NotFoundError struct{ Keys []string }

func (e *NotFoundError) Error() string {
	return "not all keys requested were satisfied: the key vault has no data key " + strings.Join(e.Keys, ", ")
}

// open decrypts the material of a key.
func (r *Ring) open(ctx context.Context, d *Document) (*cipher.Key, error) {
	material, err := Unwrap(ctx, r.options.Provider, d)
	if err != nil {
		return nil, err
	}
	defer material.Wipe()
	return &cipher.Key{ID: d.ID, Material: *material}, nil
}

// Unwrap decrypts the material of a data key.
func Unwrap(ctx context.Context, providers func(name string) (kms.Provider, error), d *Document) (*aead.Key, error) {
	provider, err := providers(d.Provider)
	if err != nil {
		return nil, fmt.Errorf("decrypting the data key %s: %w", cipher.UUID(d.ID), err)
	}
	material, err := provider.Unwrap(ctx, d.Master, d.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("decrypting the data key %s: %w", cipher.UUID(d.ID), err)
	}
	defer clear(material)
	key, err := aead.ParseKey(material)
	if err != nil {
		return nil, fmt.Errorf("decrypting the data key %s: %w", cipher.UUID(d.ID), err)
	}
	return key, nil
}

// Forget wipes all keys. They are fetched again when they are needed.
func (r *Ring) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, e := range r.keys {
		e.key.Material.Wipe()
		delete(r.keys, k)
	}
}

// Close wipes all keys for good.
func (r *Ring) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.Forget()
}
