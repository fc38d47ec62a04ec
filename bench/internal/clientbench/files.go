package clientbench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bench/internal/benchdata"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/gridfs"
)

// files lists the cases that read large data, which want says whether to load.
func files(dir string, n int, want func(name string) bool) ([]operation, error) {
	var list []operation
	if want("gridfs/upload") || want("gridfs/download") || want("parallel/gridfsUpload") || want("parallel/gridfsDownload") {
		large, err := benchdata.Bytes(dir, "single_and_multi_document.tgz", "gridfs_large.bin")
		if err != nil {
			return nil, err
		}
		pieces := make([][]byte, n)
		for i := range pieces {
			pieces[i] = large[i*smallFile:][:smallFile]
		}
		list = append(list, upload("gridfs/upload", large), download("gridfs/download", largeBucket, 1),
			upload("parallel/gridfsUpload", pieces...), download("parallel/gridfsDownload", smallBucket, n))
	}
	if want("parallel/import") {
		lines, err := benchdata.Lines(dir, n)
		if err != nil {
			return nil, err
		}
		list = append(list, importLines(lines))
	}
	return append(list, exportLines(n)), nil
}

// each runs do for n files, as many at a time as there are processors.
func each(n int, do func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = do(i)
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func upload(name string, contents ...[]byte) operation {
	return operation{
		name: name, goroutines: alone, noBare: true,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			bucket, err := gridfs.New(db, gridfs.Options{})
			if err != nil {
				return err
			}
			return each(len(contents), func(i int) error {
				_, err := bucket.Upload(ctx, "file", plainReader{bytes.NewReader(contents[i])})
				return err
			})
		},
		official: func(ctx context.Context, db *official.Database) error {
			bucket := db.GridFSBucket()
			return each(len(contents), func(i int) error {
				_, err := bucket.UploadFromStream(ctx, "file", plainReader{bytes.NewReader(contents[i])})
				return err
			})
		},
	}
}

// plainReader is a file, as far as clients see: it cannot write itself out.
type plainReader struct{ io.Reader }

func download(name string, from bucketKind, n int) operation {
	return operation{
		name: name, goroutines: alone, noBare: true,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			bucket, err := gridfs.New(db, gridfs.Options{Name: from.name})
			if err != nil {
				return err
			}
			return each(n, func(int) error {
				size, err := bucket.Download(ctx, int32(7), &discard{})
				return checkSeen(int(size), from.size, err)
			})
		},
		official: func(ctx context.Context, db *official.Database) error {
			bucket := db.GridFSBucket(options.GridFSBucket().SetName(from.name))
			return each(n, func(int) error {
				size, err := bucket.DownloadToStream(ctx, int32(7), &discard{})
				return checkSeen(int(size), from.size, err)
			})
		},
	}
}

// discard is a writer without the short cuts of io.Discard.
type discard struct{ n int }

func (d *discard) Write(p []byte) (int, error) {
	d.n += len(p)
	return len(p), nil
}

// importLines reads Extended JSON and inserts it, a file at a time in each of the
// goroutines.
func importLines(texts [][]byte) operation {
	parsed := func(insert func([]bson.D) error) error {
		return each(len(texts), func(i int) error {
			docs, err := parseLines(texts[i])
			if err != nil {
				return err
			}
			return insert(docs)
		})
	}
	return operation{
		name: "parallel/import", goroutines: alone, noBare: true,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			return parsed(func(docs []bson.D) error {
				_, err := db.Collection("many").InsertMany(ctx, docs)
				return err
			})
		},
		official: func(ctx context.Context, db *official.Database) error {
			return parsed(func(docs []bson.D) error {
				_, err := db.Collection("many").InsertMany(ctx, docs)
				return err
			})
		},
	}
}

func parseLines(text []byte) ([]bson.D, error) {
	var docs []bson.D
	for line := range bytes.Lines(text) {
		var d bson.D
		if err := bson.UnmarshalExtJSON(line, false, &d); err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, nil
}

const exported = 2 * perBatch // documents of a file

// exportLines finds documents and writes them as Extended JSON.
func exportLines(files int) operation {
	write := func(out *bytes.Buffer, doc bson.Raw) error {
		line, err := bson.MarshalExtJSON(doc, false, false)
		if err != nil {
			return err
		}
		out.Write(line)
		return out.WriteByte('\n')
	}
	collection := fmt.Sprintf("tweets%d", exported)
	return operation{
		name: "parallel/export", goroutines: alone, noBare: true,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			return each(files, func(int) error {
				var out bytes.Buffer
				cur := db.Collection(collection).Find(ctx, nil)
				n := 0
				for ; cur.Next(); n++ {
					if err := write(&out, cur.Current()); err != nil {
						return err
					}
				}
				return checkSeen(n, exported, cur.Err())
			})
		},
		official: func(ctx context.Context, db *official.Database) error {
			return each(files, func(int) error {
				var out bytes.Buffer
				cur, err := db.Collection(collection).Find(ctx, bson.D{})
				if err != nil {
					return err
				}
				defer func() { _ = cur.Close(ctx) }()
				n := 0
				for ; cur.Next(ctx); n++ {
					if err := write(&out, cur.Current); err != nil {
						return err
					}
				}
				return checkSeen(n, exported, cur.Err())
			})
		},
	}
}
