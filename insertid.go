package mgx

import (
	"encoding/binary"
	"reflect"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// idElement is the size of an _id element with an ObjectID.
const idElement = 1 + len("_id") + 1 + len(bson.ObjectID{})

// newIDs gives ObjectIDs to the documents of one operation. They are made, and
// put into values of the type any, a chunk at a time: one reading of the clock and
// one allocation for many. nil gives single ones.
//
// The clock is read for each chunk: in one second there are only as many different
// ObjectIDs as their counter has values.
type newIDs struct {
	total int // how many are expected to be needed, beyond those in chunk
	chunk reflect.Value
	used  int // of chunk
	ready int // in chunk
}

const idChunk = 64

func (n *newIDs) next() any {
	if n == nil {
		return bson.NewObjectID()
	}
	if n.used == n.ready {
		now := time.Now()
		var ids [idChunk]bson.ObjectID
		n.used, n.ready = 0, max(1, min(n.total, idChunk))
		for i := range ids[:n.ready] {
			ids[i] = bson.NewObjectIDFromTimestamp(now)
		}
		n.total -= n.ready
		// Elements of an array that has no address are not copied when they
		// become an any: nothing can change them.
		n.chunk = reflect.ValueOf(ids)
	}
	id := n.chunk.Index(n.used).Interface()
	n.used++
	return id
}

// appendInsert appends a document for an insert. One without _id gets one, put
// first; id returns the same one when called again, for a retry.
func appendInsert(dst []byte, v any, id *any, ids *newIDs) ([]byte, error) {
	if v == nil {
		return dst, failure(ErrInvalidArgument, "nil is no document to insert")
	}
	if err := checkElement("document", v); err != nil {
		return dst, err
	}
	at := len(dst)
	if lacksID(v) {
		// Its elements are written where they belong, behind the _id.
		out, err := bson.AppendMarshal(append(dst, make([]byte, idElement)...), v)
		if err != nil {
			return dst, failure(ErrInvalidArgument, "%w", err)
		}
		putID(out, at, id, ids)
		return out, nil
	}
	out, err := bson.AppendMarshal(dst, v)
	if err != nil {
		return dst, failure(ErrInvalidArgument, "%w", err)
	}
	if found, ok := bsonwire.Lookup(out[at:], "_id"); ok {
		if *id == nil {
			if *id, err = decodeValue(found); err != nil {
				return dst, failure(ErrInvalidArgument, "_id: %w", err)
			}
		}
		return out, nil
	}
	out = append(out, make([]byte, idElement)...)
	body := at + 4
	copy(out[body+idElement:], out[body:len(out)-idElement])
	putID(out, at, id, ids)
	return out, nil
}

// lacksID reports whether a document, before it is encoded, is known to have no
// _id. Of structs and of types that encode themselves, nothing is known.
func lacksID(v any) bool {
	switch v := v.(type) {
	case bson.D:
		return dLacksID(v)
	case *bson.D:
		return v != nil && dLacksID(*v)
	case bson.M:
		return mapLacksID(v)
	case *bson.M:
		return v != nil && mapLacksID(*v)
	case map[string]any:
		return mapLacksID(v)
	}
	return false
}

func dLacksID(d bson.D) bool {
	for i := range d {
		if d[i].Key == "_id" {
			return false
		}
	}
	return true
}

func mapLacksID(m map[string]any) bool {
	_, has := m["_id"]
	return !has
}

// putID makes an _id the first element of the document that begins at at and ends
// with dst, and has room for it.
func putID(dst []byte, at int, id *any, ids *newIDs) {
	oid, ok := (*id).(bson.ObjectID)
	if !ok {
		*id = ids.next()
		oid = (*id).(bson.ObjectID)
	}
	bsonwire.AppendObjectID(dst[:at+4], "_id", oid)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at))
}
