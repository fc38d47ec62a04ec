package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/extjson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// Streams are what a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer // results
	Err io.Writer // everything else
}

// errReaderGone says that nobody reads the output any more, as head does when it
// has seen enough. It is no failure.
var errReaderGone = errors.New("nobody reads the output")

// documents writes documents in Extended JSON, one a line.
type documents struct {
	w         *bufio.Writer
	canonical bool
	eager     bool // somebody looks on
	line      []byte
}

func newDocuments(w io.Writer, canonical bool) *documents {
	return &documents{w: bufio.NewWriterSize(w, 64<<10), canonical: canonical, eager: screen.IsTerminal(w)}
}

func (d *documents) write(doc bson.Raw) error {
	line, err := extjson.Marshal(doc, d.canonical)
	if err != nil {
		return err
	}
	d.line = append(append(d.line[:0], line...), '\n')
	if _, err = d.w.Write(d.line); err == nil && d.eager {
		err = d.w.Flush()
	}
	return outputError(err)
}

func (d *documents) flush() error { return outputError(d.w.Flush()) }

func outputError(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return errReaderGone
	}
	return err
}

// interruptible reads until its context ends, also where the stream has nothing
// more to read for now. A read that is under way then is left behind: it ends with
// the stream or the process.
type interruptible struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte
	rest []byte // of buf, not returned yet
	err  error  // after rest
}

func (i *interruptible) Read(p []byte) (int, error) {
	if len(i.rest) == 0 {
		if i.err != nil {
			return 0, i.err
		}
		if err := i.fill(); err != nil {
			return 0, err
		}
		if len(i.rest) == 0 {
			return 0, i.err
		}
	}
	n := copy(p, i.rest)
	i.rest = i.rest[n:]
	return n, nil
}

func (i *interruptible) fill() error {
	if i.ctx.Err() != nil {
		return context.Cause(i.ctx)
	}
	if i.buf == nil {
		i.buf = make([]byte, 64<<10)
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := i.r.Read(i.buf)
		done <- result{n, err}
	}()
	select {
	case <-i.ctx.Done():
		return context.Cause(i.ctx)
	case got := <-done:
		i.rest, i.err = i.buf[:got.n], got.err
		return nil
	}
}
