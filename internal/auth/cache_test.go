package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestKeysAreDerivedOnce(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Mechanism: ScramSHA256, Username: "u", Password: "p"}})
	var wg sync.WaitGroup
	for range 8 {
		server := newScramServer(t, ScramSHA256, "u", "p", 4096)
		wg.Go(func() {
			if _, err := run(t, mustBegin(t, a), nil, server.serve); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(a.sha256.keys.entries); n != 1 {
		t.Errorf("%d entries in the cache", n)
	}
}

func TestKeyCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c keyCache
		var derived atomic.Int32
		gate := make(chan struct{})
		derive := func() (scramKeys, error) {
			derived.Add(1)
			<-gate
			return scramKeys{client: []byte("key")}, nil
		}
		id := keyID{ScramSHA256, "salt", 4096}
		for range 10 {
			go func() {
				keys, err := c.get(t.Context(), id, derive)
				if err != nil || string(keys.client) != "key" {
					t.Error(keys.client, err)
				}
			}()
		}
		synctest.Wait()
		if n := derived.Load(); n != 1 {
			t.Errorf("%d derivations at once", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.get(ctx, id, derive); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled wait returned %v", err)
		}
		close(gate)
		synctest.Wait()
		for _, other := range []keyID{{ScramSHA1, "salt", 4096}, {ScramSHA256, "Salt", 4096}, {ScramSHA256, "salt", 4097}} {
			c.get(t.Context(), other, derive)
		}
		if n := derived.Load(); n != 4 {
			t.Errorf("%d derivations for 4 keys", n)
		}
	})
}

func TestKeyCacheForgetsFailures(t *testing.T) {
	var c keyCache
	fail := errors.New("no")
	id := keyID{ScramSHA1, "s", 4096}
	if _, err := c.get(t.Context(), id, func() (scramKeys, error) { return scramKeys{}, fail }); err != fail {
		t.Error(err)
	}
	if _, err := c.get(t.Context(), id, func() (scramKeys, error) { return scramKeys{}, nil }); err != nil {
		t.Error(err)
	}
}

func TestKeyCacheIsBounded(t *testing.T) {
	var c keyCache
	for i := range 10 * maxCachedKeys {
		c.get(t.Context(), keyID{"", "", i}, func() (scramKeys, error) { return scramKeys{}, nil })
	}
	if n := len(c.entries); n != maxCachedKeys {
		t.Errorf("%d entries", n)
	}
	c.get(t.Context(), keyID{"", "", 10*maxCachedKeys - 1}, func() (scramKeys, error) {
		t.Error("the newest entry is gone")
		return scramKeys{}, nil
	})
}

func BenchmarkScramConversation(b *testing.B) {
	a := mustNew(b, Credential{Static: Static{Mechanism: ScramSHA256, Username: "u", Password: "p"}})
	salt := "W22ZaJ0SNY7soEsUEjb6gQ=="
	for b.Loop() {
		conv := mustBegin(b, a)
		cmd, _, _ := conv.Next(b.Context(), nil)
		nonce := string(payloadOf(cmd))[len("n,,n=u,r="):]
		reply := saslReply(1, false, []byte("r="+nonce+"x,s="+salt+",i=15000"))
		if _, _, err := conv.Next(b.Context(), reply); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDerive(b *testing.B) {
	for _, h := range []scramHash{sha1Hash, sha256Hash} {
		b.Run(h.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.derive("password", []byte("0123456789abcdef"), 15000); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
