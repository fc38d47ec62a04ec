// Package dumpdir is the folder of a dump as mongodump lays it out: a folder for each
// database, and in it for each collection a file of documents, collection.bson, and
// one of what the collection is, collection.metadata.json; with .gz behind the name
// where they are compressed.
package dumpdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/internal/transfer"
)

// Collection is a collection or view in a dump.
type Collection struct {
	Name     string
	Metadata Metadata
	// Documents is the path of the file of its documents; "" if there is none.
	Documents string
	// Size is that of the file, in bytes.
	Size int64
	// Open opens the documents, if they are not in a file of their own; count is told of
	// the bytes that are read.
	Open func(count func(n int)) (*Reader, error)
	// Buckets is set if the documents are those of a time series' buckets.
	Buckets bool
	// Err is why it cannot be restored.
	Err error
}

// Database is a database in a dump. It is a transfer.Source.
type Database struct {
	Name string // the folder's
	Dir  string
	List []Collection
	// Left are files that are not a collection's.
	Left []Left
}

// Left is a file in a dump that is not restored.
type Left struct{ Path, Why string }

// Dump is what there is in a folder.
type Dump struct {
	Databases []Database
	Left      []Left // beside the databases
}

// ReadDir reads what there is in a folder: a dump with a folder for each database, or
// one such folder.
func ReadDir(dir string) (Dump, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Dump{}, err
	}
	if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() && ofCollection(e.Name()) }) {
		db, err := readDatabase(dir, entries)
		return Dump{Databases: []Database{db}}, err
	}
	var dump Dump
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil {
			return Dump{}, err
		}
		if !info.IsDir() {
			dump.Left = appendLeft(dump.Left, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return Dump{}, err
		}
		db, err := readDatabase(path, entries)
		if err != nil {
			return Dump{}, err
		}
		if len(db.List) > 0 || len(db.Left) > 0 {
			dump.Databases = append(dump.Databases, db)
		}
	}
	if len(dump.Databases) == 0 {
		return Dump{}, fmt.Errorf("%s holds no dump: no folder in it has files like collection.bson", dir)
	}
	return dump, nil
}

// ReadFile reads one file of documents, and what is beside it of its collection.
func ReadFile(path string) (Dump, error) {
	if plain := strings.TrimSuffix(path, gzipSuffix); !strings.HasSuffix(plain, documentsSuffix) {
		return Dump{}, fmt.Errorf("%s is no folder of a dump, no archive, and no file of documents like collection%s", path, documentsSuffix)
	}
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Dump{}, err
	}
	db, err := readDatabase(dir, entries)
	if err != nil {
		return Dump{}, err
	}
	db.Left = nil
	db.List = slices.DeleteFunc(db.List, func(c Collection) bool { return filepath.Base(c.Documents) != filepath.Base(path) })
	if len(db.List) == 0 {
		return Dump{}, fmt.Errorf("%s is not of a collection that can be restored", path)
	}
	return Dump{Databases: []Database{db}}, nil
}

const (
	oplogFile = "oplog.bson"
	// preludeFile is where mongodump notes what server it has dumped.
	preludeFile = "prelude.json"
)

// ofCollection reports whether a file belongs to a collection, as opposed to the dump.
func ofCollection(file string) bool {
	file = strings.TrimSuffix(file, gzipSuffix)
	return file != oplogFile && (strings.HasSuffix(file, documentsSuffix) || strings.HasSuffix(file, metadataSuffix))
}

// OplogLeft is why an oplog matters that is left out.
const OplogLeft = "an oplog is not replayed, so what was changed during the dump is there in part"

// appendLeft notes a file that is left out, and why if that matters.
func appendLeft(left []Left, path string) []Left {
	switch strings.TrimSuffix(filepath.Base(path), gzipSuffix) {
	case preludeFile:
		return left
	case oplogFile:
		return append(left, Left{path, OplogLeft})
	}
	return append(left, Left{Path: path})
}

// files are those of a database, by their names without endings.
type files struct {
	dir                 string
	metadata, documents map[string][]string // with endings
}

func readDatabase(dir string, entries []os.DirEntry) (Database, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Database{}, err
	}
	db := Database{Name: filepath.Base(abs), Dir: dir}
	f := files{dir: dir, metadata: map[string][]string{}, documents: map[string][]string{}}
	for _, e := range entries {
		name := e.Name()
		plain := strings.TrimSuffix(name, gzipSuffix)
		if file, ok := strings.CutSuffix(plain, metadataSuffix); ok && !e.IsDir() {
			f.metadata[file] = append(f.metadata[file], name)
		} else if file, ok := strings.CutSuffix(plain, documentsSuffix); ok && !e.IsDir() && plain != oplogFile {
			f.documents[file] = append(f.documents[file], name)
		} else {
			db.Left = appendLeft(db.Left, filepath.Join(dir, name))
		}
	}
	for _, file := range sorted(f.metadata) {
		db.Add(filepath.Join(dir, file), f.withMetadata(file))
	}
	for _, file := range sorted(f.documents) {
		db.Add(filepath.Join(dir, file), f.withoutMetadata(file))
	}
	slices.SortFunc(db.List, func(a, b Collection) int { return strings.Compare(a.Name, b.Name) })
	return db, nil
}

func sorted(m map[string][]string) []string {
	var list []string
	for file := range m {
		list = append(list, file)
	}
	slices.Sort(list)
	return list
}

// Add takes a collection in, which is at a place. The server's own are left out.
func (db *Database) Add(place string, c Collection) {
	if strings.HasPrefix(c.Name, "$admin.system.") || transfer.Internal(c.Name) {
		db.Left = append(db.Left, Left{Path: place})
		return
	}
	db.List = append(db.List, c)
}

// withMetadata is a collection that has metadata.
func (f *files) withMetadata(file string) Collection {
	path, err := f.one(f.metadata, file)
	var c Collection
	if err == nil {
		c.Metadata, err = readMetadata(path)
	}
	c.Metadata.here = true
	c.Err = err
	if c.Name = c.Metadata.CollectionName; c.Name == "" {
		c.setName(file)
	}
	for i, name := range documentsNames(c.Name, file) {
		if f.documents[name] != nil {
			f.setDocuments(&c, name)
			c.Buckets = i > 0
			break
		}
	}
	return c
}

// withoutMetadata is a collection of documents alone.
func (f *files) withoutMetadata(file string) Collection {
	var c Collection
	series, buckets := strings.CutPrefix(file, transfer.BucketsPrefix)
	c.setName(series)
	f.setDocuments(&c, file)
	if c.Buckets = buckets; buckets && c.Err == nil {
		c.Err = fmt.Errorf("%s has the measurements of a time series, but there are no metadata that say which", c.Documents)
	}
	return c
}

func (c *Collection) setName(file string) {
	var err error
	if c.Name, err = collectionName(file); err != nil {
		c.Name = file
		if c.Err == nil {
			c.Err = err
		}
	}
}

func (f *files) setDocuments(c *Collection, file string) {
	path, err := f.one(f.documents, file)
	delete(f.documents, file)
	c.Documents = path
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(path); err == nil {
			c.Size = info.Size()
		}
	}
	if c.Err == nil {
		c.Err = err
	}
}

// one returns the path of the only file of a name, if it is one that can be read to an
// end.
func (f *files) one(m map[string][]string, file string) (string, error) {
	path := filepath.Join(f.dir, m[file][0])
	if len(m[file]) > 1 {
		return path, fmt.Errorf("%s and %s are of the same collection; remove one of them", path, filepath.Join(f.dir, m[file][1]))
	}
	return path, regular(path)
}

// regular sees that a file is one: a pipe might never end.
func regular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if kind := info.Mode().Type(); kind != 0 {
		return fmt.Errorf("%s is no file, but %s", path, kindOf(kind))
	}
	return nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeDir != 0:
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

var errNoDocuments = errors.New("the dump has no file of its documents")
