package fault

import (
	"bytes"
	"fmt"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Document is what a server says of one error.
type Document struct {
	Code    int32
	Name    string
	Message string
	Labels  []string
	// Index is the position of the write that failed, among those of its command.
	Index int
	// Details is errInfo, and TopologyVersion the server's at the time, each a
	// document; nil where there is none.
	Details         []byte
	TopologyVersion []byte
	// Raw is the whole document.
	Raw []byte
}

// Refused reports whether a reply says that the command failed: it lacks "ok: 1".
func Refused(reply []byte) bool {
	v, found := bsonwire.Lookup(reply, "ok")
	ok, _ := v.AsBool()
	return !found || !ok
}

// Parse reads the document in which a server reports an error: a reply with
// "ok: 0", to a query of old also with $err; an element of writeErrors, or of the
// results of bulkWrite; a writeConcernError. Fields of other types than servers send
// count as missing. Details, TopologyVersion and Raw are views of doc.
func Parse(doc []byte) Document {
	d := Document{Raw: doc}
	for r := bsonwire.NewReader(doc); r.Next(); {
		switch v := r.Value(); string(r.Key()) {
		case "code":
			d.Code, _ = v.AsInt32()
		case "codeName":
			d.Name, _ = v.AsString()
		case "errmsg":
			if s, ok := v.AsString(); ok {
				d.Message = s
			}
		case "$err":
			if s, ok := v.AsString(); ok && d.Message == "" {
				d.Message = s
			}
		case "errorLabels":
			list, _ := v.AsArray()
			d.Labels = append(d.Labels, Labels(list)...)
		case "index", "idx":
			n, _ := v.AsInt64()
			d.Index = int(n)
		case "errInfo":
			d.Details, _ = v.AsDocument()
		case "topologyVersion":
			d.TopologyVersion, _ = v.AsDocument()
		}
	}
	return d
}

// Labels returns the texts of an errorLabels array; nil is an empty one.
func Labels(array []byte) []string {
	if array == nil {
		return nil
	}
	var labels []string
	for r := bsonwire.NewReader(array); r.Next(); {
		if s, ok := r.Value().AsString(); ok {
			labels = append(labels, s)
		}
	}
	return labels
}

// ParseWrites reads the errors that the reply to a write may have beside "ok: 1":
// those of single writes, and the one of the write concern, which has the labels of
// the reply, too. They share no memory with the reply.
func ParseWrites(reply []byte) (writes []Document, concern *Document) {
	if len(reply) == 0 {
		return nil, nil // unacknowledged
	}
	var labels []string
	for r := bsonwire.NewReader(reply); r.Next(); {
		switch v := r.Value(); string(r.Key()) {
		case "writeErrors":
			list, _ := v.AsArray()
			for each := bsonwire.NewReader(list); each.Next(); {
				if doc, ok := each.Value().AsDocument(); ok {
					writes = append(writes, Parse(bytes.Clone(doc)))
				}
			}
		case "writeConcernError":
			if doc, ok := v.AsDocument(); ok {
				d := Parse(bytes.Clone(doc))
				concern = &d
			}
		case "errorLabels":
			list, _ := v.AsArray()
			labels = append(labels, Labels(list)...)
		}
	}
	if concern != nil {
		concern.Labels = append(concern.Labels, labels...)
	}
	return writes, concern
}

// FirstWriteError returns the first of the errors of single writes in a reply with
// "ok: 1", be it to insert, update, delete or bulkWrite; nil: there is none. It shares no
// memory with the reply.
func FirstWriteError(reply []byte) *Document {
	if list, ok := bsonwire.Lookup(reply, "writeErrors"); ok {
		errs, _ := list.AsArray()
		return firstRefused(errs, true)
	}
	v, _ := bsonwire.Lookup(reply, "nErrors")
	n, ok := v.AsInt64()
	if !ok || n == 0 {
		return nil
	}
	v, _ = bsonwire.Lookup(reply, "cursor", "firstBatch")
	results, _ := v.AsArray()
	if d := firstRefused(results, false); d != nil {
		return d
	}
	return &Document{Message: fmt.Sprintf("%d of its writes were refused", n)} // a later batch has them
}

// firstRefused returns the first error of a list that holds errors only, or results of
// writes among which an error is not ok.
func firstRefused(list []byte, errorsOnly bool) *Document {
	for each := bsonwire.NewReader(list); each.Next(); {
		doc, ok := each.Value().AsDocument()
		if !ok {
			continue
		}
		v, _ := bsonwire.Lookup(doc, "ok")
		if done, _ := v.AsBool(); done && !errorsOnly {
			continue
		}
		d := Parse(bytes.Clone(doc))
		return &d
	}
	return nil
}

// Reason is the server's text, or says that there is none.
func (d *Document) Reason() string {
	if d.Message == "" {
		return "the server refused without a reason"
	}
	return d.Message
}

// Text is the reason with what identifies the error.
func (d *Document) Text() string {
	if id := CodeText(d.Code, d.Name); id != "" {
		return d.Reason() + " (" + id + ")"
	}
	return d.Reason()
}

// CodeText identifies an error by its name and code, so far as there are any.
func CodeText(code int32, name string) string {
	switch {
	case name != "" && code != 0:
		return fmt.Sprintf("%s, code %d", name, code)
	case code != 0:
		return fmt.Sprintf("code %d", code)
	}
	return name
}

// Refusal is a reply that says no, as an error.
type Refusal struct{ Document }

// Refuse returns the refusal that a reply tells, or nil. It shares no memory with
// the reply.
func Refuse(reply []byte) *Refusal {
	if !Refused(reply) {
		return nil
	}
	return &Refusal{Parse(bytes.Clone(reply))}
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text() }
