package sdam

import (
	"fmt"
	"math"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// The methods below read one value of a hello reply into a field. They return
// false when they cannot, with the reason in p.err unless it is the type.

func (p *helloParser) bool(v bsonwire.Value, to *bool) bool {
	var ok bool
	*to, ok = v.AsBool()
	return ok
}

func (p *helloParser) string(v bsonwire.Value, to *string) bool {
	var ok bool
	*to, ok = v.AsString()
	return ok
}

func (p *helloParser) int32(v bsonwire.Value, to *int32, least int64) bool {
	n, ok := v.AsInt64()
	if !ok {
		return false
	}
	if n < least || n > math.MaxInt32 {
		p.err = fmt.Errorf("%d is out of range", n)
		return false
	}
	*to = int32(n)
	return true
}

func (p *helloParser) int64(v bsonwire.Value, to **int64) bool {
	n, ok := v.AsInt64()
	*to = &n
	return ok
}

func (p *helloParser) objectID(v bsonwire.Value, to **bson.ObjectID) bool {
	id, ok := v.AsObjectID()
	*to = &id
	return ok
}

func (p *helloParser) address(v bsonwire.Value, to *string) bool {
	if !p.string(v, to) {
		return false
	}
	if *to != "" {
		*to = NormalizeAddress(*to)
	}
	return true
}

func (p *helloParser) addresses(v bsonwire.Value, to *[]string) bool {
	if !p.strings(v, to) {
		return false
	}
	for i, address := range *to {
		if address == "" {
			p.err = fmt.Errorf("element %d is an empty address", i)
			return false
		}
		(*to)[i] = NormalizeAddress(address)
	}
	return true
}

// maxStrings bounds the lists of a reply.
const maxStrings = 4 * maxMembers

func (p *helloParser) strings(v bsonwire.Value, to *[]string) bool {
	doc, ok := v.AsArray()
	if !ok {
		return false
	}
	var list []string
	r := bsonwire.NewReader(doc)
	for r.Next() {
		s, ok := r.Value().AsString()
		if !ok {
			p.err = fmt.Errorf("element %d has BSON type %v, not string", len(list), r.Value().Type)
			return false
		}
		if len(list) == maxStrings {
			p.err = fmt.Errorf("more than %d elements", maxStrings)
			return false
		}
		list = append(list, s)
	}
	*to = list
	p.err = r.Err()
	return p.err == nil
}

func (p *helloParser) tags(v bsonwire.Value) bool {
	doc, ok := v.AsDocument()
	if !ok {
		return false
	}
	tags := TagSet{}
	r := bsonwire.NewReader(doc)
	for r.Next() {
		value, ok := r.Value().AsString()
		if !ok {
			p.err = fmt.Errorf("tag %q has BSON type %v, not string", r.Key(), r.Value().Type)
			return false
		}
		tags[string(r.Key())] = value
	}
	p.s.Tags = tags
	p.err = r.Err()
	return p.err == nil
}

func (p *helloParser) lastWrite(v bsonwire.Value) bool {
	doc, ok := v.AsDocument()
	if !ok {
		return false
	}
	date, ok := bsonwire.Lookup(doc, "lastWriteDate")
	if !ok || date.IsNull() {
		return true
	}
	ms, ok := date.AsDateTime()
	if !ok {
		p.err = fmt.Errorf("lastWriteDate has BSON type %v, not date", date.Type)
		return false
	}
	p.s.LastWrite = time.UnixMilli(ms)
	return true
}

// ParseTopologyVersion reads the topologyVersion of a reply: a document with
// processId and counter.
func ParseTopologyVersion(v bsonwire.Value) (*TopologyVersion, bool) {
	doc, _ := v.AsDocument()
	tv := ReadTopologyVersion(doc)
	return tv, tv != nil
}

// ReadTopologyVersion is ParseTopologyVersion for its document; nil is none.
func ReadTopologyVersion(doc []byte) *TopologyVersion {
	if doc == nil {
		return nil
	}
	process, _ := bsonwire.Lookup(doc, "processId")
	counter, _ := bsonwire.Lookup(doc, "counter")
	id, okID := process.AsObjectID()
	n, okCounter := counter.AsInt64()
	if !okID || !okCounter {
		return nil
	}
	return &TopologyVersion{ProcessID: id, Counter: n}
}
