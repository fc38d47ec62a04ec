// Package bsonwire is the token layer of BSON: it appends, scans, validates and looks up BSON in byte slices and
// knows nothing of Go values. The layer above, mgx/bson, maps tokens to Go values.
//
// Appending never fails. Every Append function takes the buffer and returns it grown, as the built-in append does:
//
//	doc, start := bsonwire.Begin(nil)
//	doc = bsonwire.AppendString(doc, "find", "orders")
//	doc, filter := bsonwire.BeginDocument(doc, "filter")
//	doc = bsonwire.AppendInt32(doc, "qty", 1)
//	doc = bsonwire.End(doc, filter)
//	doc = bsonwire.End(doc, start)
//
// BSON keys cannot hold a zero byte, because it ends them. A key given to an Append function is cut at its first zero
// byte, so that no key can smuggle structure into a document; check keys that come from outside with ValidKey first.
// Strings are appended as they are: AppendString does not check that they are UTF-8.
//
// Reading never copies. A Reader walks over the elements of a document, Lookup finds one by its path, and the Value
// that they hand out is a view into the document, valid as long as the document's bytes are. Both check all that they
// need to stay inside the document and nothing else: what they skip is skipped by its length. Validate checks a whole
// document, down to every nested one.
//
// The format is that of https://bsonspec.org, version 1.1.
package bsonwire

import "go.mongodb.org/mongo-driver/v2/bson"

// MaxDepth is how many documents and arrays may be nested in one another, the outermost counted. Servers refuse to
// store more than 180 levels. Validate, and all of mgx/bson, refuse deeper documents so that none of them can exhaust
// the stack.
const MaxDepth = 1000

// Type is the type of a BSON element, the byte in front of its key.
type Type = bson.Type
