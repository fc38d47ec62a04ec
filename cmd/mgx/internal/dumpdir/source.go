package dumpdir

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mgxdb/mgx/internal/transfer"
)

// Collections implements transfer.Source.
func (db *Database) Collections(context.Context) ([]transfer.Collection, error) {
	list := make([]transfer.Collection, len(db.List))
	for i := range db.List {
		c := &db.List[i]
		list[i] = c.Metadata.Collection(c.Name)
		list[i].Buckets = c.Buckets
	}
	return list, nil
}

func (db *Database) find(name string) *Collection {
	for i := range db.List {
		if db.List[i].Name == name {
			return &db.List[i]
		}
	}
	return &Collection{Name: name, Err: errors.New("it is not in the dump")}
}

// Describe implements transfer.Source.
func (db *Database) Describe(_ context.Context, c *transfer.Collection) error {
	return db.find(c.Name).Err
}

// Check implements transfer.Source: it reads the file to its end.
func (db *Database) Check(ctx context.Context, c *transfer.Collection) error {
	from := db.find(c.Name)
	if from.Documents == "" {
		return errNoDocuments
	}
	r, err := db.Open(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	var b transfer.Batch
	for {
		b.Docs = b.Docs[:0]
		switch err := r.Next(ctx, &b); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// Open implements transfer.Source.
func (db *Database) Open(_ context.Context, c *transfer.Collection) (transfer.Reader, error) {
	from := db.find(c.Name)
	if from.Documents == "" {
		return &fileReader{}, nil
	}
	r := &fileReader{path: from.Documents, size: from.Size}
	count := func(n int) { r.read += int64(n) }
	var err error
	if from.Open != nil {
		r.in, err = from.Open(count)
	} else {
		r.in, err = Open(from.Documents, count)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Documents, err)
	}
	return r, nil
}

// A batch is as much as makes a message worth it.
const (
	batchDocuments = 2000
	batchBytes     = 4 << 20
)

// fileReader reads a file of documents in batches.
type fileReader struct {
	path       string
	in         *Reader // nil: there is no file
	read, size int64
}

func (r *fileReader) Total(context.Context) (int64, error) { return 0, nil }

func (r *fileReader) Next(ctx context.Context, b *transfer.Batch) (err error) {
	if r.in == nil {
		return io.EOF
	}
	b.Buf = b.Buf[:0]
	for len(b.Docs) < batchDocuments && len(b.Buf) < batchBytes && err == nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		at := len(b.Buf)
		if b.Buf, err = r.in.Next(b.Buf); err == nil {
			b.Docs = append(b.Docs, b.Buf[at:len(b.Buf):len(b.Buf)])
		}
	}
	b.Read, b.Size = r.read, r.size
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%s: %w", r.path, err)
	}
	return err
}

func (r *fileReader) Verify(context.Context, int64) error { return nil }

func (r *fileReader) Close() error {
	if r.in == nil {
		return nil
	}
	return r.in.Close()
}
