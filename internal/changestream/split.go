package changestream

import (
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Fragments puts the fragments together that $changeStreamSplitLargeEvent makes of an
// event which is too large for one document.
type Fragments struct {
	doc  []byte // the event so far, without its end and its _id
	next int64  // the number of the fragment to come, 0: none is open
	of   int64
}

// Add takes a document of the stream: an event, which it returns as it is, or a
// fragment. It returns nil while fragments are missing, and with the last one the whole
// event, with that one's _id, from which the stream can be resumed. The event is a
// view until the next Add.
func (f *Fragments) Add(doc []byte) ([]byte, error) {
	number, of, split := fragment(doc)
	if !split {
		if f.next != 0 {
			return nil, fmt.Errorf("fragment %d of %d of an event is missing", f.next, f.of)
		}
		return doc, nil
	}
	if f.next == 0 {
		f.doc, f.next, f.of = append(f.doc[:0], 0, 0, 0, 0), 1, of
	}
	if number != f.next || of != f.of || of < number {
		return nil, fmt.Errorf("fragment %d of %d of an event comes in the place of %d of %d", number, of, f.next, f.of)
	}
	f.next++
	r := bsonwire.NewReader(doc)
	for r.Next() {
		key := string(r.Key())
		if key == "splitEvent" || key == "_id" && number < of {
			continue
		}
		f.doc = bsonwire.AppendValue(f.doc, key, r.Value())
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if number < of {
		return nil, nil
	}
	if _, ok := bsonwire.Lookup(doc, "_id"); !ok {
		return nil, errors.New("the last fragment of an event has no _id")
	}
	f.next = 0
	return bsonwire.End(f.doc, 0), nil
}

// Open reports whether fragments of an event are missing.
func (f *Fragments) Open() bool { return f.next != 0 }

// Forget drops an event whose fragments are not all there: a stream that is resumed
// has them sent again.
func (f *Fragments) Forget() { f.next = 0 }

// fragment reads which fragment a document is.
func fragment(doc []byte) (number, of int64, ok bool) {
	v, ok := bsonwire.Lookup(doc, "splitEvent")
	split, isDoc := v.AsDocument()
	if !ok || !isDoc {
		return 0, 0, false
	}
	v, _ = bsonwire.Lookup(split, "fragment")
	number, ok = v.AsInt64()
	v, _ = bsonwire.Lookup(split, "of")
	of, okOf := v.AsInt64()
	return number, of, ok && okOf
}
