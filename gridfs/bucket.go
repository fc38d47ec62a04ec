// Package gridfs stores files of any size in MongoDB: their descriptions in one
// collection, their contents in chunks in another.
//
//	bucket, err := gridfs.New(db, gridfs.Options{})
//	id, err := bucket.Upload(ctx, "report.pdf", reader)
//	n, err := bucket.Download(ctx, id, writer)
//
// Uploads are io.WriteCloser, downloads io.ReadSeekCloser, and FS is a view of the
// bucket for what reads files from an fs.FS.
//
// See the specification "GridFS".
package gridfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// The categories of errors, for errors.Is.
var (
	// ErrFileNotFound is a file, or a revision of it, that the bucket does not have.
	ErrFileNotFound = errors.New("file not found")
	// ErrCorrupt is a file whose chunks are missing, too many, or of the wrong size.
	ErrCorrupt = errors.New("file is corrupt")
	// ErrClosed is the use of a stream after Close or Abort.
	ErrClosed = errors.New("stream is closed")
)

// DefaultChunkSize is the size of chunks in bytes, unless said otherwise: what
// fits in a document of 256 KiB.
const DefaultChunkSize = 255 << 10

// maxChunkSize leaves room for the rest of a chunk's document.
const maxChunkSize = 16<<20 - 1<<10

// Options configure a bucket.
type Options struct {
	// Name is the prefix of its two collections: "fs" if empty.
	Name string
	// ChunkSize is the size of new files' chunks in bytes: DefaultChunkSize if 0.
	ChunkSize int
	// Handle are the concerns and the read preference of the collections, where
	// they are not the database's, and the timeout: mgx.Timeout bounds each method
	// of the bucket as a whole, and of a stream its life, from its opening to Close
	// or Abort. The time that readers and writers of the caller's take counts, but
	// does not end before they return.
	Handle []mgx.HandleOption
}

// Bucket is a set of files. It is safe for concurrent use.
type Bucket struct {
	db            *mgx.Database
	options       Options
	files, chunks *mgx.Collection
	primaryFiles  *mgx.Collection
	chunkSize     int
	indexes       *indexes
}

// indexes are those of a bucket, to be made once.
type indexes struct {
	turn chan struct{} // holds a token while somebody is at it
	made atomic.Bool
}

// New returns a bucket in a database. It does no I/O; the first upload makes the
// indexes.
func New(db *mgx.Database, options Options) (*Bucket, error) {
	name := options.Name
	if name == "" {
		name = "fs"
	}
	size := options.ChunkSize
	if size == 0 {
		size = DefaultChunkSize
	}
	if err := checkChunkSize(size); err != nil {
		return nil, err
	}
	primary := append(options.Handle[:len(options.Handle):len(options.Handle)], mgx.WithReadPreference(mgx.ReadPreference{}))
	return &Bucket{
		db: db, options: options,
		files:        db.Collection(name+".files", options.Handle...),
		chunks:       db.Collection(name+".chunks", options.Handle...),
		primaryFiles: db.Collection(name+".files", primary...),
		chunkSize:    size,
		indexes:      &indexes{turn: make(chan struct{}, 1)},
	}, nil
}

// WithTimeout returns the bucket with another timeout, as mgx.Timeout sets it.
func (b *Bucket) WithTimeout(d time.Duration) *Bucket {
	options := b.options
	options.Handle = append(options.Handle[:len(options.Handle):len(options.Handle)], mgx.Timeout(d))
	other, err := New(b.db, options)
	if err != nil {
		panic("gridfs: options that were accepted are refused: " + err.Error())
	}
	other.indexes = b.indexes
	return other
}

// bounded gives a method, or the life of a stream, the bucket's timeout.
func (b *Bucket) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	t := b.files.Timeout()
	if t <= 0 || ctx == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, t)
}

// equals is the filter of a field that has just this value.
func equals(field string, value any) bson.D { return bson.D{{Key: field, Value: exactly(value)}} }

// exactly keeps a value that could be read as a condition, a document with operators
// or a regular expression, from being one.
func exactly(value any) any {
	switch t, _, err := bson.AppendMarshalValue(nil, value); {
	case err != nil: // for the operation to report
	case t == bson.TypeEmbeddedDocument, t == bson.TypeRegex, t == bson.TypeArray:
		return bson.D{{Key: "$eq", Value: value}}
	}
	return value
}

func checkChunkSize(size int) error {
	if size < 1 || size > maxChunkSize {
		return fmt.Errorf("gridfs: a chunk size of %d bytes is not between 1 and %d", size, maxChunkSize)
	}
	return nil
}

// File describes a file.
type File struct {
	ID         any       `bson:"_id"`
	Length     int64     `bson:"length"`
	ChunkSize  int32     `bson:"chunkSize"`
	UploadDate time.Time `bson:"uploadDate"`
	Filename   string    `bson:"filename"`
	// Metadata is whatever was stored with the file.
	Metadata bson.Raw `bson:"metadata,omitempty"`
	// ContentType and Aliases are what WithContentType, WithAliases or an older program
	// stored.
	ContentType string   `bson:"contentType,omitempty"`
	Aliases     []string `bson:"aliases,omitempty"`
}

// Files returns the collection that describes the files.
func (b *Bucket) Files() *mgx.Collection { return b.files }

// Chunks returns the collection that holds their contents.
func (b *Bucket) Chunks() *mgx.Collection { return b.chunks }

// Find returns a cursor over the descriptions of files: mgx.Collect[gridfs.File]. The
// filter is about the fields of File by their names in the database, so also about
// metadata: bson.D{{"metadata.owner", "ann"}}.
func (b *Bucket) Find(ctx context.Context, filter any, options ...mgx.FindOption) *mgx.Cursor {
	return b.files.Find(ctx, filter, options...)
}

// Upload stores what r has, under a new identifier, which it returns. When reading
// fails, or the metadata cannot be encoded, what was stored is removed, as by
// UploadStream.Abort. When a server refuses to store, or cannot be reached, chunks of
// the file may stay: what kept them from being stored would most likely keep them from
// being removed, too.
func (b *Bucket) Upload(ctx context.Context, filename string, r io.Reader, options ...UploadOption) (any, error) {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	up, err := b.OpenUpload(ctx, filename, options...)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(up, r)
	if err == nil {
		err = up.Close()
	}
	switch {
	case err == nil:
		return up.ID(), nil
	case isStoring(up.err):
		up.discard()
		return nil, err
	}
	return nil, errors.Join(err, up.Abort())
}

// Download writes a file's contents to w and returns how many bytes there were.
func (b *Bucket) Download(ctx context.Context, id any, w io.Writer) (int64, error) {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	return copyOut(w)(b.OpenDownload(ctx, id))
}

// DownloadByName is Download for a revision of a name: see OpenDownloadByName.
func (b *Bucket) DownloadByName(ctx context.Context, filename string, revision int, w io.Writer) (int64, error) {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	return copyOut(w)(b.OpenDownloadByName(ctx, filename, revision))
}

func copyOut(w io.Writer) func(*DownloadStream, error) (int64, error) {
	return func(down *DownloadStream, err error) (int64, error) {
		if err != nil {
			return 0, err
		}
		n, err := io.Copy(w, down)
		return n, errors.Join(err, down.Close())
	}
}

// OpenDownload opens a file by its identifier.
func (b *Bucket) OpenDownload(ctx context.Context, id any) (*DownloadStream, error) {
	return b.open(b.life(ctx), equals("_id", id), fmt.Sprintf("with _id %v", id))
}

// OpenDownloadByName opens a revision of a name: 0 is the original, 1 the first
// revision of it, and so on; -1 is the most recent one, -2 the one before. What the
// error says tells a name that is not there from a revision that is not; both are
// an ErrFileNotFound.
func (b *Bucket) OpenDownloadByName(ctx context.Context, filename string, revision int) (*DownloadStream, error) {
	order, skip := "uploadDate", revision
	if revision < 0 {
		order, skip = "-uploadDate", -(revision + 1)
	}
	filter := bson.D{{Key: "filename", Value: filename}}
	l := b.life(ctx)
	down, err := b.open(l, filter, fmt.Sprintf("named %q", filename), mgx.Sort(order), mgx.Skip(int64(skip)))
	if skip > 0 && errors.Is(err, ErrFileNotFound) {
		if b.files.FindOne(ctx, filter, mgx.Projection(idAlone)).Err() == nil {
			return nil, fmt.Errorf("gridfs: %w: %q has no revision %d", ErrFileNotFound, filename, revision)
		}
	}
	return down, err
}

// idAlone projects documents to their _id.
var idAlone = bson.D{{Key: "_id", Value: 1}}

// life bounds that of a stream.
type life struct {
	ctx context.Context
	end context.CancelFunc
}

func (b *Bucket) life(ctx context.Context) life {
	ctx, end := b.bounded(ctx)
	return life{ctx, end}
}

func (b *Bucket) open(l life, filter bson.D, what string, options ...mgx.FindOneOption) (down *DownloadStream, err error) {
	defer func() {
		if err != nil {
			l.end()
		}
	}()
	file, err := mgx.FindOne[File](l.ctx, b.files, filter, options...)
	if errors.Is(err, mgx.ErrNoDocuments) {
		return nil, fmt.Errorf("gridfs: %w: none %s", ErrFileNotFound, what)
	}
	if err != nil {
		return nil, fmt.Errorf("gridfs: %w", err)
	}
	if file.Length < 0 || file.Length > 0 && file.ChunkSize <= 0 {
		return nil, fmt.Errorf("gridfs: %w: its description says %d bytes in chunks of %d", ErrCorrupt, file.Length, file.ChunkSize)
	}
	return &DownloadStream{life: l, chunks: b.chunks, file: file}, nil
}

// Delete removes a file. One that is not there is an ErrFileNotFound; chunks of it
// that are left over are removed all the same.
func (b *Bucket) Delete(ctx context.Context, id any) error {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	res, err := b.files.DeleteOne(ctx, equals("_id", id))
	if err != nil {
		return fmt.Errorf("gridfs: delete: %w", err)
	}
	if _, err := b.chunks.DeleteMany(ctx, equals("files_id", id)); err != nil {
		return fmt.Errorf("gridfs: delete the chunks: %w", err)
	}
	if res.Acknowledged && res.DeletedCount == 0 {
		return fmt.Errorf("gridfs: delete: %w: none with _id %v", ErrFileNotFound, id)
	}
	return nil
}

// DeleteByName removes all revisions of a name.
func (b *Bucket) DeleteByName(ctx context.Context, filename string) error {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	filter := bson.D{{Key: "filename", Value: filename}}
	type idOnly struct {
		ID any `bson:"_id"`
	}
	list, err := mgx.Collect[idOnly](b.files.Find(ctx, filter, mgx.Projection(idAlone)))
	if err != nil {
		return fmt.Errorf("gridfs: delete: %w", err)
	}
	if len(list) == 0 {
		return fmt.Errorf("gridfs: delete: %w: none named %q", ErrFileNotFound, filename)
	}
	ids := make(bson.A, len(list))
	for i, f := range list {
		ids[i] = f.ID
	}
	if _, err := b.files.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}); err != nil {
		return fmt.Errorf("gridfs: delete: %w", err)
	}
	if _, err := b.chunks.DeleteMany(ctx, bson.D{{Key: "files_id", Value: bson.D{{Key: "$in", Value: ids}}}}); err != nil {
		return fmt.Errorf("gridfs: delete the chunks: %w", err)
	}
	return nil
}

// Rename gives a file another name.
func (b *Bucket) Rename(ctx context.Context, id any, filename string) error {
	res, err := b.files.UpdateOne(ctx, equals("_id", id), renaming(filename))
	return renamed(res, err, fmt.Sprintf("with _id %v", id))
}

// RenameByName gives all revisions of a name another one.
func (b *Bucket) RenameByName(ctx context.Context, filename, to string) error {
	res, err := b.files.UpdateMany(ctx, bson.D{{Key: "filename", Value: filename}}, renaming(to))
	return renamed(res, err, fmt.Sprintf("named %q", filename))
}

func renaming(to string) bson.D {
	return bson.D{{Key: "$set", Value: bson.D{{Key: "filename", Value: to}}}}
}

func renamed(res mgx.UpdateResult, err error, what string) error {
	if err != nil {
		return fmt.Errorf("gridfs: rename: %w", err)
	}
	if res.Acknowledged && res.MatchedCount == 0 {
		return fmt.Errorf("gridfs: rename: %w: none %s", ErrFileNotFound, what)
	}
	return nil
}

// Drop removes all files, and the bucket's collections.
func (b *Bucket) Drop(ctx context.Context) error {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	for _, c := range []*mgx.Collection{b.files, b.chunks} {
		if err := c.Drop(ctx); err != nil {
			return fmt.Errorf("gridfs: drop: %w", err)
		}
	}
	b.indexes.made.Store(false)
	return nil
}

// ensureIndexes makes the indexes before the first upload into an empty bucket.
func (b *Bucket) ensureIndexes(ctx context.Context) error {
	if b.indexes.made.Load() {
		return nil
	}
	select {
	case b.indexes.turn <- struct{}{}:
		defer func() { <-b.indexes.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if b.indexes.made.Load() {
		return nil
	}
	_, err := mgx.FindOne[bson.Raw](ctx, b.primaryFiles, nil, mgx.Projection(idAlone))
	if err != nil && !errors.Is(err, mgx.ErrNoDocuments) {
		return err
	}
	if err != nil {
		if err := ensureIndex(ctx, b.files, mgx.Index{Keys: mgx.Keys("filename", "uploadDate")}); err != nil {
			return err
		}
		if err := ensureIndex(ctx, b.chunks, mgx.Index{Keys: mgx.Keys("files_id", "n"), Unique: true}); err != nil {
			return err
		}
	}
	b.indexes.made.Store(true)
	return nil
}

// ensureIndex makes an index unless one with the same keys is there, whatever type
// its directions have: the shell makes them doubles.
func ensureIndex(ctx context.Context, c *mgx.Collection, index mgx.Index) error {
	type spec struct {
		Key bson.D `bson:"key"`
	}
	list, err := mgx.Collect[spec](c.ListIndexes(ctx))
	if err != nil {
		return err
	}
	for _, have := range list {
		if sameKeys(have.Key, index.Keys.(bson.D)) {
			return nil
		}
	}
	_, err = c.CreateIndex(ctx, index)
	return err
}

func sameKeys(a, b bson.D) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || fmt.Sprint(a[i].Value) != fmt.Sprint(b[i].Value) {
			return false
		}
	}
	return true
}
