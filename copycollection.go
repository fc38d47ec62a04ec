package mgx

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/conn"
)

const (
	// copyBatchDocuments is how many documents are read and written at a time: enough
	// to make a message worth it, few enough that reading and writing overlap. Servers
	// send at most 16 MiB.
	copyBatchDocuments = 4000
	// copyBatches is how many batches of a collection there are: one that is read, one
	// that is written, and one between them.
	copyBatches = 3

	progressInterval = 100 * time.Millisecond
)

// copyCollection copies one collection and says in its task what became of it.
func (cp *copier) copyCollection(ctx context.Context, task *copyTask) {
	c := collectionCopy{
		copier: cp, task: task, began: time.Now(),
		from: cp.from.Collection(task.spec.Name), to: cp.to.Collection(task.spec.Name),
		progress: CopyProgress{Collection: task.spec.Name},
	}
	task.out.Err = c.run(ctx)
	c.progress.Done, c.progress.Err = true, task.out.Err
	c.report()
}

// collectionCopy is the copy of one collection under way.
type collectionCopy struct {
	*copier
	task     *copyTask
	from, to *Collection
	before   int64 // documents that the target had
	progress CopyProgress
	began    time.Time
	reported time.Time
}

func (c *collectionCopy) report() {
	c.reported = time.Now()
	c.progress.Documents, c.progress.Bytes, c.progress.Elapsed = c.task.out.Documents, c.task.out.Bytes, c.reported.Sub(c.began)
	c.copier.report(c.progress)
}

func (c *collectionCopy) at(stage CopyStage) {
	c.progress.Stage = stage
	c.report()
}

func (c *collectionCopy) run(ctx context.Context) error {
	if err := c.documents(ctx); err != nil {
		return err
	}
	c.at(CopyVerify)
	// Before there are indexes: one of them may make documents expire.
	if err := c.verify(ctx); err != nil {
		return err
	}
	return c.indexes(ctx)
}

// documents reads in one goroutine and writes in another.
func (c *collectionCopy) documents(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	p := copyPipe{free: make(chan *copyBatch, copyBatches), full: make(chan *copyBatch, copyBatches)}
	for range copyBatches {
		p.free <- new(copyBatch)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(p.full)
		p.err = p.read(ctx, c.from)
	})
	err := c.write(ctx, &p)
	cancel(err)
	for batch := range p.full { // lets the reader end
		batch.release()
	}
	wg.Wait()
	if err != nil {
		return err
	}
	return p.err
}

func (c *collectionCopy) write(ctx context.Context, p *copyPipe) (err error) {
	if !c.task.spec.TimeSeries() {
		if c.progress.Total, err = c.from.EstimatedDocumentCount(ctx); err != nil {
			return err
		}
	}
	c.at(CopyDocuments)
	// The target is left alone until the source has something to say.
	batch, ok := <-p.full
	if !ok && p.err != nil {
		return p.err
	}
	if ok {
		defer func() { batch.release() }()
	}
	if err := c.create(ctx, c.task); err != nil {
		return err
	}
	if c.options.Merge {
		if c.before, err = c.to.CountDocuments(ctx, nil); err != nil {
			return err
		}
	}
	// What a validator says now does not matter: the source has these documents.
	_, validated := bsonwire.Lookup(c.task.spec.Options, "validator")
	for ; ok; batch, ok = p.next(batch) {
		n, bytes, err := c.to.insertRaw(ctx, batch.docs, validated)
		c.task.out.Documents += n
		c.task.out.Bytes += bytes
		c.task.out.Begun = c.task.out.Begun || n > 0
		if err != nil {
			return err
		}
		if time.Since(c.reported) >= progressInterval {
			c.report()
		}
	}
	return nil
}

// create makes the collection or view with the source's options.
func (cp *copier) create(ctx context.Context, task *copyTask) error {
	switch {
	case task.existing && cp.options.Merge:
		return nil
	case task.existing && cp.options.Drop:
		task.out.Begun = true
		if err := cp.to.Collection(task.spec.Name).Drop(ctx); err != nil {
			return err
		}
	}
	err := cp.to.command(ctx, "create", task.spec.Name, *cp.to.base, func(dst []byte, _ *settings) ([]byte, error) {
		return task.spec.AppendCreate(dst), nil
	})
	if cp.options.Merge && isServer(err, ErrNamespaceExists) {
		return nil
	}
	task.out.Begun = task.out.Begun || err == nil
	return err
}

// insertRaw inserts documents as they are, and returns how many, and how many
// bytes, went in.
func (c *Collection) insertRaw(ctx context.Context, docs []bson.Raw, bypassValidation bool) (n, size int64, err error) {
	in := inserter{c: c, docs: elements{raw: docs}}
	s := *c.base
	if bypassValidation {
		s.bypassValidation = &bypassValidation
	}
	err = in.run(ctx, &s)
	n = in.res.InsertedCount
	for _, d := range docs[:min(max(n, 0), int64(len(docs)))] {
		size += int64(len(d))
	}
	return n, size, err
}

// indexes makes the source's indexes in the target.
func (c *collectionCopy) indexes(ctx context.Context) error {
	specs, err := Collect[bson.Raw](c.from.ListIndexes(ctx))
	if err != nil {
		return err
	}
	list, n := c.task.spec.AppendIndexes(nil, "indexes", specs)
	if n == 0 {
		return nil
	}
	c.at(CopyIndexes)
	err = c.to.db.command(ctx, "createIndexes", c.to.name, *c.to.base, func(dst []byte, _ *settings) ([]byte, error) {
		return append(bsonwire.AppendString(dst, "createIndexes", c.to.name), list...), nil
	})
	if err == nil {
		c.task.out.Indexes = n
	}
	return err
}

// verify compares what the target has with what was written, and what was read with
// what the source has.
func (c *collectionCopy) verify(ctx context.Context) error {
	n, err := c.to.CountDocuments(ctx, nil)
	if err != nil {
		return err
	}
	if want := c.before + c.task.out.Documents; n != want {
		return fmt.Errorf("verification: the target should have %d documents, and has %d", want, n)
	}
	read, before := c.task.out.Documents, c.progress.Total
	if read == before || c.task.spec.TimeSeries() {
		return nil
	}
	// The source has changed, or its metadata is wrong, or not all was read.
	after, err := c.from.EstimatedDocumentCount(ctx)
	if err != nil || read >= min(before, after) && read <= max(before, after) {
		return err
	}
	if after, err = c.from.CountDocuments(ctx, nil); err != nil || read == after {
		return err
	}
	return fmt.Errorf("verification: %d documents were read from the source, which has %d: it is being changed, or did not send all; copy it again", read, after)
}

// copyBatch is a number of documents, which lie in the reply that they came in.
type copyBatch struct {
	docs  []bson.Raw
	reply conn.Reply
}

func (b *copyBatch) release() {
	clear(b.docs)
	b.docs = b.docs[:0]
	b.reply.Release()
}

// copyPipe is what reader and writer share: a fixed number of batches.
type copyPipe struct {
	free, full chan *copyBatch
	err        error // of the reader, when full is closed
}

// next gives a batch back, and waits for the next one.
func (p *copyPipe) next(batch *copyBatch) (*copyBatch, bool) {
	batch.release()
	p.free <- batch // never waits: there is room for all
	next, ok := <-p.full
	if !ok {
		return batch, false
	}
	return next, true
}

func (p *copyPipe) read(ctx context.Context, from *Collection) error {
	cur := from.Find(ctx, nil, BatchSize(copyBatchDocuments))
	defer cur.finish(ctx)
	for {
		select {
		case batch := <-p.free:
			if !cur.takeBatch(batch) {
				return cur.Err()
			}
			p.full <- batch
		case <-ctx.Done():
			return toPublic("", context.Cause(ctx))
		}
	}
}

// takeBatch moves to the end of the next reply's documents, and hands these over
// with the reply.
func (c *Cursor) takeBatch(batch *copyBatch) bool {
	if !c.Next() {
		return false
	}
	batch.docs = append(batch.docs, c.Current())
	for c.take() {
		batch.docs = append(batch.docs, c.Current())
	}
	batch.reply = c.batches.TakeReply()
	return c.err == nil
}
