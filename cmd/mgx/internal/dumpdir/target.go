package dumpdir

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/transfer"
)

// Target is the folder of a database to dump into. It is a transfer.Target.
type Target struct {
	Dir  string
	Gzip bool
}

// Name implements transfer.Target.
func (t *Target) Name() string { return t.Dir }

// Existing implements transfer.Target. A folder that has files is refused.
func (t *Target) Existing(context.Context) ([]transfer.Collection, error) {
	entries, err := os.ReadDir(t.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s has files already; nothing was dumped; choose another folder with -o, or remove it", t.Dir)
	}
	return nil, nil
}

// Begin implements transfer.Target. What the collection is comes first: documents
// without it would be of little use.
func (t *Target) Begin(_ context.Context, c *transfer.Collection, _ transfer.Conflict, _ *bool) (transfer.Writer, error) {
	text, err := encode(c)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return nil, err
	}
	w := &writer{target: t, collection: c, metadata: text}
	if !c.View() {
		w.file, err = createDocuments(t.Dir, c, t.Gzip)
	}
	return w, err
}

// writer writes the files of a collection.
type writer struct {
	target     *Target
	collection *transfer.Collection
	metadata   []byte
	file       *File // nil: of a view
}

func (w *writer) Write(_ context.Context, docs []bson.Raw) (n transfer.Written, err error) {
	for _, doc := range docs {
		if _, err := w.file.Write(doc); err != nil {
			return n, err
		}
		n.Documents++
		n.Bytes += int64(len(doc))
	}
	return n, nil
}

func (w *writer) Verify(context.Context) error { return nil }

func (w *writer) Indexes(context.Context) (int, error) { return len(w.collection.OwnIndexes()), nil }

func (w *writer) Close(failed error) error {
	if w.file != nil {
		if failed != nil {
			return w.file.Abort()
		}
		if err := w.file.Close(); err != nil {
			return err
		}
	}
	err := writeMetadata(w.target.Dir, w.collection.Name, w.metadata, w.target.Gzip)
	if err != nil && w.file != nil {
		// Documents without their metadata would be restored without their indexes.
		err = errors.Join(err, os.Remove(w.file.Path()))
	}
	return err
}
