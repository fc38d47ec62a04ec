package kms

import (
	"context"
	"fmt"
	"sync"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/internal/fault"
)

// Local encrypts data keys under a master key that the program has.
type Local struct {
	mu  sync.RWMutex // the key is overwritten under it
	key *aead.Key    // nil: overwritten
}

var errWiped = fmt.Errorf("%w: the local master key was overwritten", fault.ErrClosed)

// NewLocal copies the master key: 96 bytes.
func NewLocal(key []byte) (*Local, error) {
	k, err := aead.ParseKey(key)
	if err != nil {
		return nil, fmt.Errorf("the local master key has %d bytes, not %d", aead.KeySize, len(key))
	}
	return &Local{key: k}, nil
}

// Wipe overwrites the master key. The provider is of no use afterwards.
func (l *Local) Wipe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key != nil {
		l.key.Wipe()
		l.key = nil
	}
}

// Check is Provider's. There is nothing to say of the master key.
func (l *Local) Check(master bson.Raw) (bson.D, error) { return checkMaster("local", master, nil) }

// Wrap is Provider's.
func (l *Local) Wrap(_ context.Context, master bson.Raw, material []byte) ([]byte, bson.D, error) {
	stored, err := l.Check(master)
	if err != nil {
		return nil, nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.key == nil {
		return nil, nil, errWiped
	}
	return aead.FieldLevel.Seal(nil, l.key, material, nil), stored, nil
}

// Unwrap is Provider's.
func (l *Local) Unwrap(_ context.Context, _ bson.Raw, wrapped []byte) ([]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.key == nil {
		return nil, errWiped
	}
	material, err := aead.FieldLevel.Open(nil, l.key, wrapped, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypting with the local master key: %w", err)
	}
	return material, nil
}
