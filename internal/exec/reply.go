package exec

import (
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// head is what exec looks at in a reply. Its slices alias the reply.
type head struct {
	ok                bool
	code              int32
	codeName          []byte
	message           []byte
	labels            []byte
	clusterTime       []byte
	topologyVersion   []byte
	writeConcernError []byte
	operationTime     bsonwire.Value
	recoveryToken     []byte
}

// readHead scans the top level of a reply once.
func readHead(reply []byte) (h head, err error) {
	r := bsonwire.NewReader(reply)
	for r.Next() {
		key, v := r.Key(), r.Value()
		switch string(key) {
		case "ok":
			h.ok, _ = v.AsBool()
		case "code":
			h.code = asInt32(v)
		case "codeName":
			h.codeName, _ = v.AsStringBytes()
		case "errmsg":
			h.message, _ = v.AsStringBytes()
		case "$err": // the reply of a query of old
			if h.message == nil {
				h.message, _ = v.AsStringBytes()
			}
		case "errorLabels":
			h.labels, _ = v.AsArray()
		case "$clusterTime":
			h.clusterTime, _ = v.AsDocument()
		case "topologyVersion":
			h.topologyVersion, _ = v.AsDocument()
		case "writeConcernError":
			h.writeConcernError, _ = v.AsDocument()
		case "operationTime":
			h.operationTime = v
		case "recoveryToken":
			h.recoveryToken, _ = v.AsDocument()
		}
	}
	return h, r.Err()
}

func asInt32(v bsonwire.Value) int32 {
	n, _ := v.AsInt64()
	return int32(n)
}

// labelsOf returns the strings of an array.
func labelsOf(arrays ...[]byte) []string {
	var labels []string
	for _, array := range arrays {
		if array == nil {
			continue
		}
		r := bsonwire.NewReader(array)
		for r.Next() {
			if s, ok := r.Value().AsString(); ok {
				labels = append(labels, s)
			}
		}
	}
	return labels
}

// writeConcernFailure reads a writeConcernError for its code and labels.
func writeConcernFailure(doc []byte) (code int32, message string, labels []string) {
	if doc == nil {
		return 0, "", nil
	}
	r := bsonwire.NewReader(doc)
	for r.Next() {
		switch v := r.Value(); string(r.Key()) {
		case "code":
			code = asInt32(v)
		case "errmsg":
			message, _ = v.AsString()
		case "errorLabels":
			if a, ok := v.AsArray(); ok {
				labels = labelsOf(a)
			}
		}
	}
	return code, message, labels
}

// withLabel returns a reply with an error label, as servers from 4.4 on send it.
func withLabel(reply []byte, label string) []byte {
	b, at := bsonwire.Begin(make([]byte, 0, len(reply)+64))
	b = append(b, reply[4:len(reply)-1]...)
	b, array := bsonwire.BeginArray(b, "errorLabels")
	b = bsonwire.AppendString(b, bsonwire.Index(0), label)
	return bsonwire.End(bsonwire.End(b, array), at)
}
