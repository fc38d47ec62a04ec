package gridfs_test

import (
	"context"
	"io/fs"
	"os"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/gridfs"
)

// Upload a file, copy it out again, and look at all files as a file system. It
// needs a server, and so is only compiled.
func Example() {
	ctx := context.Background()
	client, err := mgx.Connect(ctx, "mongodb://localhost:27017/shop")
	if err != nil {
		panic(err)
	}
	defer client.Close(ctx)
	bucket, err := gridfs.New(client.Database("shop"), gridfs.Options{})
	if err != nil {
		panic(err)
	}

	in, err := os.Open("invoice.pdf")
	if err != nil {
		panic(err)
	}
	defer in.Close()
	id, err := bucket.Upload(ctx, "invoices/2026-07.pdf", in)
	if err != nil {
		panic(err)
	}
	if _, err := bucket.Download(ctx, id, os.Stdout); err != nil {
		panic(err)
	}
	names, err := fs.Glob(bucket.FS(ctx), "invoices/*.pdf")
	if err != nil {
		panic(err)
	}
	println(len(names))
}
