package dumpdir

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/sdam"
)

// MaxDocument is the size of the largest document that is read, in bytes: what
// servers take, and some more for their own.
const MaxDocument = sdam.DefaultMaxBSONObjectSize + sdam.CommandOverhead

// minDocument is the size of the empty document.
const minDocument = 5

// DamagedError is a file of documents that is not what it should be from some point
// on.
type DamagedError struct {
	// Offset is where the document that is wrong begins, in bytes (before compression),
	// Document how many there are before it.
	Offset, Document int64
	Reason           string
	// Err is the error of reading, if that was it.
	Err error
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("damaged at byte %d, in document %d: %s", e.Offset, e.Document+1, e.Reason)
}

// Unwrap returns the error of reading.
func (e *DamagedError) Unwrap() error { return e.Err }

// Reader reads a file of documents, one behind the other.
type Reader struct {
	r        *bufio.Reader
	offset   int64 // of the next document
	document int64 // its number
	err      error
	close    func() error
}

// NewReader reads documents from r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 256<<10), close: func() error { return nil }}
}

// Open opens a file of documents; count, if not nil, is told of the bytes that are
// read from it.
func Open(path string, count func(n int)) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var in io.Reader = f
	if count != nil {
		in = counter{f, count}
	}
	if strings.HasSuffix(path, gzipSuffix) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, errors.Join(&DamagedError{Reason: "it is not compressed with gzip, as its name says: " + err.Error(), Err: err}, f.Close())
		}
		in = z
	}
	r := NewReader(in)
	r.close = f.Close
	return r, nil
}

// Counted tells a function of the bytes that are read.
func Counted(r io.Reader, count func(n int)) io.Reader { return counter{r, count} }

type counter struct {
	r     io.Reader
	count func(n int)
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.count(n)
	return n, err
}

// Close closes the file.
func (r *Reader) Close() error { return r.close() }

// Next appends the next document to dst, and returns dst with it. The error is
// io.EOF at the end, or a *DamagedError, after which there is nothing more: where a
// document ends is not known then.
func (r *Reader) Next(dst []byte) ([]byte, error) {
	if r.err != nil {
		return dst, r.err
	}
	at := len(dst)
	out, err := r.read(dst)
	if err != nil {
		r.err = err
		return dst, err
	}
	r.offset += int64(len(out) - at)
	r.document++
	return out, nil
}

func (r *Reader) read(dst []byte) ([]byte, error) {
	at := len(dst)
	var head [4]byte
	switch n, err := io.ReadFull(r.r, head[:]); {
	case err == io.EOF:
		return dst, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF) && n > 0:
		return dst, r.cut(n, 0)
	case err != nil:
		return dst, r.damaged(err, "it cannot be read: %v", err)
	}
	size := int(int32(binary.LittleEndian.Uint32(head[:])))
	if size < minDocument || size > MaxDocument {
		return dst, r.damaged(nil, "its length is given as %d bytes; a document has %d to %d", size, minDocument, MaxDocument)
	}
	dst = append(dst, head[:]...)
	// Room is made as the bytes come, not as the length promises.
	for len(dst)-at < size {
		step := min(size-(len(dst)-at), 64<<10)
		from := len(dst)
		dst = append(dst, make([]byte, step)...)
		n, err := io.ReadFull(r.r, dst[from:])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return dst, r.cut(from+n-at, size)
		case err != nil:
			return dst, r.damaged(err, "it cannot be read: %v", err)
		}
	}
	if err := bsonwire.ValidateStructure(dst[at:]); err != nil {
		return dst, r.damaged(err, "%v", err)
	}
	return dst, nil
}

func (r *Reader) cut(have, want int) error {
	if want == 0 {
		return r.damaged(io.ErrUnexpectedEOF, "the file ends %d bytes into it", have)
	}
	return r.damaged(io.ErrUnexpectedEOF, "the file ends %d bytes into it, of %d", have, want)
}

func (r *Reader) damaged(cause error, format string, args ...any) error {
	return &DamagedError{Offset: r.offset, Document: r.document, Reason: fmt.Sprintf(format, args...), Err: cause}
}
