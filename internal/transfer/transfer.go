// Package transfer moves collections, from a server or a dump to a server or a dump:
// what copy, dump and restore have in common. It plans what to move, makes the
// collections, reads while it writes, compares counts, and makes the indexes.
//
// It knows servers and files by the interfaces that it needs of them: [Database],
// [Source] and [Target].
package transfer

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// Source is a database to read.
type Source interface {
	// Collections lists its collections and views, without the server's own.
	Collections(ctx context.Context) ([]Collection, error)
	// Describe completes what Collections said of one, with its indexes. An error
	// concerns this one alone.
	Describe(ctx context.Context, c *Collection) error
	// Check sees that a collection's documents can be read to their end, as far as that
	// can be known in advance. It is called before something is dropped for them.
	Check(ctx context.Context, c *Collection) error
	// Open begins to read a collection's documents, which ends with the context.
	Open(ctx context.Context, c *Collection) (Reader, error)
}

// Reader reads the documents of a collection.
type Reader interface {
	// Total is how many there are, or 0 if that is not known.
	Total(ctx context.Context) (int64, error)
	// Next fills a batch that was emptied. Its error is io.EOF at the end.
	Next(ctx context.Context, b *Batch) error
	// Verify compares how many documents were read with how many there are.
	Verify(ctx context.Context, read int64) error
	Close() error
}

// Target is a database to write.
type Target interface {
	Name() string
	// Existing lists the collections that are there already.
	Existing(ctx context.Context) ([]Collection, error)
	// Begin makes a place for a collection or view. It says in begun when something was
	// changed.
	Begin(ctx context.Context, c *Collection, how Conflict, begun *bool) (Writer, error)
}

// Writer writes a collection.
type Writer interface {
	Write(ctx context.Context, docs []bson.Raw) (Written, error)
	// Verify compares how many documents there are with how many were written.
	Verify(ctx context.Context) error
	// Indexes makes the collection's indexes, and returns how many.
	Indexes(ctx context.Context) (int, error)
	// Close completes the collection, or with an error gives it up.
	Close(err error) error
}

// Written is what became of documents.
type Written struct {
	Documents, Bytes int64
	// Duplicates are documents that were left out, since there is one with the same
	// _id, or the same key of a unique index.
	Duplicates int64
}

func (w *Written) add(more Written) {
	w.Documents += more.Documents
	w.Bytes += more.Bytes
	w.Duplicates += more.Duplicates
}

// Conflict is what is in the place of a collection, and what to do with it.
type Conflict uint8

const (
	// Free means that nothing is there.
	Free Conflict = iota
	// Replace means to drop what is there.
	Replace
	// Merge means to add to what is there.
	Merge
	// FreeOrMerge means that nothing is there, and to add to what may be soon.
	FreeOrMerge
)

// Options say what to move and how.
type Options struct {
	// Parallel is how many collections are on their way at a time: 4, if 0 or less.
	Parallel int
	// Drop replaces collections of the target, Merge adds to them. Without either,
	// one that exists ends the plan.
	Drop, Merge bool
	// Only names the collections to move, all if empty; Exclude those to leave out.
	Only, Exclude []string
	// Verb is what happens to a collection: copied, dumped or restored.
	Verb string
	// Progress is called for each collection at its start, about ten times a second,
	// and at its end, never twice at a time.
	Progress func(Progress)
}

// Wants reports whether a collection of this name is to be moved.
func (o *Options) Wants(name string) bool {
	return !slices.Contains(o.Exclude, name) && (len(o.Only) == 0 || slices.Contains(o.Only, name))
}

// Stage is what a collection is at.
type Stage uint8

// The stages, in their order.
const (
	Documents Stage = iota
	Verify
	Indexes
)

// Progress is how far a collection is.
type Progress struct {
	Name string
	Stage
	Written
	// Total is how many documents there were at the start, 0 if that is not known. Of a
	// file, Size is how large it is, and Read how many of these bytes were read.
	Total, Read, Size int64
	Elapsed           time.Duration
	// Done is set when nothing more comes for this collection; Err is why it ended
	// early.
	Done bool
	Err  error
}

// Moved is what became of a collection.
type Moved struct {
	Name string
	View bool
	Written
	Indexes int
	// Begun is set if something was changed in the target.
	Begun bool
	// Err is why it was not, or not wholly, moved.
	Err error
}

// Result is what became of all collections, by their names.
type Result struct {
	Collections []Moved
	Written
	Elapsed time.Duration
}

// Err returns the error of the first collection that has one.
func (r *Result) Err() error {
	for i := range r.Collections {
		if err := r.Collections[i].Err; err != nil {
			return err
		}
	}
	return nil
}

func newResult(list []Moved, began time.Time) Result {
	res := Result{Collections: list, Elapsed: time.Since(began)}
	for i := range list {
		res.add(list[i].Written)
	}
	slices.SortStableFunc(list, func(a, b Moved) int { return strings.Compare(a.Name, b.Name) })
	return res
}

// Transfer is a number of collections to move.
type Transfer struct {
	options     Options
	began       time.Time
	collections []task
	views       []task
	report      reporter
	only        map[string]bool // names of Options.Only that were found
}

type task struct {
	from     Source
	to       Target
	spec     Collection
	conflict Conflict
	out      Moved
}

// New makes a transfer of nothing yet.
func New(o Options) *Transfer {
	o.Parallel = cmp.Or(max(o.Parallel, 0), defaultParallel)
	return &Transfer{options: o, began: time.Now(), report: reporter{f: o.Progress}, only: map[string]bool{}}
}

const defaultParallel = 4
