// Package reply reads the servers' replies: their head, the counts of writes, and the
// document of a cursor. What it returns are views of the reply. The errors in a reply
// are read by package fault.
package reply

import (
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Head is what concerns every command in a reply.
type Head struct {
	OK bool
	// The documents, and the array of labels, are nil where the reply has none.
	Labels            []byte
	ClusterTime       []byte
	TopologyVersion   []byte
	WriteConcernError []byte
	RecoveryToken     []byte
	OperationTime     bsonwire.Value
}

// ReadHead scans the top level of a reply once. Of one that is not OK, fault.Parse
// tells why.
func ReadHead(body []byte) (h Head, err error) {
	r := bsonwire.NewReader(body)
	for r.Next() {
		key, v := r.Key(), r.Value()
		switch string(key) {
		case "ok":
			h.OK, _ = v.AsBool()
		case "errorLabels":
			h.Labels, _ = v.AsArray()
		case "$clusterTime":
			h.ClusterTime, _ = v.AsDocument()
		case "topologyVersion":
			h.TopologyVersion, _ = v.AsDocument()
		case "writeConcernError":
			h.WriteConcernError, _ = v.AsDocument()
		case "recoveryToken":
			h.RecoveryToken, _ = v.AsDocument()
		case "operationTime":
			h.OperationTime = v
		}
	}
	return h, r.Err()
}

// WithLabel returns a reply with an error label, as servers from 4.4 on send it.
func WithLabel(body []byte, label string) []byte {
	b, at := bsonwire.Begin(make([]byte, 0, len(body)+64))
	b = append(b, body[4:len(body)-1]...)
	b, array := bsonwire.BeginArray(b, "errorLabels")
	b = bsonwire.AppendString(b, bsonwire.Index(0), label)
	return bsonwire.End(bsonwire.End(b, array), at)
}
