package auth

import (
	"context"
	"slices"
	"sync"
)

// maxCachedKeys bounds the cache. A deployment needs one entry for each
// mechanism in use; more appear when a password is changed or a server lies.
const maxCachedKeys = 16

// keyCache keeps derived keys: deriving them is slow on purpose, and a pool
// needs them for every connection. Connections that need the same keys at the
// same time wait for one derivation.
type keyCache struct {
	mu      sync.Mutex
	entries []*keyEntry // oldest first
}

type keyID struct {
	mechanism  string
	salt       string
	iterations int
}

type keyEntry struct {
	id    keyID
	ready chan struct{} // closed when keys or err are set
	keys  scramKeys
	err   error
}

// get returns the keys for id, from derive if they are not known. The context
// bounds the wait for another caller's derivation.
func (c *keyCache) get(ctx context.Context, id keyID, derive func() (scramKeys, error)) (scramKeys, error) {
	e, mine := c.entry(id)
	if !mine {
		select {
		case <-e.ready:
			return e.keys, e.err
		case <-ctx.Done():
			return scramKeys{}, context.Cause(ctx)
		}
	}
	e.keys, e.err = derive()
	close(e.ready)
	if e.err != nil {
		c.drop(e)
	}
	return e.keys, e.err
}

func (c *keyCache) entry(id keyID) (e *keyEntry, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(c.entries, func(e *keyEntry) bool { return e.id == id }); i >= 0 {
		return c.entries[i], false
	}
	e = &keyEntry{id: id, ready: make(chan struct{})}
	if len(c.entries) == maxCachedKeys {
		c.entries = slices.Delete(c.entries, 0, 1)
	}
	c.entries = append(c.entries, e)
	return e, true
}

func (c *keyCache) drop(e *keyEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = slices.DeleteFunc(c.entries, func(x *keyEntry) bool { return x == e })
}
