package mongo

import (
	"context"
	"io"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/gridfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// GridFSBucket is a set of files.
type GridFSBucket struct {
	db     *Database
	bucket *gridfs.Bucket
	err    error // of the bucket's options: what every operation returns
}

// GridFSBucket returns a bucket in the database. It does no I/O.
func (db *Database) GridFSBucket(opts ...options.Lister[options.BucketOptions]) *GridFSBucket {
	b := &GridFSBucket{db: db}
	args, err := merge(opts)
	if err != nil {
		b.err, args = err, new(options.BucketOptions)
	}
	if db.mgx == nil {
		b.err = ErrClientDisconnected
		return b
	}
	o := gridfs.Options{ChunkSize: int(DefaultGridFSChunkSize)}
	set(&o.Name, args.Name)
	if args.ChunkSizeBytes != nil {
		o.ChunkSize = int(*args.ChunkSizeBytes)
	}
	if o.Handle, err = handle(args.ReadConcern, args.WriteConcern, args.ReadPreference); err != nil {
		b.err = err
	}
	if b.bucket, err = gridfs.New(db.mgx, o); err != nil {
		b.err = convert(err)
	}
	return b
}

// context is Database.context, and the error of the bucket.
func (b *GridFSBucket) context(ctx context.Context) (context.Context, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.db.context(ctx)
}

func gridfsError(err error) error {
	return fileError(err, gridfs.ErrFileNotFound, gridfs.ErrCorrupt, gridfs.ErrClosed)
}

// identifier encodes a file's identifier.
func (b *GridFSBucket) identifier(id any) (any, error) { return b.db.codec.value(id) }

// OpenUploadStream begins a file under a new identifier.
func (b *GridFSBucket) OpenUploadStream(ctx context.Context, filename string, opts ...options.Lister[options.GridFSUploadOptions]) (*GridFSUploadStream, error) {
	return b.OpenUploadStreamWithID(ctx, bson.NewObjectID(), filename, opts...)
}

// OpenUploadStreamWithID begins a file under an identifier of the caller's.
func (b *GridFSBucket) OpenUploadStreamWithID(ctx context.Context, fileID any, filename string, opts ...options.Lister[options.GridFSUploadOptions]) (*GridFSUploadStream, error) {
	ctx, err := b.context(ctx)
	if err != nil {
		return nil, err
	}
	list, err := b.uploadOptions(fileID, opts)
	if err != nil {
		return nil, err
	}
	stream, err := b.bucket.OpenUpload(ctx, filename, list...)
	if err != nil {
		return nil, gridfsError(err)
	}
	return &GridFSUploadStream{FileID: fileID, stream: stream}, nil
}

func (b *GridFSBucket) uploadOptions(fileID any, opts []options.Lister[options.GridFSUploadOptions]) ([]gridfs.UploadOption, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	id, err := b.identifier(fileID)
	if err != nil {
		return nil, err
	}
	list := []gridfs.UploadOption{gridfs.WithID(id)}
	if args.ChunkSizeBytes != nil {
		list = append(list, gridfs.WithChunkSize(int(*args.ChunkSizeBytes)))
	}
	if args.Metadata != nil {
		metadata, err := codec{registry: args.Registry}.document(args.Metadata)
		if err != nil {
			return nil, err
		}
		list = append(list, gridfs.WithMetadata(metadata))
	}
	return list, nil
}

// UploadFromStream stores what source has under a new identifier, which it returns.
func (b *GridFSBucket) UploadFromStream(ctx context.Context, filename string, source io.Reader, opts ...options.Lister[options.GridFSUploadOptions]) (bson.ObjectID, error) {
	id := bson.NewObjectID()
	return id, b.UploadFromStreamWithID(ctx, id, filename, source, opts...)
}

// UploadFromStreamWithID stores what source has under an identifier of the caller's.
func (b *GridFSBucket) UploadFromStreamWithID(ctx context.Context, fileID any, filename string, source io.Reader, opts ...options.Lister[options.GridFSUploadOptions]) error {
	ctx, err := b.context(ctx)
	if err != nil {
		return err
	}
	list, err := b.uploadOptions(fileID, opts)
	if err != nil {
		return err
	}
	reader := &sourceReader{Reader: source}
	_, err = b.bucket.Upload(ctx, filename, reader, list...)
	if err != nil && reader.err != nil {
		return reader.err
	}
	return gridfsError(err)
}

// sourceReader keeps the error of what it reads from.
type sourceReader struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// OpenDownloadStream opens a file by its identifier.
func (b *GridFSBucket) OpenDownloadStream(ctx context.Context, fileID any) (*GridFSDownloadStream, error) {
	ctx, err := b.context(ctx)
	if err != nil {
		return nil, err
	}
	id, err := b.identifier(fileID)
	if err != nil {
		return nil, err
	}
	return newDownloadStream(b.bucket.OpenDownload(ctx, id))
}

// OpenDownloadStreamByName opens a revision of a name: the most recent one, unless an
// option says otherwise.
func (b *GridFSBucket) OpenDownloadStreamByName(ctx context.Context, filename string, opts ...options.Lister[options.GridFSNameOptions]) (*GridFSDownloadStream, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	if ctx, err = b.context(ctx); err != nil {
		return nil, err
	}
	revision := options.DefaultRevision
	set(&revision, args.Revision)
	return newDownloadStream(b.bucket.OpenDownloadByName(ctx, filename, int(revision)))
}

// DownloadToStream writes a file's contents to a writer.
func (b *GridFSBucket) DownloadToStream(ctx context.Context, fileID any, stream io.Writer) (int64, error) {
	from, err := b.OpenDownloadStream(ctx, fileID)
	if err != nil {
		return 0, err
	}
	return from.copyTo(stream)
}

// DownloadToStreamByName writes the contents of a revision of a name to a writer.
func (b *GridFSBucket) DownloadToStreamByName(ctx context.Context, filename string, stream io.Writer, opts ...options.Lister[options.GridFSNameOptions]) (int64, error) {
	from, err := b.OpenDownloadStreamByName(ctx, filename, opts...)
	if err != nil {
		return 0, err
	}
	return from.copyTo(stream)
}

// Delete removes a file.
func (b *GridFSBucket) Delete(ctx context.Context, fileID any) error {
	ctx, err := b.context(ctx)
	if err != nil {
		return err
	}
	id, err := b.identifier(fileID)
	if err != nil {
		return err
	}
	return gridfsError(b.bucket.Delete(ctx, id))
}

// Find returns a cursor over the descriptions of files.
func (b *GridFSBucket) Find(ctx context.Context, filter any, opts ...options.Lister[options.GridFSFindOptions]) (*Cursor, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	find := options.Find()
	find.Opts = append(find.Opts, func(o *options.FindOptions) error {
		o.AllowDiskUse, o.BatchSize, o.NoCursorTimeout, o.Sort = args.AllowDiskUse, args.BatchSize, args.NoCursorTimeout, args.Sort
		o.Limit, o.Skip = wide(args.Limit), wide(args.Skip)
		return nil
	})
	return b.GetFilesCollection().Find(ctx, filter, find)
}

func wide(n *int32) *int64 {
	if n == nil {
		return nil
	}
	w := int64(*n)
	return &w
}

// Rename gives a file another name.
func (b *GridFSBucket) Rename(ctx context.Context, fileID any, newFilename string) error {
	ctx, err := b.context(ctx)
	if err != nil {
		return err
	}
	id, err := b.identifier(fileID)
	if err != nil {
		return err
	}
	return gridfsError(b.bucket.Rename(ctx, id, newFilename))
}

// Drop removes all files, and the bucket's collections.
func (b *GridFSBucket) Drop(ctx context.Context) error {
	ctx, err := b.context(ctx)
	if err != nil {
		return err
	}
	return gridfsError(b.bucket.Drop(ctx))
}

// GetFilesCollection returns the collection that describes the files.
func (b *GridFSBucket) GetFilesCollection() *Collection { return b.collection((*gridfs.Bucket).Files) }

// GetChunksCollection returns the collection that holds their contents.
func (b *GridFSBucket) GetChunksCollection() *Collection {
	return b.collection((*gridfs.Bucket).Chunks)
}

func (b *GridFSBucket) collection(of func(*gridfs.Bucket) *mgx.Collection) *Collection {
	if b.err != nil {
		return &Collection{db: b.db, err: b.err}
	}
	inner := of(b.bucket)
	return &Collection{db: b.db, mgx: inner, name: inner.Name(), codec: b.db.codec, unacked: b.db.unacked}
}

// GridFSUploadStream writes a file. The file is there when Close has returned nil.
type GridFSUploadStream struct {
	// FileID is the file's identifier.
	FileID any

	stream *gridfs.UploadStream
}

// Write takes bytes of the file.
func (us *GridFSUploadStream) Write(p []byte) (int, error) {
	n, err := us.stream.Write(p)
	return n, gridfsError(err)
}

// Close sends the rest, and makes the file appear.
func (us *GridFSUploadStream) Close() error { return gridfsError(us.stream.Close()) }

// Abort ends the upload and removes what was stored of it.
func (us *GridFSUploadStream) Abort() error { return gridfsError(us.stream.Abort()) }

// GridFSDownloadStream reads a file.
type GridFSDownloadStream struct {
	stream   *gridfs.DownloadStream
	file     GridFSFile
	position int64
	closed   bool
}

func newDownloadStream(stream *gridfs.DownloadStream, err error) (*GridFSDownloadStream, error) {
	if err != nil {
		return nil, gridfsError(err)
	}
	f := stream.File()
	return &GridFSDownloadStream{stream: stream, file: GridFSFile{
		ID: f.ID, Length: f.Length, ChunkSize: f.ChunkSize, UploadDate: f.UploadDate, Name: f.Filename, Metadata: f.Metadata,
	}}, nil
}

// GetFile describes the file.
func (ds *GridFSDownloadStream) GetFile() *GridFSFile { return &ds.file }

// Read reads bytes of the file: as many as p takes, if there are.
func (ds *GridFSDownloadStream) Read(p []byte) (int, error) {
	if ds.closed {
		return 0, ErrStreamClosed
	}
	n := 0
	for n < len(p) {
		m, err := ds.stream.Read(p[n:])
		n, ds.position = n+m, ds.position+int64(m)
		switch {
		case err == io.EOF && n > 0:
			return n, nil
		case err == io.EOF:
			return 0, io.EOF
		case err != nil:
			return n, gridfsError(err)
		}
	}
	return n, nil
}

// Skip leaves bytes out, and returns how many there were.
func (ds *GridFSDownloadStream) Skip(skip int64) (int64, error) {
	if ds.closed {
		return 0, ErrStreamClosed
	}
	skip = max(0, min(skip, ds.file.Length-ds.position))
	if _, err := ds.stream.Seek(skip, io.SeekCurrent); err != nil {
		return 0, gridfsError(err)
	}
	ds.position += skip
	return skip, nil
}

// Close ends the download.
func (ds *GridFSDownloadStream) Close() error {
	if ds.closed {
		return ErrStreamClosed
	}
	ds.closed = true
	return gridfsError(ds.stream.Close())
}

func (ds *GridFSDownloadStream) copyTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, ds)
	if err != nil {
		_ = ds.Close()
		return 0, err
	}
	return n, ds.Close()
}
