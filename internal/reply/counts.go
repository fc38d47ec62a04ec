package reply

import "github.com/mgxdb/mgx/bson/bsonwire"

// Counts are the numbers in the reply to a write.
type Counts struct {
	// N is how many documents were inserted, deleted, or matched and upserted.
	N, Modified int64
	Upserted    []Upserted
}

// Matched is how many documents updates matched: N without what they inserted.
func (c *Counts) Matched() int64 { return c.N - int64(len(c.Upserted)) }

// Upserted is a document that an update inserted.
type Upserted struct {
	Index int // of the update among those of the command
	ID    bsonwire.Value
}

// ReadCounts reads them.
func ReadCounts(body []byte) (c Counts) {
	for r := bsonwire.NewReader(body); r.Next(); {
		switch v := r.Value(); string(r.Key()) {
		case "n":
			c.N, _ = v.AsInt64()
		case "nModified":
			c.Modified, _ = v.AsInt64()
		case "upserted":
			list, _ := v.AsArray()
			for each := bsonwire.NewReader(list); each.Next(); {
				doc, _ := each.Value().AsDocument()
				index, _ := bsonwire.Lookup(doc, "index")
				id, _ := bsonwire.Lookup(doc, "_id")
				i, _ := index.AsInt64()
				c.Upserted = append(c.Upserted, Upserted{int(i), id})
			}
		}
	}
	return c
}
