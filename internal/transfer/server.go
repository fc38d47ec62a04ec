package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Database is a database on a server. Its writes are acknowledged, whatever the
// client's write concern is: what became of them is to be known.
type Database interface {
	Name() string
	ListCollections(ctx context.Context) ([]Collection, error)
	ListIndexes(ctx context.Context, collection string) ([]bson.Raw, error)
	// Estimate is the number of documents by the metadata, Count by counting, both where
	// Find reads. CountWritten counts on the primary, where all is that was written.
	Estimate(ctx context.Context, collection string) (int64, error)
	Count(ctx context.Context, collection string) (int64, error)
	CountWritten(ctx context.Context, collection string) (int64, error)
	// Find reads all documents.
	Find(ctx context.Context, collection string) Cursor
	// Insert inserts documents as they are.
	Insert(ctx context.Context, collection string, docs []bson.Raw, o InsertOptions) (Written, error)
	Drop(ctx context.Context, collection string) error
	// Run runs a command that writes.
	Run(ctx context.Context, command bson.Raw) error
	// Refused reports whether an error is a server's answer, and Existed whether it says
	// that the collection exists.
	Refused(err error) bool
	Existed(err error) bool
}

// Cursor is a query on its way.
type Cursor interface {
	// Next fills an empty batch. Its error is io.EOF at the end.
	Next(ctx context.Context, b *Batch) error
	Close() error
}

// InsertOptions say how to insert.
type InsertOptions struct {
	// BypassValidation inserts documents whatever a validator says of them.
	BypassValidation bool
	// Merge leaves out documents that are there already, and counts them.
	Merge bool
}

// Handle makes a Database of a *mgx.Database. Package mgx, which is above this one,
// sets it.
var Handle func(db any) Database

// ServerDatabase is a database on a server as a source or a target.
type ServerDatabase struct {
	Database
	// Buckets has a time series read as its buckets instead of its measurements.
	Buckets bool
}

// Collections implements Source.
func (s *ServerDatabase) Collections(ctx context.Context) ([]Collection, error) {
	list, err := s.ListCollections(ctx)
	return slices.DeleteFunc(list, func(c Collection) bool { return Internal(c.Name) }), err
}

// Existing implements Target.
func (s *ServerDatabase) Existing(ctx context.Context) ([]Collection, error) {
	return s.ListCollections(ctx)
}

// Describe implements Source.
func (s *ServerDatabase) Describe(ctx context.Context, c *Collection) (err error) {
	if c.View() {
		return nil
	}
	c.Buckets = s.Buckets && c.TimeSeries()
	c.Indexes, err = s.ListIndexes(ctx, c.Name)
	return err
}

// Check implements Source: a server is there.
func (s *ServerDatabase) Check(context.Context, *Collection) error { return nil }

// Open implements Source.
func (s *ServerDatabase) Open(ctx context.Context, c *Collection) (Reader, error) {
	r := serverReader{s: s, name: c.Name, uncounted: c.TimeSeries()}
	if c.Buckets {
		r.name = BucketsPrefix + c.Name
	}
	r.cursor = s.Find(ctx, r.name)
	return &r, nil
}

// serverReader reads a collection.
type serverReader struct {
	s         *ServerDatabase
	name      string
	cursor    Cursor
	uncounted bool // its metadata do not say how many documents there are
	before    int64
}

func (r *serverReader) Total(ctx context.Context) (n int64, err error) {
	if r.uncounted {
		return 0, nil
	}
	r.before, err = r.s.Estimate(ctx, r.name)
	return r.before, err
}

func (r *serverReader) Next(ctx context.Context, b *Batch) error { return r.cursor.Next(ctx, b) }

func (r *serverReader) Close() error { return r.cursor.Close() }

func (r *serverReader) Verify(ctx context.Context, read int64) error {
	if read == r.before || r.uncounted {
		return nil
	}
	// The source has changed, or its metadata is wrong, or not all was read.
	after, err := r.s.Estimate(ctx, r.name)
	if err != nil || read >= min(r.before, after) && read <= max(r.before, after) {
		return err
	}
	if after, err = r.s.Count(ctx, r.name); err != nil || read == after {
		return err
	}
	return fmt.Errorf("verification: %d documents were read from the source, which has %d: it is being changed, or did not send all; do it again", read, after)
}

// Begin implements Target.
func (s *ServerDatabase) Begin(ctx context.Context, c *Collection, how Conflict, begun *bool) (Writer, error) {
	w := serverWriter{s: s, spec: c, name: c.Name, begun: begun, options: InsertOptions{
		Merge: how == Merge || how == FreeOrMerge,
		// What a validator says now does not matter: the source has these documents.
		BypassValidation: c.Validated() || c.Buckets,
	}}
	if c.Buckets {
		w.name = BucketsPrefix + c.Name
	}
	if how == Replace {
		*begun = true
		if err := s.Drop(ctx, c.Name); err != nil {
			return nil, err
		}
	}
	if how != Merge {
		command, at := bsonwire.Begin(nil)
		switch err := s.Run(ctx, bsonwire.End(c.AppendCreate(command), at)); {
		case err == nil:
			*begun = true
		case how == FreeOrMerge && s.Existed(err):
		default:
			return nil, err
		}
	}
	if w.options.Merge && !c.View() {
		var err error
		if w.before, err = s.CountWritten(ctx, w.name); err != nil {
			return nil, err
		}
	}
	return &w, nil
}

// serverWriter writes a collection.
type serverWriter struct {
	s       *ServerDatabase
	spec    *Collection
	name    string
	options InsertOptions
	before  int64 // documents that were there
	written int64
	begun   *bool
}

func (w *serverWriter) Write(ctx context.Context, docs []bson.Raw) (Written, error) {
	n, err := w.s.Insert(ctx, w.name, docs, w.options)
	w.written += n.Documents
	*w.begun = *w.begun || n.Documents > 0
	return n, err
}

func (w *serverWriter) Verify(ctx context.Context) error {
	n, err := w.s.CountWritten(ctx, w.name)
	if err != nil {
		return err
	}
	if want := w.before + w.written; n != want {
		return fmt.Errorf("verification: the target should have %d documents, and has %d", want, n)
	}
	return nil
}

// Indexes makes all indexes with one command, so that the server goes through the
// documents once. Where it refuses that, each is made by itself: one that cannot be
// does not cost the others.
func (w *serverWriter) Indexes(ctx context.Context) (int, error) {
	list := w.spec.indexes()
	if len(list) == 0 {
		return 0, nil
	}
	err := w.s.Run(ctx, createIndexes(w.spec.Name, list))
	if err == nil {
		return len(list), nil
	}
	if !w.s.Refused(err) || len(list) == 1 {
		return 0, fmt.Errorf("%s: %w", named(list), err)
	}
	n := 0
	var errs []error
	for i := range list {
		one := list[i : i+1]
		err := w.s.Run(ctx, createIndexes(w.spec.Name, one))
		switch {
		case err == nil:
			n++
		case w.s.Refused(err):
			errs = append(errs, fmt.Errorf("%s: %w", named(one), err))
		default:
			return n, fmt.Errorf("%s: %w", named(list[i:]), err)
		}
	}
	return n, errors.Join(errs...)
}

// named says which indexes an error is about.
func named(list []index) string {
	if len(list) == 1 {
		return fmt.Sprintf("index %q", list[0].name)
	}
	return "indexes"
}

func (w *serverWriter) Close(error) error { return nil }
