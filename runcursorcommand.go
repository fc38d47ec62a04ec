package mgx

import (
	"context"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
)

// RunCursorCommand runs a command whose reply opens a cursor. Like RunCommand it
// sends the command as it is; BatchSize, MaxAwaitTime and Comment are for the
// getMores that follow. It is sent when the first document is asked for. A tailable
// cursor is one whose command says so.
func (db *Database) RunCursorCommand(ctx context.Context, command any, options ...RunCursorOption) *Cursor {
	s := collect(db.verbatim(), options)
	cur := db.client.newCursor(ctx, db.name, "", &s, db.err)
	cur.batches.AwaitMS = s.awaitMS()
	body, err := appendDocument(nil, "command", command)
	if err == nil {
		err = checkOrdered("command", command)
	}
	name, ok := firstKey(body)
	cur.tails = tailable(body)
	switch {
	case db.err != nil:
	case err != nil:
		cur.err = err
	case !ok:
		cur.err = failure(ErrInvalidArgument, "command: the document is empty")
	}
	cur.batches.Command = exec.Op{
		Name: name, Operation: "runCommand", Database: db.name, Access: exec.Other, ReadPreference: s.readPreference, Timeout: s.timeout,
		Body: func(dst []byte) ([]byte, error) { return append(dst, body[4:len(body)-1]...), nil },
	}
	return cur
}

// tailable reports whether a command opens a cursor that stays open at the end of its
// results.
func tailable(command []byte) bool {
	if len(command) == 0 {
		return false
	}
	v, _ := bsonwire.Lookup(command, "tailable")
	is, _ := v.AsBool()
	return is
}
