package gridfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// FS returns a view of the bucket as a file system: for each name, its most recent
// revision. Slashes in names make folders. Names that are no valid paths (see
// fs.ValidPath) are not visible. The context bounds all that is done through it.
func (b *Bucket) FS(ctx context.Context) fs.FS { return &fileSystem{ctx: ctx, bucket: b} }

type fileSystem struct {
	ctx    context.Context
	bucket *Bucket
}

var (
	_ fs.ReadDirFS = (*fileSystem)(nil)
	_ fs.StatFS    = (*fileSystem)(nil)
)

// Open opens a file or a folder.
func (f *fileSystem) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if name != "." {
		down, err := f.bucket.OpenDownloadByName(f.ctx, name, -1)
		if err == nil {
			return &openFile{DownloadStream: down}, nil
		}
		if !errors.Is(err, ErrFileNotFound) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	entries, err := f.ReadDir(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.Unwrap(err)}
	}
	return &openDir{info: dirInfo(name), entries: entries}, nil
}

// Stat describes a file or a folder.
func (f *fileSystem) Stat(name string) (fs.FileInfo, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return file.Stat()
}

// ReadDir lists a folder.
func (f *fileSystem) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	prefix := ""
	filter := bson.D{}
	if name != "." {
		prefix = name + "/"
		// All names with the prefix sort between it and itself with the next byte.
		filter = bson.D{{Key: "filename", Value: bson.D{{Key: "$gte", Value: prefix}, {Key: "$lt", Value: name + "0"}}}}
	}
	seen := map[string]fs.DirEntry{}
	for file, err := range mgx.Each[File](f.bucket.files.Find(f.ctx, filter, mgx.Sort("filename", "-uploadDate"))) {
		if err != nil {
			return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
		}
		rest, ok := strings.CutPrefix(file.Filename, prefix)
		if !ok || !fs.ValidPath(file.Filename) {
			continue
		}
		base, _, isDir := strings.Cut(rest, "/")
		if _, known := seen[base]; known {
			continue
		}
		if isDir {
			seen[base] = fs.FileInfoToDirEntry(dirInfo(base))
		} else {
			seen[base] = fs.FileInfoToDirEntry(fileInfo{file})
		}
	}
	if len(seen) == 0 && name != "." {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	entries := make([]fs.DirEntry, 0, len(seen))
	for _, e := range seen {
		entries = append(entries, e)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	return entries, nil
}

type openFile struct{ *DownloadStream }

// Stat describes the file.
func (f *openFile) Stat() (fs.FileInfo, error) { return fileInfo{f.file}, nil }

// fileInfo is a File as fs has it; Sys returns the File.
type fileInfo struct{ file File }

func (i fileInfo) Name() string       { return path.Base(i.file.Filename) }
func (i fileInfo) Size() int64        { return i.file.Length }
func (i fileInfo) Mode() fs.FileMode  { return 0o444 }
func (i fileInfo) ModTime() time.Time { return i.file.UploadDate }
func (i fileInfo) IsDir() bool        { return false }
func (i fileInfo) Sys() any           { return i.file }

// dirInfo is a folder, by its path.
type dirInfo string

func (i dirInfo) Name() string       { return path.Base(string(i)) }
func (i dirInfo) Size() int64        { return 0 }
func (i dirInfo) Mode() fs.FileMode  { return fs.ModeDir | 0o555 }
func (i dirInfo) ModTime() time.Time { return time.Time{} }
func (i dirInfo) IsDir() bool        { return true }
func (i dirInfo) Sys() any           { return nil }

// openDir is an open folder.
type openDir struct {
	info    dirInfo
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: string(d.info), Err: errors.New("is a folder")}
}

// ReadDir returns the next n entries, or all that are left.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		rest := d.entries
		d.entries = nil
		return rest, nil
	}
	if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	out := d.entries[:n]
	d.entries = d.entries[n:]
	return out, nil
}
