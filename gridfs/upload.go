package gridfs

import (
	"context"
	"fmt"
	"time"

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

// uploadBatch is how many bytes of chunks are sent together.
const uploadBatch = 8 << 20

// UploadStream writes a file. The file is there when Close has returned nil.
type UploadStream struct {
	ctx       context.Context
	bucket    *Bucket
	id        any
	filename  string
	chunkSize int
	metadata  any

	buf    []byte // bytes that make no whole batch yet
	n      int32  // the next chunk's number
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
	u := &UploadStream{ctx: ctx, bucket: b, filename: filename, chunkSize: b.chunkSize}
	for _, o := range options {
		o(u)
	}
	if u.id == nil {
		u.id = bson.NewObjectID()
	}
	if err := checkChunkSize(u.chunkSize); err != nil {
		return nil, err
	}
	if err := b.ensureIndexes(ctx); err != nil {
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
	u.buf = append(u.buf, p...)
	u.length += int64(len(p))
	if len(u.buf) >= max(uploadBatch, u.chunkSize) {
		whole := len(u.buf) / u.chunkSize * u.chunkSize
		if u.err = u.send(u.buf[:whole]); u.err != nil {
			return 0, u.err
		}
		u.buf = u.buf[:copy(u.buf, u.buf[whole:])]
	}
	return len(p), nil
}

// send stores chunks.
func (u *UploadStream) send(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var chunks []chunk
	for len(data) > 0 {
		size := min(u.chunkSize, len(data))
		chunks = append(chunks, chunk{ID: bson.NewObjectID(), FilesID: u.id, N: u.n, Data: data[:size]})
		data = data[size:]
		u.n++
	}
	if _, err := u.bucket.chunks.InsertMany(u.ctx, chunks); err != nil {
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
	u.buf = nil
	if u.err != nil {
		return u.err
	}
	u.closed = true
	file := bson.D{
		{Key: "_id", Value: u.id}, {Key: "length", Value: u.length}, {Key: "chunkSize", Value: int32(u.chunkSize)},
		{Key: "uploadDate", Value: time.Now().UTC().Truncate(time.Millisecond)}, {Key: "filename", Value: u.filename},
	}
	if u.metadata != nil {
		file = append(file, bson.E{Key: "metadata", Value: u.metadata})
	}
	if _, err := u.bucket.files.InsertOne(u.ctx, file); err != nil {
		u.closed, u.err = false, fmt.Errorf("gridfs: upload %q: %w", u.filename, err)
		return u.err
	}
	return nil
}

// Abort ends the upload and removes what was stored of it. It does nothing after
// a successful Close but return ErrClosed.
func (u *UploadStream) Abort() error {
	if u.closed {
		return ErrClosed
	}
	u.closed, u.buf = true, nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTimeout)
	defer cancel()
	if _, err := u.bucket.chunks.DeleteMany(ctx, bson.D{{Key: "files_id", Value: u.id}}); err != nil {
		return fmt.Errorf("gridfs: abort the upload of %q: %w", u.filename, err)
	}
	return nil
}

// abortTimeout bounds the clean-up after an upload whose own context may be over.
const abortTimeout = 30 * time.Second
