// Package bson is BSON in Go: the types of documents, and a codec that moves them.
//
// The types (D, M, A, Raw, ObjectID, DateTime, …) and the struct tags are those of go.mongodb.org/mongo-driver/v2/bson:
// models that were written for it work here, and encode to the same bytes. The codec is this package's own. Where it
// differs from the official one on purpose, docs/bson.md says so.
//
// # From Go to BSON
//
// A document is a D, an M or another map, a struct, a Raw, or a Marshaler. In it,
//
//   - string, bool, float32 and float64 are what their names say;
//   - int, int8, int16, int32, uint8 and uint16 are int32, but an int that needs it is int64; int64, uint, uint32 and
//     uint64 are int64, or int32 with the tag option "minsize" if they fit; a uint64 too large for int64 is an error;
//   - time.Time is a datetime, cut to milliseconds; []byte and [n]byte are binary; url.URL is a string; json.Number is a
//     number; slices and arrays are arrays, but []E is a document;
//   - nil pointers, slices, maps and interfaces are null;
//   - map keys are strings, integers, or types with MarshalKey or MarshalText;
//   - types with MarshalBSONValue or MarshalBSON encode themselves.
//
// The exported fields of a struct are its elements, under their names in lower case. The tag `bson:"name,options"`
// changes that: "omitempty" leaves out a field that is zero (for types with IsZero, if that says so; structs without it
// are never left out), "omitzero" one that has the zero value or whose IsZero says so, as in encoding/json, "minsize" and "truncate" (for decoding numbers that would lose their fraction) are for numbers,
// "inline" puts the elements of a struct or map in place of the field, and the name "-" leaves the field out always.
//
// # From BSON to Go
//
// Values go into Go types that can hold them: numbers into numbers without loss, strings into strings and []byte, null
// into everything as the zero value. What cannot be is a DecodeError that names the path of keys. Elements that a
// struct has no field for are skipped, without being looked into. Into an any, documents go as D and arrays as A, unless
// DecodeOptions say otherwise.
//
// What is in the target counts: maps keep what they have and get more, slices are emptied and their memory is reused,
// pointers that are not nil are decoded through.
//
// # Memory
//
// What Unmarshal decodes never aliases its input. The strings, keys, binaries and Raws of one document may share one
// copy of it, so that one that is kept keeps all of it; strings.Clone and bytes.Clone detach it. The values in a D or M
// also lie in memory that they share with others of the same document.
//
// # Limits
//
// Documents may be nested bsonwire.MaxDepth deep, and be 2 GiB large. Strings and keys should be UTF-8, and are written and read as they are. Keys cannot hold a
// zero byte.
package bson
