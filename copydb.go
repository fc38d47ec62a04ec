package mgx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mgxdb/mgx/internal/transfer"
)

// CopyOptions say how CopyDatabase works. The zero value copies within the
// client's own deployment.
type CopyOptions struct {
	// FromHost is the deployment to copy from: a host, or a connection string; the
	// client's own, if empty.
	FromHost string
	// Username and Password are who to be there; AuthSource is the database that
	// knows the user, "admin" if empty. They go before what a connection string
	// in FromHost says.
	Username, Password, AuthSource string
	// Source is a client of the deployment to copy from, instead of all these.
	Source *Client

	// Parallel is how many collections are copied at a time: 4, if 0. Each of them
	// may have some 50 MB of documents on their way.
	Parallel int
	// Drop drops a collection of the target just before the one of its name is
	// copied, when the source has begun to answer. Other collections of the target
	// stay.
	Drop bool
	// Merge copies into collections that exist already, and leaves views that do as
	// they are, and documents whose _id or other unique key is there: it counts them as
	// duplicates. Without Drop or Merge, a collection that exists is an
	// ErrNamespaceExists, before anything is copied; with Merge, a view in the place of
	// a collection is, or the other way round.
	Merge bool
	// Only names the collections and views to copy, all if empty; one that the
	// source does not have is an ErrNamespaceNotFound. Exclude names those to leave
	// out.
	Only, Exclude []string
	// Progress, if not nil, is told how it goes: for each collection at its start,
	// about ten times a second, and at its end. It is never called twice at a time.
	Progress func(CopyProgress)
}

// CopyStage is what the copy of a collection is at.
type CopyStage uint8

// The stages, in their order.
const (
	CopyDocuments CopyStage = iota
	CopyVerify              // counts are compared
	CopyIndexes             // the target builds indexes
)

// String returns the stage in a word.
func (s CopyStage) String() string {
	if names := [...]string{"documents", "verify", "indexes"}; int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("CopyStage(%d)", uint8(s))
}

// CopyProgress is how far the copy of a collection is.
type CopyProgress struct {
	Collection string
	Stage      CopyStage
	// Documents and Bytes were copied so far. Total is how many documents there
	// were at the start, by the collection's metadata; 0 if that is not known.
	Documents, Bytes, Total int64
	// Duplicates were left out so far: see CopyOptions.Merge.
	Duplicates int64
	Elapsed    time.Duration
	// Done is set when nothing more comes for this collection; Err is why it ended
	// early, nil otherwise.
	Done bool
	Err  error
}

// Rate is how many documents were copied per second.
func (p CopyProgress) Rate() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	return float64(p.Documents) / p.Elapsed.Seconds()
}

// CopiedCollection is what became of one collection.
type CopiedCollection struct {
	Name             string
	View             bool
	Documents, Bytes int64
	// Duplicates are documents that were left out: see CopyOptions.Merge.
	Duplicates int64
	Indexes    int
	// Begun is set if something was changed in the target: a collection was
	// dropped or made, or documents were written.
	Begun bool
	// Err is why it was not, or not wholly, copied; nil: it was, and the count in
	// the target was verified.
	Err error
}

// CopyResult is what CopyDatabase did, by collection name.
type CopyResult struct {
	Collections                  []CopiedCollection
	Documents, Bytes, Duplicates int64
	Elapsed                      time.Duration
}

// CopyError says what of a database was and was not copied.
type CopyError struct {
	From, To string
	Result   CopyResult
	// Err is why, of the first collection that failed.
	Err error
}

// copyErrorLines is how many collections the text of a CopyError names.
const copyErrorLines = 5

// Error implements error. It names a few of the collections; Result has them all.
func (e *CopyError) Error() string {
	var failed []string
	done, partly := 0, 0
	for _, c := range e.Result.Collections {
		switch {
		case c.Err == nil:
			done++
		case c.Begun:
			failed = append(failed, fmt.Sprintf("%s (%d documents were copied): %v", c.Name, c.Documents, c.Err))
			partly++
		default:
			failed = append(failed, fmt.Sprintf("%s: %v", c.Name, c.Err))
		}
	}
	n := len(failed)
	if n > copyErrorLines {
		failed = append(failed[:copyErrorLines], fmt.Sprintf("and %d more", n-copyErrorLines))
	}
	return fmt.Sprintf("copy database %s to %s: %d of %d collections were copied, %d in part, %d not: %s",
		e.From, e.To, done, len(e.Result.Collections), partly, n-partly, strings.Join(failed, "; "))
}

// Unwrap returns why.
func (e *CopyError) Unwrap() error { return e.Err }

// CopyDatabase copies a database: collections with their options, documents and
// indexes, then views. Servers have no command for it any more, so the documents
// pass through this client, as they are: it reads while it writes, several
// collections at a time, and compares counts in the end. Of the source it reads
// with the source client's read preference.
//
// Servers put their time in the place of an empty timestamp at the top level of a
// document that is inserted, so also in a copy.
//
// What changes in the source meanwhile may or may not be in the copy. When a part
// fails, the others go on, and the error is a *CopyError that tells which are
// there; what was copied stays. When the context ends, so does the copy, with such
// an error too. An invalid target is an ErrInvalidName. A copy is no part of a session or
// a transaction: a context that has one is an ErrInvalidArgument.
func (c *Client) CopyDatabase(ctx context.Context, from, to string, options CopyOptions) (CopyResult, error) {
	began := time.Now()
	if ctx == nil {
		return CopyResult{}, nilContext("copy database")
	}
	if s := SessionFromContext(ctx); s != nil && !s.Ended() {
		return CopyResult{}, failure(ErrInvalidArgument, "copy database: the context has a session, which is for one operation after another, and collections are copied side by side; use WithoutSession")
	}
	for _, name := range []string{from, to} {
		if err := checkDatabaseName(name); err != nil {
			return CopyResult{}, err
		}
	}
	source, done, err := c.copySource(ctx, &options)
	if err != nil {
		return CopyResult{}, err
	}
	defer done()
	if options.Drop && options.Merge {
		return CopyResult{}, failure(ErrInvalidArgument, "copy database: Drop and Merge exclude each other")
	}
	if source == c && from == to {
		return CopyResult{}, failure(ErrInvalidArgument, "copy database: source and target are both %s", from)
	}
	t := transfer.New(options.transfer())
	read := transfer.ServerDatabase{Database: transferred(source.Database(from))}
	write := transfer.ServerDatabase{Database: transferred(c.Database(to))}
	if _, err := t.Add(ctx, &read, &write, ""); err != nil {
		return CopyResult{}, fmt.Errorf("copy database %s: %w", from, planError(err))
	}
	if err := t.Missing(); err != nil {
		return CopyResult{}, fmt.Errorf("copy database %s: %w", from, planError(err))
	}
	res := copyResult(t.Run(ctx))
	res.Elapsed = time.Since(began)
	for _, col := range res.Collections {
		if col.Err != nil {
			return res, &CopyError{From: from, To: to, Result: res, Err: col.Err}
		}
	}
	return res, nil
}

// copySource returns the client to read from, and what to do with it in the end.
func (c *Client) copySource(ctx context.Context, o *CopyOptions) (*Client, func(), error) {
	switch {
	case o.Source != nil && (o.FromHost != "" || o.Username != ""):
		return nil, nil, failure(ErrInvalidArgument, "copy database: Source excludes FromHost and Username")
	case o.Source != nil:
		return o.Source, func() {}, nil
	case o.FromHost == "" && o.Username == "":
		return c, func() {}, nil
	}
	options, err := c.sourceOptions(o)
	if err != nil {
		return nil, nil, err
	}
	source, err := Open(ctx, options)
	if err != nil {
		return nil, nil, fmt.Errorf("copy database: the source: %w", err)
	}
	return source, func() { _ = source.Close(context.WithoutCancel(ctx)) }, nil
}

// sourceOptions are those of a client to read from.
func (c *Client) sourceOptions(o *CopyOptions) (*Options, error) {
	var options *Options
	if o.FromHost == "" {
		own := c.given.clone()
		options = &own
	} else {
		var err error
		if options, err = ParseHosts([]string{o.FromHost}, 0); err != nil {
			return nil, err
		}
	}
	if o.Username != "" {
		source := cmp.Or(o.AuthSource, "admin")
		options.Credential = &Credential{Username: o.Username, Password: o.Password, PasswordSet: true, Source: source}
	}
	return options, nil
}

// transfer returns the options as the room below knows them.
func (o *CopyOptions) transfer() transfer.Options {
	t := transfer.Options{Parallel: o.Parallel, Drop: o.Drop, Merge: o.Merge, Only: o.Only, Exclude: o.Exclude, Verb: "copied"}
	if o.Progress != nil {
		t.Progress = func(p transfer.Progress) {
			o.Progress(CopyProgress{
				Collection: p.Name, Stage: CopyStage(p.Stage), Documents: p.Documents, Bytes: p.Bytes, Duplicates: p.Duplicates,
				Total: p.Total, Elapsed: p.Elapsed, Done: p.Done, Err: interruption(p.Err),
			})
		}
	}
	return t
}

func copyResult(r transfer.Result) CopyResult {
	res := CopyResult{Documents: r.Documents, Bytes: r.Bytes, Duplicates: r.Duplicates}
	for i := range r.Collections {
		m := &r.Collections[i]
		res.Collections = append(res.Collections, CopiedCollection{
			Name: m.Name, View: m.View, Documents: m.Documents, Bytes: m.Bytes, Duplicates: m.Duplicates,
			Indexes: m.Indexes, Begun: m.Begun, Err: interruption(m.Err),
		})
	}
	return res
}

// planError gives a plan that was refused its category.
func planError(err error) error {
	var r *transfer.Refusal
	if !errors.As(err, &r) {
		return err
	}
	return category(err, [...]error{transfer.Missing: ErrNamespaceNotFound, transfer.Exists: ErrNamespaceExists, transfer.Same: ErrInvalidArgument}[r.Kind])
}

// interruption gives an error of the context its category.
func interruption(err error) error {
	var done *categorized
	if errors.As(err, &done) || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return toPublic("", err)
}
