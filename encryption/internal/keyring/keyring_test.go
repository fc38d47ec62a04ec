package keyring

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/kms"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A vault is a key vault whose keys are under a local master key.
type vault struct {
	mu    sync.Mutex
	local *kms.Local
	docs  []bson.Raw
	finds int
	pause time.Duration
	err   error
}

func newVault(t *testing.T, keys ...bson.D) *vault {
	t.Helper()
	l, err := kms.NewLocal(make([]byte, 96))
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{local: l}
	for i, extra := range keys {
		v.add(t, byte(i+1), extra)
	}
	return v
}

func id(n byte) [16]byte { return [16]byte{n} }

func (v *vault) add(t *testing.T, n byte, extra bson.D) {
	t.Helper()
	material := make([]byte, 96)
	material[0] = n
	wrapped, _, err := v.local.Wrap(t.Context(), nil, material)
	if err != nil {
		t.Fatal(err)
	}
	key := id(n)
	d := bson.D{{"_id", bson.Binary{Subtype: 4, Data: key[:]}}, {"keyMaterial", bson.Binary{Data: wrapped}}, {"masterKey", bson.D{{"provider", "local"}}}}
	raw, err := bson.Marshal(append(d, extra...))
	if err != nil {
		t.Fatal(err)
	}
	v.docs = append(v.docs, raw)
}

func (v *vault) find(ctx context.Context, ids [][16]byte, names []string) ([]bson.Raw, error) {
	v.mu.Lock()
	v.finds++
	err, pause := v.err, v.pause
	v.mu.Unlock()
	if pause > 0 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	var found []bson.Raw
	for _, doc := range v.docs {
		d, err := ParseDocument(doc)
		if err != nil {
			return []bson.Raw{doc}, nil
		}
		if slices.Contains(ids, d.ID) || slices.ContainsFunc(d.AltNames, func(n string) bool { return slices.Contains(names, n) }) {
			found = append(found, doc)
		}
	}
	return found, nil
}

func (v *vault) provider(name string) (kms.Provider, error) {
	if name != "local" {
		return nil, errors.New("no such provider")
	}
	return v.local, nil
}

func (v *vault) ring(lifetime time.Duration) *Ring {
	return New(Options{Find: v.find, Provider: v.provider, Lifetime: lifetime})
}

func byID(list ...byte) (keys []placeholder.Key) {
	for _, n := range list {
		keys = append(keys, placeholder.Key{ID: id(n)})
	}
	return keys
}

func TestKeys(t *testing.T) {
	v := newVault(t, bson.D{{"keyAltNames", bson.A{"one", "uno"}}}, nil, nil)
	r := v.ring(time.Minute)
	got, err := r.Keys(t.Context(), append(byID(2, 3, 2), placeholder.Key{AltName: "uno"}, placeholder.Key{ID: id(1)}))
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []byte{2, 3, 2, 1, 1} {
		if got[i].ID != id(n) || got[i].Material[0] != n {
			t.Errorf("key %d is %x, want %d", i, got[i].ID, n)
		}
	}
	if v.finds != 1 {
		t.Errorf("%d queries for the keys of one call", v.finds)
	}
	got[0].Material.Wipe() // a copy
	again, err := r.Keys(t.Context(), byID(2))
	if err != nil || again[0].Material[0] != 2 || v.finds != 1 {
		t.Errorf("key %v after %d queries (%v)", again[0].Material[0], v.finds, err)
	}
	r.Forget()
	if _, err := r.Keys(t.Context(), byID(2)); err != nil || v.finds != 2 {
		t.Errorf("%d queries (%v), want another one after Forget", v.finds, err)
	}
}

func TestClose(t *testing.T) {
	v := newVault(t, nil)
	r := v.ring(time.Minute)
	if _, err := r.Keys(t.Context(), byID(1)); err != nil {
		t.Fatal(err)
	}
	kept := r.keys[byID(1)[0]]
	r.Close()
	if kept.key.Material != (aead.Key{}) {
		t.Error("a key is still in memory")
	}
	if _, err := r.Keys(t.Context(), byID(1)); !errors.Is(err, fault.ErrClosed) {
		t.Errorf("a key of a closed ring: %v", err)
	}
	v.local.Wipe()
	if _, err := v.local.Unwrap(t.Context(), nil, make([]byte, 200)); !errors.Is(err, fault.ErrClosed) {
		t.Errorf("an overwritten master key decrypts: %v", err)
	}
	if _, _, err := v.local.Wrap(t.Context(), nil, make([]byte, 96)); !errors.Is(err, fault.ErrClosed) {
		t.Errorf("an overwritten master key encrypts: %v", err)
	}
}

// TestDamagedMaterial fails for one of two keys.
func TestDamagedMaterial(t *testing.T) {
	v := newVault(t, nil)
	damaged := id(2)
	raw, err := bson.Marshal(bson.D{{"_id", bson.Binary{Subtype: 4, Data: damaged[:]}}, {"keyMaterial", bson.Binary{Data: make([]byte, 160)}}, {"masterKey", bson.D{{"provider", "local"}}}})
	if err != nil {
		t.Fatal(err)
	}
	v.docs = append(v.docs, raw)
	if _, err := v.ring(0).Keys(t.Context(), byID(1, 2)); !errors.Is(err, aead.ErrForged) {
		t.Errorf("damaged material: %v", err)
	}
}

func TestMissingKeys(t *testing.T) {
	v := newVault(t, nil)
	_, err := v.ring(time.Minute).Keys(t.Context(), append(byID(1, 9), placeholder.Key{AltName: "nobody"}))
	var missing *NotFoundError
	if !errors.As(err, &missing) || len(missing.Keys) != 2 {
		t.Errorf("error %v", err)
	}
	twice := newVault(t, bson.D{{"keyAltNames", bson.A{"same"}}}, bson.D{{"keyAltNames", bson.A{"same"}}})
	if _, err := twice.ring(0).Keys(t.Context(), []placeholder.Key{{AltName: "same"}}); err == nil {
		t.Error("two keys have the same name, and one is taken")
	}
	other := newVault(t)
	other.add(t, 1, nil)
	other.docs[0] = []byte(string(other.docs[0])) // below, its provider is changed
	copy(other.docs[0][len(other.docs[0])-10:], "other")
	if _, err := other.ring(0).Keys(t.Context(), byID(1)); err == nil {
		t.Error("a key of an unknown provider is decrypted")
	}
}

func TestExpiration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault(t, nil, nil)
		r, forever := v.ring(time.Minute), v.ring(0)
		ask := func(r *Ring, keys ...byte) {
			if _, err := r.Keys(t.Context(), byID(keys...)); err != nil {
				t.Fatal(err)
			}
		}
		ask(r, 1)
		time.Sleep(59 * time.Second)
		ask(r, 1, 2)
		if v.finds != 2 {
			t.Errorf("%d queries", v.finds)
		}
		time.Sleep(time.Second)
		ask(r, 2)
		ask(r, 1)
		if v.finds != 3 {
			t.Errorf("%d queries: one key has expired, one has not", v.finds)
		}
		v.finds = 0
		ask(forever, 1)
		time.Sleep(1000 * time.Hour)
		ask(forever, 1)
		if v.finds != 1 {
			t.Errorf("%d queries for a key that never expires", v.finds)
		}
	})
}

// TestAtTheSameTime has many ask for a key that is not there yet: one fetches it for all.
func TestAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault(t, nil, nil)
		v.pause = time.Second
		r := v.ring(time.Minute)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if _, err := r.Keys(t.Context(), byID(1, byte(1+i%2))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if v.finds > 2 {
			t.Errorf("%d queries", v.finds)
		}
		// One that fails leaves it to the next.
		v.err = errors.New("down")
		r.Forget()
		failed := make(chan error, 2)
		for range 2 {
			go func() { _, err := r.Keys(t.Context(), byID(1)); failed <- err }()
		}
		for range 2 {
			if err := <-failed; err == nil {
				t.Error("no error while the key vault is down")
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		v.err = nil
		go func() { _, err := r.Keys(t.Context(), byID(1)); failed <- err }()
		synctest.Wait()
		if _, err := r.Keys(ctx, byID(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for another's key: %v", err)
		}
		if err := <-failed; err != nil {
			t.Error(err)
		}
	})
}

func TestParseDocument(t *testing.T) {
	v := newVault(t, bson.D{{"keyAltNames", bson.A{"a"}}, {"version", int64(0)}, {"status", 1}})
	if d, err := ParseDocument(v.docs[0]); err != nil || d.Provider != "local" || d.AltNames[0] != "a" {
		t.Errorf("%+v (%v)", d, err)
	}
	uuid := bson.E{"_id", bson.Binary{Subtype: 4, Data: make([]byte, 16)}}
	material, master := bson.E{"keyMaterial", bson.Binary{Data: []byte{1}}}, bson.E{"masterKey", bson.D{{"provider", "local"}}}
	for name, d := range map[string]bson.D{
		"no _id": {material, master}, "another _id": {{"_id", 1}, material, master}, "no material": {uuid, master}, "no master key": {uuid, material},
		"no provider": {uuid, material, {"masterKey", bson.D{}}}, "names": {uuid, material, master, {"keyAltNames", "x"}},
		"numbers as names": {uuid, material, master, {"keyAltNames", bson.A{1}}}, "a new version": {uuid, material, master, {"version", int64(1)}},
	} {
		raw, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseDocument(raw); err == nil {
			t.Errorf("%s: taken for a data key", name)
		}
	}
}

func FuzzParseDocument(f *testing.F) {
	raw, err := bson.Marshal(bson.D{{"_id", bson.Binary{Subtype: 4, Data: make([]byte, 16)}}, {"keyMaterial", bson.Binary{Data: []byte{1}}}, {"masterKey", bson.D{{"provider", "local"}}}, {"keyAltNames", bson.A{"a"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = ParseDocument(data) })
}
