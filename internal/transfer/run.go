package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// Run moves all that was added, and says what became of each. When one fails, the
// others go on; what is not begun when the context ends, never is.
func (t *Transfer) Run(ctx context.Context) Result {
	t.each(ctx, t.collections, t.options.Parallel)
	// Servers compare a view's collation with that of what it is on.
	t.views = inOrder(t.views)
	t.each(ctx, t.views, 1)
	list := make([]Moved, 0, len(t.collections)+len(t.views))
	for _, tasks := range [][]task{t.collections, t.views} {
		for i := range tasks {
			list = append(list, tasks[i].out)
		}
	}
	return newResult(list, t.began)
}

// each moves collections, a number of them at a time.
func (t *Transfer) each(ctx context.Context, tasks []task, parallel int) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, parallel)
	for i := range tasks {
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			tasks[i].out.Err = fmt.Errorf("not begun: %w", context.Cause(ctx))
			continue
		}
		wg.Go(func() {
			defer func() { <-turns }()
			m := move{task: &tasks[i], report: &t.report, began: time.Now(), progress: Progress{Name: tasks[i].out.Name}}
			if m.out.Err = m.run(ctx); m.out.Err != nil && !m.out.Begun {
				m.out.Written = Written{} // nothing of it is left
			}
			m.progress.Done, m.progress.Err = true, m.out.Err
			m.tell()
		})
	}
	wg.Wait()
}

// move is one collection on its way.
type move struct {
	*task
	report   *reporter
	progress Progress
	began    time.Time
	told     time.Time
}

func (m *move) run(ctx context.Context) error {
	if err := m.from.Describe(ctx, &m.spec); err != nil {
		return err
	}
	if m.spec.View() {
		w, err := m.to.Begin(ctx, &m.spec, m.conflict, &m.out.Begun)
		if err != nil {
			return err
		}
		return w.Close(nil)
	}
	if m.conflict == Replace {
		// What cannot be read must not cost what is there.
		if err := m.from.Check(ctx, &m.spec); err != nil {
			return fmt.Errorf("nothing was dropped: %w", err)
		}
	}
	return m.collection(ctx)
}

// collection reads in one goroutine and writes in this one, whose failure ends the
// reading.
func (m *move) collection(ctx context.Context) (err error) {
	reading, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := m.from.Open(reading, &m.spec)
	if err != nil {
		return err
	}
	defer func() { err = either(err, r.Close()) }()
	if m.progress.Total, err = r.Total(ctx); err != nil {
		return err
	}
	m.tell()
	p := newPipe()
	go p.fill(reading, r)
	err = m.write(ctx, r, p)
	cancel(err)
	p.drain()
	return err
}

// write writes what comes through the pipe, and completes the collection.
func (m *move) write(ctx context.Context, r Reader, p *pipe) (err error) {
	// The target is left alone until the source has something to say.
	batch := <-p.full
	if batch == nil && p.readError() != nil {
		return p.readError()
	}
	w, err := m.to.Begin(ctx, &m.spec, m.conflict, &m.out.Begun)
	if err != nil {
		p.give(batch)
		return err
	}
	for batch != nil {
		err = m.batch(ctx, w, batch)
		p.give(batch)
		if err != nil {
			break
		}
		batch = <-p.full
	}
	if err == nil {
		err = p.readError()
	}
	if err == nil {
		err = m.complete(ctx, r, w)
	}
	return either(err, w.Close(err))
}

// either is errors.Join, and returns a single error as it is.
func either(a, b error) error {
	if a != nil && b != nil {
		return errors.Join(a, b)
	}
	return cmp.Or(a, b)
}

func (m *move) batch(ctx context.Context, w Writer, batch *Batch) error {
	n, err := w.Write(ctx, batch.Docs)
	m.out.add(n)
	m.progress.Read, m.progress.Size = batch.Read, batch.Size
	if time.Since(m.told) >= progressInterval {
		m.tell()
	}
	return err
}

func (m *move) complete(ctx context.Context, r Reader, w Writer) (err error) {
	m.at(Verify)
	// Before there are indexes: one of them may make documents expire.
	if err := w.Verify(ctx); err != nil {
		return err
	}
	if err := r.Verify(ctx, m.out.Documents+m.out.Duplicates); err != nil {
		return err
	}
	if len(m.spec.Indexes) > 0 {
		m.at(Indexes)
	}
	m.out.Indexes, err = w.Indexes(ctx)
	return err
}

const progressInterval = 100 * time.Millisecond

func (m *move) at(stage Stage) {
	m.progress.Stage = stage
	m.tell()
}

func (m *move) tell() {
	m.told = time.Now()
	m.progress.Written, m.progress.Elapsed = m.out.Written, m.told.Sub(m.began)
	m.report.tell(m.progress)
}

// reporter calls a function for one goroutine at a time.
type reporter struct {
	mu sync.Mutex
	f  func(Progress)
}

func (r *reporter) tell(p Progress) {
	if r.f == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.f(p)
}

// Batch is a number of documents on their way.
type Batch struct {
	// Docs are the documents, whose bytes are somebody else's, until Release.
	Docs []bson.Raw
	// Read is how many bytes of a file were read up to here, and Size how large it is.
	Read, Size int64
	// Buf is the reader's to keep bytes in, from batch to batch.
	Buf []byte
	// Release gives the bytes of the documents back, if it is not nil.
	Release func()
}

func (b *Batch) empty() {
	if b.Release != nil {
		b.Release()
		b.Release = nil
	}
	clear(b.Docs)
	b.Docs = b.Docs[:0]
}

// batches is how many batches of a collection there are: one that is read, one that is
// written, and one between them.
const batches = 3

// pipe is what reader and writer share: a fixed number of batches.
type pipe struct {
	free, full chan *Batch
	err        error // of the reader, when full is closed
}

func newPipe() *pipe {
	p := &pipe{free: make(chan *Batch, batches), full: make(chan *Batch, batches)}
	for range batches {
		p.free <- new(Batch)
	}
	return p
}

// fill reads to the end.
func (p *pipe) fill(ctx context.Context, r Reader) {
	defer close(p.full)
	for {
		select {
		case b := <-p.free:
			err := r.Next(ctx, b)
			if len(b.Docs) > 0 {
				p.full <- b
			} else {
				p.give(b)
			}
			if err != nil {
				p.err = err
				return
			}
		case <-ctx.Done():
			p.err = context.Cause(ctx)
			return
		}
	}
}

// give gives a batch back to the reader.
func (p *pipe) give(b *Batch) {
	if b != nil {
		b.empty()
		p.free <- b // never waits: there is room for all
	}
}

// readError is what ended the reader, when full is closed, but for the end.
func (p *pipe) readError() error {
	if errors.Is(p.err, io.EOF) {
		return nil
	}
	return p.err
}

// drain lets the reader end.
func (p *pipe) drain() {
	for b := range p.full {
		b.empty()
	}
}
