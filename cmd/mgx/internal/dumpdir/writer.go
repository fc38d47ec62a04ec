package dumpdir

import (
	"bufio"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"

	"github.com/mgxdb/mgx/internal/transfer"
)

// File is a file that gets its name when it is complete, so that what a dump which
// was cut off leaves behind is not taken for the whole.
type File struct {
	path string
	f    *os.File
	b    *bufio.Writer
	z    *gzip.Writer
}

// createDocuments creates the file of a collection's documents.
func createDocuments(dir string, c *transfer.Collection, gz bool) (*File, error) {
	name := c.Name
	if c.Buckets {
		name = transfer.BucketsPrefix + name
	}
	return create(dir, FileName(name)+documentsSuffix, gz)
}

func create(dir, name string, gz bool) (*File, error) {
	if gz {
		name += gzipSuffix
	}
	path := filepath.Join(dir, name)
	// Names may be as long as file systems allow, without an ending more.
	f, err := os.CreateTemp(dir, "*"+partSuffix)
	if err != nil {
		return nil, err
	}
	file := &File{path: path, f: f, b: bufio.NewWriterSize(f, 256<<10)}
	if gz {
		file.z = gzip.NewWriter(file.b)
	}
	return file, nil
}

// Write writes bytes.
func (f *File) Write(p []byte) (int, error) {
	if f.z != nil {
		return f.z.Write(p)
	}
	return f.b.Write(p)
}

// Close completes the file, and puts it in the place of one of its name.
func (f *File) Close() error {
	var err error
	if f.z != nil {
		err = f.z.Close()
	}
	if err = errors.Join(err, f.b.Flush(), f.f.Sync()); err != nil {
		return errors.Join(err, f.Abort())
	}
	if err := f.f.Close(); err != nil {
		return errors.Join(err, os.Remove(f.f.Name()))
	}
	return os.Rename(f.f.Name(), f.path)
}

// Abort removes what there is of the file.
func (f *File) Abort() error {
	return errors.Join(f.f.Close(), os.Remove(f.f.Name()))
}

// Path is where the file is when it is complete.
func (f *File) Path() string { return f.path }
