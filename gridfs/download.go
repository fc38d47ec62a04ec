package gridfs

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// DownloadStream reads a file, from any position. Chunks are asked for when they
// are needed; one that is missing, or of the wrong size, is an ErrCorrupt.
type DownloadStream struct {
	life   life
	chunks *mgx.Collection
	file   File

	offset int64 // of the next byte to read
	cur    *mgx.Cursor
	next   int64  // the number of the cursor's next chunk
	data   []byte // what is left of the current chunk: a view into the cursor's
	closed bool
}

// File describes the file.
func (d *DownloadStream) File() File { return d.file }

// Read reads bytes of the file.
func (d *DownloadStream) Read(p []byte) (int, error) {
	if d.closed {
		return 0, ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.data) == 0 {
		if d.offset >= d.file.Length {
			return 0, d.checkEnd()
		}
		if err := d.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.data)
	d.data = d.data[n:]
	d.offset += int64(n)
	return n, nil
}

// fetch gets the chunk that has the next byte.
func (d *DownloadStream) fetch() error {
	size := int64(d.file.ChunkSize)
	want := d.offset / size
	if want > math.MaxInt32 {
		return d.corrupt("it has more chunks than can be")
	}
	if d.cur == nil {
		d.cur = d.chunks.Find(d.life.ctx, bson.D{
			{Key: "files_id", Value: exactly(d.file.ID)}, {Key: "n", Value: bson.D{{Key: "$gte", Value: int32(want)}}},
		}, mgx.Sort("n"))
		d.next = want
	}
	if !d.cur.Next() {
		if err := d.cur.Err(); err != nil {
			return fmt.Errorf("gridfs: download %q: %w", d.file.Filename, err)
		}
		return d.corrupt("chunk %d is missing", want)
	}
	n, data, err := readChunk(d.cur.Current())
	if err != nil {
		return d.corrupt("chunk %d: %v", want, err)
	}
	if n != d.next {
		return d.corrupt("chunk %d is missing, the next one is %d", d.next, n)
	}
	if expected := min(size, d.file.Length-d.next*size); int64(len(data)) != expected {
		return d.corrupt("chunk %d has %d bytes, not %d", n, len(data), expected)
	}
	d.next++
	d.data = data[d.offset-want*size:]
	return nil
}

// readChunk takes number and bytes out of a chunk. The bytes are a view, valid as
// long as the document is.
func readChunk(doc bson.Raw) (n int64, data []byte, err error) {
	var hasN, hasData bool
	r := bsonwire.NewReader(doc)
	for r.Next() {
		switch string(r.Key()) {
		case "n":
			n, hasN = r.Value().AsInt64()
		case "data":
			_, data, hasData = r.Value().AsBinary()
		}
	}
	switch {
	case r.Err() != nil:
		return 0, nil, r.Err()
	case !hasN:
		return 0, nil, errors.New("it has no number n")
	case !hasData:
		return 0, nil, errors.New("it has no binary data")
	}
	return n, data, nil
}

// checkEnd looks for chunks behind the last one.
func (d *DownloadStream) checkEnd() error {
	if d.cur == nil {
		return io.EOF
	}
	if d.cur.Next() {
		return d.corrupt("there are chunks behind its end")
	}
	if err := d.cur.Err(); err != nil {
		return fmt.Errorf("gridfs: download %q: %w", d.file.Filename, err)
	}
	return io.EOF
}

func (d *DownloadStream) corrupt(format string, args ...any) error {
	return fmt.Errorf("gridfs: download %q: %w: %s", d.file.Filename, ErrCorrupt, fmt.Sprintf(format, args...))
}

// Seek moves to another position. Within the chunk at hand that costs nothing;
// elsewhere the next Read asks the server anew.
func (d *DownloadStream) Seek(offset int64, whence int) (int64, error) {
	if d.closed {
		return 0, ErrClosed
	}
	switch whence {
	case io.SeekCurrent:
		offset += d.offset
	case io.SeekEnd:
		offset += d.file.Length
	case io.SeekStart:
	default:
		return 0, fmt.Errorf("gridfs: seek: unknown whence %d", whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("gridfs: seek: position %d is before the start", offset)
	}
	ahead := offset - d.offset
	if ahead >= 0 && ahead <= int64(len(d.data)) {
		d.data = d.data[ahead:]
	} else {
		d.release()
	}
	d.offset = offset
	return offset, nil
}

func (d *DownloadStream) release() {
	if d.cur != nil {
		_ = d.cur.Close() // what it failed with was returned by Read
		d.cur = nil
	}
	d.data = nil
}

// Close ends the download.
func (d *DownloadStream) Close() error {
	if d.closed {
		return ErrClosed
	}
	d.closed = true
	d.release()
	d.life.end()
	return nil
}
