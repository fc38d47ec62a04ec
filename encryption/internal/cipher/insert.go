package cipher

import (
	"fmt"
	"math"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/payload"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
	"github.com/mgxdb/mgx/encryption/internal/ranges"
	"github.com/mgxdb/mgx/encryption/internal/token"
)

// A writer makes the payload of one indexed value.
type writer struct {
	cipher     *Cipher
	p          *placeholder.Placeholder
	key, index *Key
	level1     *token.Level1
	factor     int64 // the contention factor of a stored value
}

// begin begins the data of a payload: its blob type, and a document.
func begin(t payload.Type, size int) ([]byte, int) {
	return bsonwire.Begin(append(make([]byte, 0, size), byte(t)))
}

// chooseFactor chooses the contention factor that the value is stored under.
func (w *writer) chooseFactor() {
	if w.p.Contention > 0 {
		w.factor = w.cipher.contention(w.p.Contention)
	}
}

// appendTokens appends the tokens of a set, as d, s, and, if it has any place there, l.
func appendTokens(dst []byte, s *token.Set, server bool) []byte {
	dst = bsonwire.AppendBinary(dst, "d", 0, s.EDC[:])
	dst = bsonwire.AppendBinary(dst, "s", 0, s.ESC[:])
	if server {
		dst = bsonwire.AppendBinary(dst, "l", 0, s.Server[:])
	}
	return dst
}

// compactionToken encrypts the token that compaction will find the value by. extra says more of it to the server.
func (w *writer) compactionToken(s *token.Set, extra ...byte) []byte {
	plain := append(append(make([]byte, 0, len(s.ESC)+3), s.ESC[:]...), extra...)
	return aead.EncryptCTR(nil, (*[32]byte)(&w.level1.ECOC), plain)
}

// appendStored appends what the payloads of all stored values have: their tokens, the encrypted value, how the server
// encrypts it once more.
func (w *writer) appendStored(dst []byte, s *token.Set, extra ...byte) []byte {
	dst = appendTokens(dst, s, false)
	dst = bsonwire.AppendBinary(dst, "p", 0, w.compactionToken(s, extra...))
	dst = bsonwire.AppendBinary(dst, "u", bson.TypeBinaryUUID, w.index.ID[:])
	dst = bsonwire.AppendInt32(dst, "t", int32(w.p.Value.Type))
	value := make([]byte, 0, 16+aead.Queryable.SealedLen(len(w.p.Value.Data)))
	value = append(value, w.key.ID[:]...)
	value = aead.Queryable.Seal(value, &w.key.Material, w.p.Value.Data, w.key.ID[:])
	dst = bsonwire.AppendBinary(dst, "v", 0, value)
	dst = bsonwire.AppendBinary(dst, "e", 0, w.level1.ServerEncryption[:])
	dst = bsonwire.AppendBinary(dst, "l", 0, s.Server[:])
	return bsonwire.AppendInt64(dst, "k", w.factor)
}

func (w *writer) insertEquality() []byte {
	w.chooseFactor()
	set := w.level1.Of(w.p.Value.Data).WithContention(w.factor)
	out, start := begin(payload.InsertUpdate, 400+len(w.p.Value.Data))
	return bsonwire.End(w.appendStored(out, &set), start)
}

func (w *writer) insertRange() ([]byte, error) {
	if w.p.Range == nil {
		return nil, fmt.Errorf("the options of its range are missing")
	}
	domain, o, err := domainOf(w.p.Value.Type, w.p.Range)
	if err != nil {
		return nil, err
	}
	edges, leaf, err := domain.Edges(w.p.Value)
	if err != nil {
		return nil, err
	}
	w.chooseFactor()
	set := w.level1.Of(w.p.Value.Data).WithContention(w.factor)
	out, start := begin(payload.InsertUpdate, 600+len(w.p.Value.Data)+200*len(edges))
	out = w.appendStored(out, &set, 0)
	out, list := bsonwire.BeginArray(out, "g")
	for i, edge := range edges {
		set := w.level1.Of([]byte(edge)).WithContention(w.factor)
		isLeaf := byte(0)
		if edge == leaf {
			isLeaf = 1
		}
		out = w.appendElement(out, i, &set, isLeaf)
	}
	out = bsonwire.End(out, list)
	out = appendRange(out, domain, o)
	return bsonwire.End(out, start), nil
}

// appendElement appends the tokens of one edge or text of a stored value to an array.
func (w *writer) appendElement(dst []byte, i int, s *token.Set, extra ...byte) []byte {
	dst, start := bsonwire.BeginDocument(dst, bsonwire.Index(i))
	dst = appendTokens(dst, s, true)
	dst = bsonwire.AppendBinary(dst, "p", 0, w.compactionToken(s, extra...))
	return bsonwire.End(dst, start)
}

// domainOf is the domain of a field, and its options with the bounds that count where none were given.
func domainOf(kind bson.Type, given *placeholder.RangeOptions) (*ranges.Domain, *placeholder.RangeOptions, error) {
	o := *given
	bounds := ranges.Options{Min: o.Min, Max: o.Max, Precision: o.Precision, Sparsity: o.Sparsity, TrimFactor: o.TrimFactor}
	if kind == bson.TypeDouble || kind == bson.TypeDecimal128 {
		if o.Precision == nil {
			bounds.Min, bounds.Max = bsonwire.Value{}, bsonwire.Value{} // they do not count without a precision
		}
		if o.Min.IsZero() && o.Max.IsZero() {
			o.Min, o.Max = widest(kind)
		}
	}
	domain, err := ranges.New(kind, bounds)
	return domain, &o, err
}

// widest are the bounds of all doubles or decimals.
func widest(kind bson.Type) (least, most bsonwire.Value) {
	if kind == bson.TypeDouble {
		return valueOf(bsonwire.AppendDouble(nil, "", -math.MaxFloat64)), valueOf(bsonwire.AppendDouble(nil, "", math.MaxFloat64))
	}
	largest, _ := bson.ParseDecimal128("9.999999999999999999999999999999999E+6144")
	smallest, _ := bson.ParseDecimal128("-9.999999999999999999999999999999999E+6144")
	return valueOf(bsonwire.AppendDecimal128(nil, "", smallest)), valueOf(bsonwire.AppendDecimal128(nil, "", largest))
}

// valueOf is the value of an element without a key.
func valueOf(element []byte) bsonwire.Value {
	return bsonwire.Value{Type: bson.Type(element[0]), Data: element[2:]}
}

// appendRange appends how the field's edges are made, which the server compares with its own idea.
func appendRange(dst []byte, d *ranges.Domain, o *placeholder.RangeOptions) []byte {
	dst = bsonwire.AppendInt64(dst, "sp", d.Sparsity())
	if o.Precision != nil {
		dst = bsonwire.AppendInt32(dst, "pn", *o.Precision)
	}
	dst = bsonwire.AppendInt32(dst, "tf", d.TrimFactor())
	dst = bsonwire.AppendValue(dst, "mn", o.Min)
	return bsonwire.AppendValue(dst, "mx", o.Max)
}
