// Package kms encrypts data keys by key management services: a master key that the program has itself, AWS, Azure, GCP,
// or a server that speaks KMIP.
package kms

import (
	"context"
	"fmt"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// A Provider encrypts and decrypts the material of data keys under a master key. It is safe for concurrent use.
type Provider interface {
	// Check refuses a master key that lacks something, or has something unknown, and returns it as it is stored in a
	// data key's document, without its provider.
	Check(master bson.Raw) (bson.D, error)
	// Wrap encrypts material. It returns the master key to store, which may say more than the given one.
	Wrap(ctx context.Context, master bson.Raw, material []byte) (wrapped []byte, stored bson.D, err error)
	// Unwrap decrypts what Wrap returned, under the master key that it returned.
	Unwrap(ctx context.Context, master bson.Raw, wrapped []byte) ([]byte, error)
}

// Kind is the kind of a provider, of whose name it is the beginning: "aws" of "aws:name".
func Kind(name string) string {
	kind, _, _ := strings.Cut(name, ":")
	return kind
}

// CheckName refuses names that are not a kind, or a kind, a colon, and a name of letters, digits and underscores.
func CheckName(name string) error {
	kind, rest, named := strings.Cut(name, ":")
	switch kind {
	case "aws", "azure", "gcp", "kmip", "local":
	default:
		return fmt.Errorf("unknown KMS provider %q: its kind is one of aws, azure, gcp, kmip and local", name)
	}
	if !named {
		return nil
	}
	if rest == "" || strings.ContainsFunc(rest, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_')
	}) {
		return fmt.Errorf("the name of the KMS provider %q is not one of letters, digits and underscores", name)
	}
	return nil
}

// field is one of a master key.
type field struct {
	name     string
	required bool
	// endpoint reports that it is a host, with or without a port.
	endpoint bool
	boolean  bool
}

// checkMaster reads the fields of a master key, in the order of the list.
func checkMaster(kind string, master bson.Raw, fields []field) (bson.D, error) {
	found := make(map[string]bsonwire.Value)
	r := bsonwire.NewReader(orEmpty(master))
	for r.Next() {
		found[string(r.Key())] = r.Value()
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	delete(found, "provider")
	var stored bson.D
	for _, f := range fields {
		v, ok := found[f.name]
		delete(found, f.name)
		switch {
		case !ok && f.required:
			return nil, fmt.Errorf("the master key of %s needs %s", kind, f.name)
		case !ok:
			continue
		case f.boolean:
			b, ok := v.AsBool()
			if !ok {
				return nil, fmt.Errorf("%s of the master key of %s is a boolean, not of type %s", f.name, kind, v.Type)
			}
			stored = append(stored, bson.E{Key: f.name, Value: b})
			continue
		}
		s, ok := v.AsString()
		if !ok || s == "" {
			return nil, fmt.Errorf("%s of the master key of %s is a string that is not empty", f.name, kind)
		}
		if f.endpoint {
			if _, err := address(s, ""); err != nil {
				return nil, err
			}
		}
		stored = append(stored, bson.E{Key: f.name, Value: s})
	}
	for name := range found {
		return nil, fmt.Errorf("the master key of %s has no field %q", kind, name)
	}
	return stored, nil
}

func orEmpty(doc bson.Raw) bson.Raw {
	if len(doc) == 0 {
		return bson.Raw{5, 0, 0, 0, 0}
	}
	return doc
}

// text is a field of a checked master key, or "".
func text(master bson.Raw, name string) string {
	v, _ := bsonwire.Lookup(orEmpty(master), name)
	s, _ := v.AsString()
	return s
}

func flag(master bson.Raw, name string) bool {
	v, _ := bsonwire.Lookup(orEmpty(master), name)
	b, _ := v.AsBool()
	return b
}

// address completes a host by a port.
func address(endpoint, port string) (string, error) {
	host, given, has := strings.Cut(endpoint, ":")
	bad := func(r rune) bool {
		return !(r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}
	if host == "" || strings.ContainsFunc(host, bad) || has && (given == "" || strings.Trim(given, "0123456789") != "") {
		return "", fmt.Errorf("invalid endpoint %q: it is a host name, with a colon and a port behind it or not, without a scheme and a path", endpoint)
	}
	if has {
		port = given
	}
	return host + ":" + port, nil
}
