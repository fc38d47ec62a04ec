package bson

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// ErrInvalid is, in the sense of errors.Is, every error that says that bytes are not valid BSON.
var ErrInvalid = bsonwire.ErrInvalid

// A DecodeError is an error that occurred under a key of the document being decoded.
type DecodeError struct {
	keys []string // innermost first
	err  error
}

// Error implements error.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("error decoding key %s: %v", strings.Join(e.Keys(), "."), e.err)
}

// Unwrap returns the error without the path.
func (e *DecodeError) Unwrap() error { return e.err }

// Keys returns the path of keys to where the error occurred, outermost first.
func (e *DecodeError) Keys() []string { return reversed(e.keys) }

// An EncodeError is an error that occurred under a key of the document being encoded.
type EncodeError struct {
	keys []string // innermost first
	err  error
}

// Error implements error.
func (e *EncodeError) Error() string {
	return fmt.Sprintf("error encoding key %s: %v", strings.Join(e.Keys(), "."), e.err)
}

// Unwrap returns the error without the path.
func (e *EncodeError) Unwrap() error { return e.err }

// Keys returns the path of keys to where the error occurred, outermost first.
func (e *EncodeError) Keys() []string { return reversed(e.keys) }

func reversed(keys []string) []string {
	keys = slices.Clone(keys)
	slices.Reverse(keys)
	return keys
}

// decodeErrorAt and encodeErrorAt put key in front of an error's path. They change the error, so what a user's method
// returns must go through foreignError first.

func decodeErrorAt(key string, err error) error {
	if e, ok := err.(*DecodeError); ok {
		e.keys = append(e.keys, key)
		return e
	}
	return &DecodeError{keys: []string{key}, err: err}
}

func encodeErrorAt(key string, err error) error {
	if e, ok := err.(*EncodeError); ok {
		e.keys = append(e.keys, key)
		return e
	}
	return &EncodeError{keys: []string{key}, err: err}
}

// foreignError prepares an error of a user's method for decodeErrorAt and encodeErrorAt, which may extend its path.
func foreignError(err error) error {
	switch e := err.(type) {
	case *DecodeError:
		return &DecodeError{keys: slices.Clone(e.keys), err: e.err}
	case *EncodeError:
		return &EncodeError{keys: slices.Clone(e.keys), err: e.err}
	}
	return err
}

var (
	errKeyZero     = errors.New("a BSON key cannot contain a zero byte")
	errRegexZero   = errors.New("a BSON regular expression cannot contain a zero byte")
	errEncodeDepth = fmt.Errorf("documents are nested more than %d deep; is there a cycle?", bsonwire.MaxDepth)
	errTooLarge    = errors.New("document is larger than 2 GiB")
	errTruncate    = errors.New(`number cannot be represented exactly (the struct tag "truncate" allows that)`)
)

func errNoEncoder(t reflect.Type) error {
	if t == nil {
		return errors.New("cannot encode nil")
	}
	return fmt.Errorf("cannot encode a value of type %s", t)
}

func errNoDecoder(t reflect.Type) error { return fmt.Errorf("cannot decode into a %s", t) }

func errMismatch(t byte, into any) error {
	name := Type(t).String()
	if t == 0 {
		name = "document"
	}
	return fmt.Errorf("cannot decode %s into %v", name, into)
}

func errOverflow(v any, into any) error { return fmt.Errorf("%v overflows %v", v, into) }
