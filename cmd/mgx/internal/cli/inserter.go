package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/jsonlines"
	"github.com/mgxdb/mgx/cmd/mgx/internal/progress"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/internal/sdam"
)

// inserter gathers documents into batches, inserts them, and counts and reports
// those that cannot be.
type inserter struct {
	app        *app
	flags      insertFlags
	collection *mgx.Collection
	bar        *progress.Bar
	limit      int // of the size of a document
	several    bool

	name     string // of the input
	docs     []bson.Raw
	lines    []int // of the docs
	size     int   // of the docs
	inserted int
	failed   int
}

// maxBatchBytes bounds what is gathered for a batch.
const maxBatchBytes = 32 << 20

// errStopped ends the work at the first document that fails, with --stop-on-error.
var errStopped = errors.New("stopped at the first error")

// documentLimit asks a server how large a document may be.
func documentLimit(ctx context.Context, client *mgx.Client) (int, error) {
	var hello struct {
		Max int `bson:"maxBsonObjectSize"`
	}
	err := client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	if err != nil {
		return 0, err
	}
	if hello.Max <= 0 {
		return sdam.DefaultMaxBSONObjectSize, nil
	}
	return hello.Max, nil
}

// idSize is what an _id adds to a document that lacks one.
const idSize = 1 + len("_id\x00") + len(bson.ObjectID{})

func (in *inserter) begin(label string) { in.name = label }

func (in *inserter) add(ctx context.Context, doc jsonlines.Document) error {
	size := len(doc.Raw)
	if _, err := doc.Raw.LookupErr("_id"); err != nil {
		size += idSize
	}
	if size > in.limit {
		if err := in.stopping(ctx); err != nil {
			return err
		}
		return in.fail(doc.Line, fmt.Sprintf("the document takes %s bytes, the server accepts %s", screen.Number(size), screen.Number(in.limit)))
	}
	in.docs = append(in.docs, doc.Raw)
	in.lines = append(in.lines, doc.Line)
	in.size += size
	if len(in.docs) < in.flags.batch && in.size < maxBatchBytes {
		return nil
	}
	return in.flush(ctx)
}

// malformed reports text that is not a document.
func (in *inserter) malformed(ctx context.Context, wrong *jsonlines.Error) error {
	if err := in.stopping(ctx); err != nil {
		return err
	}
	return in.fail(wrong.Line, fmt.Sprintf("column %d: %s", wrong.Column, wrong.Reason))
}

// stopping inserts what stands before the first failure, where that is the end.
func (in *inserter) stopping(ctx context.Context) error {
	if !in.flags.stopOnError {
		return nil
	}
	return in.flush(ctx)
}

// fail reports a document that cannot be inserted.
func (in *inserter) fail(line int, reason string) error {
	in.failed++
	in.bar.Above(func() { in.app.tellOfLine(in.name, in.several, line, reason) })
	if in.flags.stopOnError {
		return errStopped
	}
	return nil
}

// tellOfLine says what is wrong with a line of the input, and of which, where there
// are several.
func (a *app) tellOfLine(name string, several bool, line int, reason string) {
	where := fmt.Sprintf("line %d:", line)
	if several {
		where = fmt.Sprintf("%s, line %d:", name, line)
	}
	a.tell("%s %s", a.style(a.Err).Bad(where), reason)
}

// flush inserts what was gathered.
func (in *inserter) flush(ctx context.Context) error {
	docs, lines := in.docs, in.lines
	in.docs, in.lines, in.size = in.docs[:0], in.lines[:0], 0
	var options []mgx.InsertManyOption
	if in.flags.unordered && !in.flags.stopOnError {
		options = append(options, mgx.Unordered())
	}
	for len(docs) > 0 {
		result, err := in.collection.InsertMany(ctx, docs, options...)
		in.inserted += int(result.InsertedCount)
		in.bar.Describe(screen.Count(in.inserted, "document", "documents"))
		if err == nil {
			return nil
		}
		var bulk *mgx.BulkWriteError
		if !errors.As(err, &bulk) || bulk.Err != nil {
			return in.broken(lines, err)
		}
		next, err := in.refused(bulk, lines)
		if err != nil {
			return err
		}
		// An ordered insert ends at the first refused document: go on behind it.
		docs, lines = docs[next:], lines[next:]
	}
	return nil
}

// broken is the error of a batch that did not end.
func (in *inserter) broken(lines []int, err error) error {
	return unsure(in.name, lines, "documents may be inserted", err)
}

// refused reports what the server refused, and tells where to go on.
func (in *inserter) refused(bulk *mgx.BulkWriteError, lines []int) (next int, err error) {
	next = len(lines)
	for _, w := range bulk.WriteErrors {
		if w.Index < 0 || w.Index >= len(lines) {
			return 0, fmt.Errorf("the server names document %d of %d: %w", w.Index, len(lines), w)
		}
		if err := in.fail(lines[w.Index], w.Message); err != nil {
			return 0, err
		}
		if !in.flags.unordered {
			next = w.Index + 1
		}
	}
	for _, w := range bulk.WriteConcernErrors {
		return 0, w // the documents are in, but not as safely as asked for
	}
	return next, nil
}
