package kms

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/kms/kmip"
)

// KMIP is a server that speaks KMIP. It keeps a master key of 96 bytes, which data keys are encrypted with here; or, if
// the master key is delegated, an AES key, and encrypts them itself.
type KMIP struct {
	Service
	// Endpoint is asked for master keys that name none.
	Endpoint string
}

const kmipPort = "5696"

var kmipFields = []field{{name: "keyId"}, {name: "endpoint", endpoint: true}, {name: "delegated", boolean: true}}

// Check is Provider's.
func (k *KMIP) Check(master bson.Raw) (bson.D, error) { return checkMaster("kmip", master, kmipFields) }

// Wrap is Provider's. Without a keyId the server gets a new master key.
func (k *KMIP) Wrap(ctx context.Context, master bson.Raw, material []byte) ([]byte, bson.D, error) {
	stored, err := k.Check(master)
	if err != nil {
		return nil, nil, err
	}
	to, err := k.address(master)
	if err != nil {
		return nil, nil, err
	}
	id, delegated := text(master, "keyId"), flag(master, "delegated")
	if id == "" {
		if id, err = k.create(ctx, to, delegated); err != nil {
			return nil, nil, err
		}
		stored = append(bson.D{{Key: "keyId", Value: id}}, stored...)
	}
	if delegated {
		ciphertext, iv, err := ask2(ctx, k, to, kmip.Encrypt(id, material), kmip.Encrypted)
		return append(iv, ciphertext...), stored, err
	}
	key, err := k.secret(ctx, to, id)
	if err != nil {
		return nil, nil, err
	}
	defer key.Wipe()
	return aead.FieldLevel.Seal(nil, key, material, nil), stored, nil
}

// Unwrap is Provider's.
func (k *KMIP) Unwrap(ctx context.Context, master bson.Raw, wrapped []byte) ([]byte, error) {
	if _, err := k.Check(master); err != nil {
		return nil, err
	}
	to, err := k.address(master)
	if err != nil {
		return nil, err
	}
	id := text(master, "keyId")
	switch {
	case id == "":
		return nil, fmt.Errorf("the master key of kmip needs keyId")
	case flag(master, "delegated"):
		if len(wrapped) < kmip.IVSize {
			return nil, fmt.Errorf("the key material is cut short")
		}
		return ask(ctx, k, to, kmip.Decrypt(id, wrapped[kmip.IVSize:], wrapped[:kmip.IVSize]), kmip.Decrypted)
	}
	key, err := k.secret(ctx, to, id)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	material, err := aead.FieldLevel.Open(nil, key, wrapped, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypting with the KMIP master key %q: %w", id, err)
	}
	return material, nil
}

func (k *KMIP) address(master bson.Raw) (string, error) {
	endpoint := text(master, "endpoint")
	if endpoint == "" {
		endpoint = k.Endpoint
	}
	return address(endpoint, kmipPort)
}

// create makes a master key on the server, and lets it be used.
func (k *KMIP) create(ctx context.Context, to string, delegated bool) (string, error) {
	message := kmip.Create()
	if !delegated {
		var secret aead.Key
		rand.Read(secret[:])
		defer secret.Wipe()
		message = kmip.Register(secret[:])
		defer clear(message)
	}
	id, err := askOnce(ctx, k, to, message, kmip.Identifier)
	if err != nil {
		return "", err
	}
	_, err = askOnce(ctx, k, to, kmip.Activate(id), kmip.Identifier)
	return id, err
}

// secret gets a master key.
func (k *KMIP) secret(ctx context.Context, to, id string) (*aead.Key, error) {
	secret, err := ask(ctx, k, to, kmip.Get(id), kmip.Secret)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	key, err := aead.ParseKey(secret)
	if err != nil {
		return nil, &Error{Provider: k.Name, Endpoint: to, Message: fmt.Sprintf("the master key %q has %d bytes, not %d", id, len(secret), aead.KeySize)}
	}
	return key, nil
}

// ask sends a message, on a connection of its own, and reads the answer. It tries again after a failure.
func ask[T any](ctx context.Context, k *KMIP, to string, message []byte, read func([]byte) (T, error)) (result T, err error) {
	err = k.retry(ctx, func(ctx context.Context) error {
		result, err = askOnce(ctx, k, to, message, read)
		return err
	})
	return result, err
}

// askOnce is ask for what must not be done twice.
func askOnce[T any](ctx context.Context, k *KMIP, to string, message []byte, read func([]byte) (T, error)) (result T, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := k.exchangeKMIP(ctx, to, message)
	if err != nil {
		return result, k.fail(to, err)
	}
	result, err = read(answer)
	var refused *kmip.Failure
	switch {
	case errors.As(err, &refused):
		return result, &Error{Provider: k.Name, Endpoint: to, Status: int(refused.Reason), Message: refused.Message}
	case err != nil:
		return result, &Error{Provider: k.Name, Endpoint: to, Message: err.Error()}
	}
	return result, nil
}

// ask2 is ask for answers with two values.
func ask2[A, B any](ctx context.Context, k *KMIP, to string, message []byte, read func([]byte) (A, B, error)) (A, B, error) {
	type both struct {
		a A
		b B
	}
	got, err := ask(ctx, k, to, message, func(m []byte) (both, error) {
		a, b, err := read(m)
		return both{a, b}, err
	})
	return got.a, got.b, err
}

func (k *KMIP) exchangeKMIP(ctx context.Context, to string, message []byte) ([]byte, error) {
	nc, err := k.connect(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { _ = nc.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	if _, err := nc.Write(message); err != nil {
		return nil, err
	}
	answer, err := kmip.Read(nc)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return answer, err
}
