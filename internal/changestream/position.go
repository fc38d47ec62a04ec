// Package changestream is where a change stream goes on after a failure: which resume
// token it has got to, and which of the server's three options says so. It is pure: the
// specification "Change Streams" without the commands.
package changestream

import (
	"bytes"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// Time is a server's operation time.
type Time struct{ T, I uint32 }

// Start is where the user wants a stream to begin. The server refuses more than one of
// them.
type Start struct {
	ResumeAfter, StartAfter []byte // documents; nil: not given
	At                      *Time
}

// Position is where a stream is. NewPosition makes one.
type Position struct {
	start    Start
	token    []byte // cached, nil: none
	at       *Time  // where to begin while there is no token
	opened   bool
	returned bool // an event has been returned
}

// NewPosition returns the position of a stream that begins there.
func NewPosition(s Start) Position {
	p := Position{start: s, at: s.At}
	if s.StartAfter != nil {
		p.token = bytes.Clone(s.StartAfter)
	} else {
		p.token = bytes.Clone(s.ResumeAfter)
	}
	return p
}

// Token is the resume token that the stream would go on after; nil: there is none yet.
// It is a view until the next change of the position.
func (p *Position) Token() []byte { return p.token }

// Opened notes the reply to the command that opened the stream, for the first time or
// again. token is its postBatchResumeToken, nil if there is none; empty reports whether
// it has no events.
func (p *Position) Opened(empty bool, token []byte, operationTime *Time, maxWireVersion int32) {
	if empty {
		p.Emptied(token)
	}
	given := p.start.ResumeAfter != nil || p.start.StartAfter != nil || p.start.At != nil
	if !p.opened && !given && empty && token == nil && maxWireVersion >= wireversion.MongoDB40 {
		p.at = operationTime
	}
	p.opened = true
}

// Emptied notes a batch without events.
func (p *Position) Emptied(token []byte) {
	if token != nil {
		p.token = append(p.token[:0], token...)
	}
}

// Returned notes that an event is returned to the user. last reports whether it ends
// its batch, batch is the batch's postBatchResumeToken.
func (p *Position) Returned(id []byte, last bool, batch []byte) {
	p.returned = true
	if last && batch != nil {
		id = batch
	}
	p.token = append(p.token[:0], id...)
}

// Append appends the options of $changeStream that say where to begin: what the user
// gave at first, and later what "Resume Process" says. maxWireVersion is that of the
// server that the stream was on.
func (p *Position) Append(dst []byte, maxWireVersion int32) []byte {
	if !p.opened {
		return p.start.append(dst)
	}
	switch {
	case p.token != nil && p.start.StartAfter != nil && !p.returned:
		return bsonwire.AppendDocument(dst, "startAfter", p.token)
	case p.token != nil:
		return bsonwire.AppendDocument(dst, "resumeAfter", p.token)
	case p.at != nil && maxWireVersion >= wireversion.MongoDB40:
		return bsonwire.AppendTimestamp(dst, "startAtOperationTime", p.at.T, p.at.I)
	}
	return p.start.append(dst)
}

func (s *Start) append(dst []byte) []byte {
	if s.ResumeAfter != nil {
		dst = bsonwire.AppendDocument(dst, "resumeAfter", s.ResumeAfter)
	}
	if s.StartAfter != nil {
		dst = bsonwire.AppendDocument(dst, "startAfter", s.StartAfter)
	}
	if s.At != nil {
		dst = bsonwire.AppendTimestamp(dst, "startAtOperationTime", s.At.T, s.At.I)
	}
	return dst
}

// Resumable reports whether a stream goes on after a server's error of its getMore.
// (After any other error it does.) maxWireVersion is the server's.
func Resumable(code int32, labelled bool, maxWireVersion int32) bool {
	switch {
	case code == fault.CursorNotFound:
		return true
	case maxWireVersion >= wireversion.ErrorLabels:
		return labelled
	}
	return fault.Resumes(code)
}
