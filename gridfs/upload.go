package gridfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// UploadOption is an option of uploads.
type UploadOption func(*UploadStream)

// WithID stores the file under an identifier of the caller's.
func WithID(id any) UploadOption { return func(u *UploadStream) { u.id = id } }

// WithChunkSize sets the size of the file's chunks in bytes.
func WithChunkSize(bytes int) UploadOption { return func(u *UploadStream) { u.chunkSize = bytes } }

// WithMetadata stores a document with the file's description.
func WithMetadata(document any) UploadOption { return func(u *UploadStream) { u.metadata = document } }

// WithContentType stores a MIME type with the file's description, as older programs
// read it there. The specification "GridFS" deprecates it: new programs put it into
// the metadata.
func WithContentType(mime string) UploadOption { return func(u *UploadStream) { u.contentType = mime } }

// WithAliases stores other names of the file with its description, as older programs
// read them there. The bucket does not find files by them. The specification "GridFS"
// deprecates them: new programs put them into the metadata.
func WithAliases(names ...string) UploadOption { return func(u *UploadStream) { u.aliases = names } }

const (
	// uploadBatch is how many bytes of chunks are sent together, at least one chunk.
	uploadBatch = 4 << 20
	// smallUpload is what a stream gathers before it takes a buffer for a batch.
	smallUpload = 256 << 10
)

// batchBuffers are of uploadBatch bytes, for streams that come to need one.
var batchBuffers = sync.Pool{New: func() any { b := make([]byte, 0, uploadBatch); return &b }}

// UploadStream writes a file. The file is there when Close has returned nil.
type UploadStream struct {
	life      life
	bucket    *Bucket
	id        any
	filename  string
	chunkSize int
	metadata  any
	// contentType and aliases are left out of the description where they are empty.
	contentType string
	aliases     []string

	buf    []byte  // bytes that make no whole batch yet
	pooled *[]byte // where buf goes back to, if it is one of batchBuffers
	n      int32   // the next chunk's number; those below it are, or may be, stored
	length int64
	err    error
	closed bool
}

// chunk is a document of the chunks collection.
type chunk struct {
	ID      bson.ObjectID `bson:"_id"`
	FilesID any           `bson:"files_id"`
	N       int32         `bson:"n"`
	Data    []byte        `bson:"data"`
}

// OpenUpload begins a file. The context bounds all that the stream does.
func (b *Bucket) OpenUpload(ctx context.Context, filename string, options ...UploadOption) (*UploadStream, error) {
	u := &UploadStream{bucket: b, filename: filename, chunkSize: b.chunkSize}
	for _, o := range options {
		o(u)
	}
	if u.id == nil {
		u.id = bson.NewObjectID()
	}
	if err := checkChunkSize(u.chunkSize); err != nil {
		return nil, err
	}
	u.life = b.life(ctx)
	if err := b.ensureIndexes(u.life.ctx); err != nil {
		u.life.end()
		return nil, fmt.Errorf("gridfs: make the indexes: %w", err)
	}
	return u, nil
}

// ID returns the file's identifier.
func (u *UploadStream) ID() any { return u.id }

// Write takes bytes of the file. Whole batches of chunks are sent to the server.
func (u *UploadStream) Write(p []byte) (int, error) {
	if u.closed {
		return 0, ErrClosed
	}
	if u.err != nil {
		return 0, u.err
	}
	for n := 0; n < len(p); {
		room := u.room(len(p) - n)
		took := copy(room, p[n:])
		n += took
		if err := u.took(took); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// ReadFrom takes what is left of a reader, for io.Copy: it is read to where it is
// sent from.
func (u *UploadStream) ReadFrom(r io.Reader) (n int64, err error) {
	if u.closed {
		return 0, ErrClosed
	}
	if u.err != nil {
		return 0, u.err
	}
	for empty := 0; empty < mostEmptyReads; {
		got, err := r.Read(u.room(1))
		n += int64(got)
		if failed := u.took(got); failed != nil {
			return n, failed
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		empty++
		if got > 0 {
			empty = 0
		}
	}
	return n, io.ErrNoProgress
}

// mostEmptyReads are as many as bufio takes from a reader that reads nothing.
const mostEmptyReads = 100

// room returns free space in the buffer, of want bytes if a small buffer or the rest
// of a batch has that many.
func (u *UploadStream) room(want int) []byte {
	full := max(uploadBatch, u.chunkSize)
	if need := len(u.buf) + want; need > cap(u.buf) && cap(u.buf) < full {
		u.grow(need, full)
	}
	return u.buf[len(u.buf):min(cap(u.buf), full)]
}

func (u *UploadStream) grow(need, full int) {
	var bigger []byte
	switch {
	case need <= smallUpload:
		bigger = make([]byte, 0, max(need, min(2*cap(u.buf), smallUpload), 4<<10))
	case full == uploadBatch:
		u.pooled = batchBuffers.Get().(*[]byte)
		bigger = (*u.pooled)[:0]
	default:
		bigger = make([]byte, 0, full)
	}
	u.buf = append(bigger, u.buf...)
}

// took tells that n bytes of the room are in use now, and sends a batch that is
// full.
func (u *UploadStream) took(n int) error {
	u.buf = u.buf[:len(u.buf)+n]
	u.length += int64(n)
	if len(u.buf) < max(uploadBatch, u.chunkSize) {
		return nil
	}
	whole := len(u.buf) / u.chunkSize * u.chunkSize
	if u.err = u.send(u.buf[:whole]); u.err != nil {
		return u.err
	}
	u.buf = u.buf[:copy(u.buf, u.buf[whole:])]
	return nil
}

// free gives the buffer back.
func (u *UploadStream) free() {
	if u.pooled != nil {
		batchBuffers.Put(u.pooled)
	}
	u.buf, u.pooled = nil, nil
}

// send stores chunks.
func (u *UploadStream) send(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var chunks []chunk
	first := u.n
	for len(data) > 0 {
		size := min(u.chunkSize, len(data))
		chunks = append(chunks, chunk{ID: bson.NewObjectID(), FilesID: u.id, N: u.n, Data: data[:size]})
		data = data[size:]
		u.n++
	}
	if _, err := u.bucket.chunks.InsertMany(u.life.ctx, chunks); err != nil {
		var refused *mgx.WriteError
		if errors.As(err, &refused) {
			u.n = first + int32(refused.Index) // what has that number is another's
		}
		return fmt.Errorf("gridfs: upload %q: %w", u.filename, err)
	}
	return nil
}

// Close sends the rest, and makes the file appear. After an error the file is not
// there, but chunks of it may be: Abort removes them.
func (u *UploadStream) Close() error {
	if u.closed {
		return ErrClosed
	}
	if u.err == nil {
		u.err = u.send(u.buf)
	}
	u.free()
	if u.err != nil {
		return u.err
	}
	u.closed = true
	file := bson.D{
		{Key: "_id", Value: u.id}, {Key: "length", Value: u.length}, {Key: "chunkSize", Value: int32(u.chunkSize)},
		{Key: "uploadDate", Value: time.Now().UTC().Truncate(time.Millisecond)}, {Key: "filename", Value: u.filename},
	}
	if u.contentType != "" {
		file = append(file, bson.E{Key: "contentType", Value: u.contentType})
	}
	if len(u.aliases) > 0 {
		file = append(file, bson.E{Key: "aliases", Value: u.aliases})
	}
	if u.metadata != nil {
		file = append(file, bson.E{Key: "metadata", Value: u.metadata})
	}
	if _, err := u.bucket.files.InsertOne(u.life.ctx, file); err != nil {
		u.closed, u.err = false, fmt.Errorf("gridfs: upload %q: %w", u.filename, err)
		return u.err
	}
	u.life.end()
	return nil
}

// isStoring reports whether an upload failed at the servers: one refused, or none
// answered.
func isStoring(err error) bool {
	if refused, ok := errors.AsType[*mgx.WriteError](err); ok {
		return refused.Err == nil
	}
	return errors.As(err, new(*mgx.ServerError)) || errors.Is(err, mgx.ErrConnectionFailure) ||
		errors.Is(err, mgx.ErrServerSelection) || errors.Is(err, mgx.ErrTimeout)
}

// discard ends an upload that failed, and leaves what was stored of it.
func (u *UploadStream) discard() {
	u.closed = true
	u.free()
	u.life.end()
}

// Abort ends the upload and removes what was stored of it. It does nothing after
// a successful Close but return ErrClosed. Where a file with the identifier is there,
// another one or this one after a Close whose answer was lost, it removes nothing
// and says so.
func (u *UploadStream) Abort() error {
	if u.closed {
		return ErrClosed
	}
	u.closed = true
	u.free()
	defer u.life.end()
	if u.n == 0 {
		return nil
	}
	ctx := u.life.ctx
	if u.bucket.files.Timeout() <= 0 { // which bounds this, too
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
	}
	if err := u.removeChunks(ctx); err != nil {
		return fmt.Errorf("gridfs: abort the upload of %q: %w", u.filename, err)
	}
	return nil
}

func (u *UploadStream) removeChunks(ctx context.Context) error {
	_, err := mgx.FindOne[bson.Raw](ctx, u.bucket.primaryFiles, equals("_id", u.id), mgx.Projection(bson.D{{Key: "_id", Value: 1}}))
	if err == nil {
		return fmt.Errorf("a file with _id %v is there, so no chunks were removed", u.id)
	}
	if !errors.Is(err, mgx.ErrNoDocuments) {
		return err
	}
	_, err = u.bucket.chunks.DeleteMany(ctx, bson.D{
		{Key: "files_id", Value: exactly(u.id)}, {Key: "n", Value: bson.D{{Key: "$lt", Value: u.n}}},
	})
	return err
}

// abortTimeout bounds the clean-up after an upload whose own context may be over.
const abortTimeout = 30 * time.Second
