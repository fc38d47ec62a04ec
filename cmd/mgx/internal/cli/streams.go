package cli

import (
	"bufio"
	"errors"
	"io"
	"syscall"

	"go.mongodb.org/mongo-driver/v2/bson"

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
	line, err := bson.MarshalExtJSON(doc, d.canonical, false)
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
