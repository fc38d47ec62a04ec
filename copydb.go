package mgx

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// CopyOptions say how CopyDatabase works. The zero value copies within the
// client's own deployment.
type CopyOptions struct {
	// FromHost is the deployment to copy from: a host, or a connection string.
	FromHost string
	// Username and Password are who to be there; AuthSource is the database that
	// knows the user, "admin" if empty. They go before what a connection string
	// in FromHost says.
	Username, Password, AuthSource string
	// Source is a client of the deployment to copy from, instead of FromHost.
	Source *Client

	// Parallel is how many collections are copied at a time: 4, if 0.
	Parallel int
	// Merge copies into collections that exist already. Without it, one that does
	// is an error, before anything is copied.
	Merge bool
	// Only names the collections to copy, all if empty.
	Only []string
	// Progress, if not nil, is told how it goes: for each collection at its start,
	// about ten times a second, and at its end. It is never called twice at a time.
	Progress func(CopyProgress)
}

// CopyProgress is how far the copy of a collection is.
type CopyProgress struct {
	Collection string
	// Documents and Bytes were copied so far. Total is how many documents there
	// were at the start, by the collection's metadata.
	Documents, Bytes, Total int64
	Elapsed                 time.Duration
	// Done tells that nothing more comes for this collection; Err is why it ended
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
	Indexes          int
	// Err is why it was not, or not wholly, copied; nil: it was, and the count in
	// the target was verified.
	Err error
}

// CopyResult is what CopyDatabase did, by collection name.
type CopyResult struct {
	Collections      []CopiedCollection
	Documents, Bytes int64
	Elapsed          time.Duration
}

// CopyError says what of a database was and was not copied.
type CopyError struct {
	From, To string
	Result   CopyResult
	// Err is why, of the first collection that failed.
	Err error
}

// Error implements error.
func (e *CopyError) Error() string {
	var done, failed []string
	for _, c := range e.Result.Collections {
		if c.Err == nil {
			done = append(done, c.Name)
		} else {
			failed = append(failed, fmt.Sprintf("%s (%d documents copied): %v", c.Name, c.Documents, c.Err))
		}
	}
	text := fmt.Sprintf("copy database %s to %s: not copied: %s", e.From, e.To, strings.Join(failed, "; "))
	if len(done) > 0 {
		text += "; copied: " + strings.Join(done, ", ")
	}
	return text
}

// Unwrap returns why.
func (e *CopyError) Unwrap() error { return e.Err }

// CopyDatabase copies a database: collections with their options, documents and
// indexes, then views. Servers have no command for it any more, so the documents
// pass through this client: it reads while it writes, several collections at a
// time, and compares counts in the end.
//
// What changes in the source meanwhile may or may not be in the copy. When a part
// fails, the others go on, and the error is a *CopyError that tells which are
// there; what was copied stays. An invalid target is an ErrInvalidName.
func (c *Client) CopyDatabase(ctx context.Context, from, to string, options CopyOptions) (CopyResult, error) {
	began := time.Now()
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
	if source == c && from == to {
		return CopyResult{}, failure(ErrInvalidArgument, "copy database: source and target are both %s", from)
	}
	cp := copier{from: source.Database(from), to: c.Database(to, WithWriteConcern(copyConcern(c))), options: options}
	if err := cp.plan(ctx); err != nil {
		return CopyResult{}, fmt.Errorf("copy database %s: %w", from, err)
	}
	cp.run(ctx)
	res := cp.result()
	res.Elapsed = time.Since(began)
	for _, col := range res.Collections {
		if col.Err != nil {
			return res, &CopyError{From: from, To: to, Result: res, Err: col.Err}
		}
	}
	return res, nil
}

// copyConcern is the client's write concern, unless that asks for no answer: a
// copy must know what became of its writes.
func copyConcern(c *Client) WriteConcern {
	w := c.WriteConcern()
	if !w.internal().Acknowledged() {
		return WriteConcern{W: 1}
	}
	return w
}

// copySource returns the client to read from, and what to do with it in the end.
func (c *Client) copySource(ctx context.Context, o *CopyOptions) (*Client, func(), error) {
	switch {
	case o.Source != nil:
		return o.Source, func() {}, nil
	case o.FromHost == "":
		return c, func() {}, nil
	}
	options, err := ParseHosts([]string{o.FromHost}, 0)
	if err != nil {
		return nil, nil, err
	}
	if o.Username != "" {
		source := cmp.Or(o.AuthSource, "admin")
		options.Credential = &Credential{Username: o.Username, Password: o.Password, PasswordSet: true, Source: source}
	}
	source, err := Open(ctx, options)
	if err != nil {
		return nil, nil, fmt.Errorf("copy database: the source: %w", err)
	}
	return source, func() { _ = source.Close(context.WithoutCancel(ctx)) }, nil
}

// copier copies one database.
type copier struct {
	from, to    *Database
	options     CopyOptions
	collections []copyTask
	views       []copyTask
	progress    sync.Mutex
}

type copyTask struct {
	spec collectionSpec
	out  CopiedCollection
}

// collectionSpec is what listCollections says of a collection.
type collectionSpec struct {
	Name    string   `bson:"name"`
	Type    string   `bson:"type"`
	Options bson.Raw `bson:"options"`
}

// plan lists what to copy, and refuses to overwrite.
func (cp *copier) plan(ctx context.Context) error {
	specs, err := Collect[collectionSpec](cp.from.ListCollections(ctx, nil))
	if err != nil {
		return err
	}
	if len(specs) == 0 {
		return failure(ErrNamespaceNotFound, "there is no such database, or it has no collections")
	}
	for _, s := range specs {
		if strings.HasPrefix(s.Name, "system.") || len(cp.options.Only) > 0 && !slices.Contains(cp.options.Only, s.Name) {
			continue
		}
		task := copyTask{spec: s, out: CopiedCollection{Name: s.Name, View: s.Type == "view"}}
		if task.out.View {
			cp.views = append(cp.views, task)
		} else {
			cp.collections = append(cp.collections, task)
		}
	}
	if cp.options.Merge {
		return nil
	}
	existing, err := cp.to.ListCollectionNames(ctx, nil)
	if err != nil {
		return err
	}
	for _, task := range slices.Concat(cp.collections, cp.views) {
		if slices.Contains(existing, task.spec.Name) {
			return failure(ErrNamespaceExists, "the target %s has a collection %s already; nothing was copied", cp.to.Name(), task.spec.Name)
		}
	}
	return nil
}

const defaultParallelCopies = 4

func (cp *copier) run(ctx context.Context) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, cmp.Or(max(cp.options.Parallel, 0), defaultParallelCopies))
	for i := range cp.collections {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			cp.copyCollection(ctx, &cp.collections[i])
		})
	}
	wg.Wait()
	// Views come last, since servers check what they are on.
	for i := range cp.views {
		task := &cp.views[i]
		task.out.Err = cp.create(ctx, &task.spec)
		cp.report(CopyProgress{Collection: task.spec.Name, Done: true, Err: task.out.Err})
	}
}

func (cp *copier) result() CopyResult {
	var res CopyResult
	for _, task := range slices.Concat(cp.collections, cp.views) {
		res.Collections = append(res.Collections, task.out)
		res.Documents += task.out.Documents
		res.Bytes += task.out.Bytes
	}
	slices.SortFunc(res.Collections, func(a, b CopiedCollection) int { return strings.Compare(a.Name, b.Name) })
	return res
}

func (cp *copier) report(p CopyProgress) {
	if cp.options.Progress == nil {
		return
	}
	cp.progress.Lock()
	defer cp.progress.Unlock()
	cp.options.Progress(p)
}

// create makes the collection or view with the source's options.
func (cp *copier) create(ctx context.Context, spec *collectionSpec) error {
	err := cp.to.command(ctx, "create", cp.to.base, func(dst []byte, _ *settings) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "create", spec.Name)
		if len(spec.Options) > len(emptyDocument) {
			dst = append(dst, spec.Options[4:len(spec.Options)-1]...)
		}
		return dst, nil
	})
	if cp.options.Merge && isServer(err, ErrNamespaceExists) {
		return nil
	}
	return err
}

func (cp *copier) copyCollection(ctx context.Context, task *copyTask) {
	began := time.Now()
	name := task.spec.Name
	progress := CopyProgress{Collection: name}
	from, to := cp.from.Collection(name), cp.to.Collection(name)
	err := cp.create(ctx, &task.spec)
	var before int64
	if err == nil && cp.options.Merge {
		before, err = to.CountDocuments(ctx, nil)
	}
	if err == nil {
		progress.Total, err = from.EstimatedDocumentCount(ctx)
	}
	if err == nil {
		cp.report(progress)
		err = cp.copyDocuments(ctx, from, to, task, progress, began)
	}
	if err == nil {
		task.out.Indexes, err = copyIndexes(ctx, from, to)
	}
	if err == nil {
		err = verifyCount(ctx, to, before+task.out.Documents)
	}
	task.out.Err = err
	progress.Documents, progress.Bytes, progress.Elapsed = task.out.Documents, task.out.Bytes, time.Since(began)
	progress.Done, progress.Err = true, err
	cp.report(progress)
}

// A batch for the writer: as much as makes a message worth it.
const (
	copyBatchBytes     = 4 << 20
	copyBatchDocuments = 20_000
	progressInterval   = 100 * time.Millisecond
)

// copyDocuments reads in one goroutine while it writes in another.
func (cp *copier) copyDocuments(ctx context.Context, from, to *Collection, task *copyTask, progress CopyProgress, began time.Time) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan []bson.Raw, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	var readErr error
	wg.Go(func() {
		defer close(batches)
		readErr = readBatches(ctx, from, batches)
	})
	last := began
	for batch := range batches {
		n, bytes, err := to.insertRaw(ctx, batch)
		task.out.Documents += n
		task.out.Bytes += bytes
		if err != nil {
			cancel(err)
			for range batches { // lets the reader end
			}
			return err
		}
		if now := time.Now(); now.Sub(last) >= progressInterval {
			last = now
			progress.Documents, progress.Bytes, progress.Elapsed = task.out.Documents, task.out.Bytes, now.Sub(began)
			cp.report(progress)
		}
	}
	return readErr
}

func readBatches(ctx context.Context, from *Collection, out chan<- []bson.Raw) error {
	var batch []bson.Raw
	size := 0
	send := func() error {
		select {
		case out <- batch:
			batch, size = nil, 0
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for doc, err := range Each[bson.Raw](from.Find(ctx, nil)) {
		if err != nil {
			return err
		}
		batch = append(batch, doc)
		if size += len(doc); size >= copyBatchBytes || len(batch) >= copyBatchDocuments {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(batch) > 0 {
		return send()
	}
	return nil
}

// insertRaw inserts documents that have their _id, and returns how many, and how
// many bytes, went in.
func (c *Collection) insertRaw(ctx context.Context, docs []bson.Raw) (n, size int64, err error) {
	in := inserter{c: c, docs: elements{raw: docs}}
	err = in.run(ctx, &c.base)
	n = in.res.InsertedCount
	for _, d := range docs[:min(int(n), len(docs))] {
		size += int64(len(d))
	}
	return n, size, err
}

// copyIndexes makes the indexes of one collection in another, but that of _id.
func copyIndexes(ctx context.Context, from, to *Collection) (int, error) {
	specs, err := Collect[bson.Raw](from.ListIndexes(ctx))
	if err != nil {
		return 0, err
	}
	var list []byte
	n := 0
	for _, spec := range specs {
		if name, _ := spec.Lookup("name").StringValueOK(); name == "_id_" {
			continue
		}
		doc, at := bsonwire.Begin(nil)
		for r := bsonwire.NewReader(spec); r.Next(); {
			// The index version is the target's to choose; ns was told by servers before
			// 4.4 and is refused by later ones.
			if key := string(r.Key()); key != "ns" && key != "v" {
				doc = bsonwire.AppendValue(doc, string(r.Key()), r.Value())
			}
		}
		list = bsonwire.AppendDocument(list, bsonwire.Index(n), bsonwire.End(doc, at))
		n++
	}
	if n == 0 {
		return 0, nil
	}
	err = to.db.command(ctx, "createIndexes", to.base, func(dst []byte, _ *settings) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "createIndexes", to.name)
		dst, at := bsonwire.BeginArray(dst, "indexes")
		return bsonwire.End(append(dst, list...), at), nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func verifyCount(ctx context.Context, to *Collection, want int64) error {
	n, err := to.CountDocuments(ctx, nil)
	if err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("verification: %d documents were written, the target has %d", want, n)
	}
	return nil
}
