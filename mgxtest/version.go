package mgxtest

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Servers of different releases differ in the commands and arguments that they
// know, and in what they tell of errors. The wire version stands for the release.
const (
	wire44  = 9
	wire50  = 13
	wire53  = 16
	wire60  = 17
	wire61  = 18
	wire71  = 22
	wire80  = 25
	wire82  = 27
	current = wire80
)

// releases are the wire versions of the servers that ServerVersion knows.
var releases = map[string]int32{
	"4.0": 7, "4.2": 8, "4.4": wire44, "5.0": wire50, "5.1": 14, "5.2": 15, "5.3": wire53, "6.0": wire60, "6.1": wire61, "6.2": 19, "6.3": 20,
	"7.0": 21, "7.1": wire71, "7.2": 23, "7.3": 24, "8.0": wire80, "8.1": 26, "8.2": wire82,
}

// wireOf is the wire version of a server version; that of the default for one that
// is not known.
func wireOf(version string) int32 {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) >= 2 {
		if w, ok := releases[parts[0]+"."+parts[1]]; ok {
			return w
		}
	}
	return current
}

// since reports whether the server is of the release with this wire version, or a
// newer one.
func (r *request) since(wire int32) bool {
	return r.conn == nil || r.conn.m.dep.cfg.release >= wire
}

// argument splits what a command's list of arguments says of one: its name, and
// the release that it came with, as in "let@5.0".
func argument(field string) (name string, wire int32) {
	name, release, ok := strings.Cut(field, "@")
	if ok {
		wire = releases[release]
	}
	return name, wire
}

// unknownArgument is the error of an argument that a server does not know. Until
// 4.4, find, aggregate and findAndModify had words of their own for it.
func (r *request) unknownArgument(name string) error {
	switch {
	case r.cmd.name == "find" && !r.since(wire50):
		return failf(codeFailedToParse, "Failed to parse: %s. Unrecognized field '%s'.", r.body, name)
	case r.cmd.name == "aggregate" && !r.since(wire50):
		return failf(codeFailedToParse, "unrecognized field '%s'", name)
	case r.cmd.name == "findAndModify" && !r.since(wire50):
		return failf(codeFailedToParse, "BSON field '%s' is an unknown field", name)
	}
	return failf(codeUnknownField, "BSON field '%s.%s' is an unknown field.", r.cmd.name, name)
}

// checkInserted refuses what servers before 5.0 did not store: a document with a
// field that begins with a dollar.
func (r *request) checkInserted(d bson.Raw) error {
	if r.since(wire50) {
		return nil
	}
	elems, _ := d.Elements()
	for _, e := range elems {
		if strings.HasPrefix(e.Key(), "$") {
			return failf(codeBadValue, "Document can't have $ prefixed field names: %s", e.Key())
		}
	}
	return nil
}

// checkStored is checkInserted for what updates result in, which they looked
// through to its depths.
func (r *request) checkStored(d bson.Raw) error {
	if r.since(wire50) {
		return nil
	}
	elems, _ := d.Elements()
	for _, e := range elems {
		if strings.HasPrefix(e.Key(), "$") && e.Key() != "$ref" && e.Key() != "$id" && e.Key() != "$db" {
			return failf(52, "The dollar ($) prefixed field '%s' is not valid for storage.", e.Key())
		}
		inner, ok := e.Value().DocumentOK()
		if array, isArray := e.Value().ArrayOK(); isArray {
			inner, ok = bson.Raw(array), true
		}
		if ok {
			if err := r.checkStored(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// cmdGetNonce began an authentication that servers no longer have.
func cmdGetNonce(*mongod, *request) (bson.D, error) {
	return doc("nonce", fmt.Sprintf("%016x", randomID())), nil
}
