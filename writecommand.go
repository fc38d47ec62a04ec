package mgx

import (
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/wireversion"
	"github.com/mgxdb/mgx/internal/write"
)

// writeCommand is a command that carries the writes of a collection, in a document
// sequence.
type writeCommand struct {
	name, sequence string
	// overhead is what the server accepts of a statement beyond the size of a document.
	overhead int
}

var (
	insertCommand = writeCommand{"insert", "documents", 0}
	updateCommand = writeCommand{"update", "updates", write.StatementOverhead}
	deleteCommand = writeCommand{"delete", "deletes", write.StatementOverhead}
)

// fits refuses the only statement of a command if the server would.
func (w *writeCommand) fits(size int, limits exec.Limits) error {
	limits.MaxDocument += w.overhead
	return sizeError(write.Fits(size, 0, limits))
}

// writeKind is what a write does.
type writeKind uint8

const (
	writeInsert writeKind = iota
	writeUpdateOne
	writeUpdateMany
	writeReplaceOne
	writeDeleteOne
	writeDeleteMany
)

// command is the command that runs a kind of writes.
func (k writeKind) command() *writeCommand {
	switch k {
	case writeInsert:
		return &insertCommand
	case writeDeleteOne, writeDeleteMany:
		return &deleteCommand
	}
	return &updateCommand
}

// writeOp is a command that carries writes of the collection, without these. With a
// write of several documents it must not be sent twice: who adds one clears Retryable.
func (c *Collection) writeOp(w *writeCommand, s *callOptions) exec.Op {
	op := writeOp(w.name, c.db.name, c.name, s)
	op.Sequence, op.Retryable = w.sequence, true
	op.Body = func(dst []byte) ([]byte, error) {
		dst = bsonwire.AppendString(dst, w.name, c.name)
		dst = bsonwire.AppendBoolean(dst, "ordered", !s.unordered)
		if w != &deleteCommand {
			dst = appendBool(dst, "bypassDocumentValidation", s.bypassValidation)
		}
		if w == &insertCommand {
			return appendOptional(dst, "comment", s.comment)
		}
		return appendAll(dst, field{"let", s.let}, field{"comment", s.comment})
	}
	return op
}

// writeOp is a command that writes, without what it says.
func writeOp(name, database, collection string, s *callOptions) exec.Op {
	return exec.Op{
		Name: name, Database: database, Collection: collection, Access: exec.Write,
		WriteConcern: s.writeConcern, MaxTime: s.maxTime, RawData: s.rawData, Timeout: s.timeout,
		MinWireUnacknowledged: s.needs(name),
	}
}

// needs is the wire version that a writing command with the statement's options needs.
// Older servers refuse it, which nobody hears of with a write concern of w=0.
func (s *statementOptions) needs(command string) (wire int32) {
	if s.hint != nil && command != "update" {
		wire = wireversion.HintRefused
	}
	if s.sort != nil && command == "update" {
		wire = wireversion.UpdateSort
	}
	return wire
}

// needs is the wire version that a writing command with the call's options needs, as
// those of its statements do.
func (s *callOptions) needs(command string) int32 {
	wire := s.statementOptions.needs(command)
	if s.comment != nil {
		wire = max(wire, wireversion.WriteComment)
	}
	if s.let != nil && command != "insert" {
		wire = max(wire, wireversion.WriteLet)
	}
	return wire
}
