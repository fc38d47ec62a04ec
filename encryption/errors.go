package encryption

import (
	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/keyring"
	"github.com/mgxdb/mgx/encryption/internal/kms"
)

// An Error is a failure of encryption, of decryption, or of the work with data keys. It is an mgx.ErrEncryption. What
// caused it is behind it, with errors.As and errors.Is: errors of the key vault's client as they are, a *KMSError, a
// *KeyNotFoundError.
type Error struct {
	// Op says what was being done.
	Op string
	// Err is why it failed. It holds no key, and no value.
	Err error
}

// Error says what failed and why.
func (e *Error) Error() string { return "encryption: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is mgx.ErrEncryption.
func (e *Error) Is(target error) bool { return target == mgx.ErrEncryption }

// wrap says what failed, if something did.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Err: err}
}

// A KMSError is a key management service that did not do what it was asked to.
type KMSError = kms.Error

// A KeyNotFoundError is data keys that are not in the key vault.
type KeyNotFoundError = keyring.NotFoundError

// ErrForged is data that are damaged, or were encrypted under another key.
var ErrForged = aead.ErrForged
