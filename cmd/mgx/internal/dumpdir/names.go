// Package dumpdir is the folder of a dump as mongodump lays it out: a folder for each
// database, and in it for each collection a file of documents, collection.bson, and
// one of what the collection is, collection.metadata.json; with .gz behind the name
// where they are compressed.
package dumpdir

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The endings of the files' names.
const (
	documentsSuffix = ".bson"
	metadataSuffix  = ".metadata.json"
	gzipSuffix      = ".gz"
	// partSuffix is behind the name of a file until it is complete.
	partSuffix = ".part"
)

// bucketsPrefix is what the collection's name has before it that the measurements of
// a time series are in.
const bucketsPrefix = "system.buckets."

// File systems take names of 255 bytes, the longest ending among them.
const (
	maxName   = 238
	cutName   = 208
	hashSplit = "%24"
)

// FileName is the name of a collection's files, without their endings: its characters
// are escaped as in the path of a URL. Where that is too long for a file system, a
// hash stands for its end, and the metadata have the collection's name.
func FileName(collection string) string {
	name := url.PathEscape(collection)
	if len(name) <= maxName {
		return name
	}
	hash := sha1.Sum([]byte(collection))
	return name[:cutName] + hashSplit + base64.RawURLEncoding.EncodeToString(hash[:])
}

// collectionName is what FileName was given.
func collectionName(file string) (string, error) {
	if len(file) == maxName && file[cutName:cutName+len(hashSplit)] == hashSplit {
		return "", fmt.Errorf("the name of the collection was too long for a file, and there is no %s that tells it", metadataSuffix)
	}
	name, err := url.PathUnescape(file)
	if err != nil {
		return "", fmt.Errorf("its name is not escaped as mongodump does it: %w", err)
	}
	return name, nil
}

// Collection is a collection or view in a dump.
type Collection struct {
	Name     string
	Metadata Metadata
	// Documents is the path of the file of its documents; "" if there is none.
	Documents string
	// Size is that of the file, in bytes.
	Size int64
}

// Database is a database in a dump.
type Database struct {
	Name        string // the folder's
	Dir         string
	Collections []Collection
	// Left are files that are not a collection's: the server's own collections, an
	// oplog, or what a dump that was cut off left behind.
	Left []string
}

// ReadDir reads what there is in a folder: a dump with a folder for each database, or
// one such folder.
func ReadDir(dir string) ([]Database, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() && ofCollection(e.Name()) }) {
		db, err := readDatabase(dir, entries)
		return []Database{db}, err
	}
	var list []Database
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sub := filepath.Join(dir, e.Name())
		entries, err := os.ReadDir(sub)
		if err != nil {
			return nil, err
		}
		db, err := readDatabase(sub, entries)
		if err != nil {
			return nil, err
		}
		if len(db.Collections) > 0 || len(db.Left) > 0 {
			list = append(list, db)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no dump: no folder in it has files like collection.bson", dir)
	}
	return list, nil
}

// ofCollection tells whether a file belongs to a collection, as opposed to the dump:
// its oplog, and what mongodump notes on the server.
func ofCollection(file string) bool {
	file = strings.TrimSuffix(file, gzipSuffix)
	return file != "oplog.bson" && (strings.HasSuffix(file, documentsSuffix) || strings.HasSuffix(file, metadataSuffix))
}

func readDatabase(dir string, entries []os.DirEntry) (Database, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Database{}, err
	}
	db := Database{Name: filepath.Base(abs), Dir: dir}
	found := map[string]*Collection{} // by the name of their files
	of := func(file string) *Collection {
		if found[file] == nil {
			found[file] = &Collection{}
		}
		return found[file]
	}
	var order []string
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(dir, e.Name())
		plain := strings.TrimSuffix(name, gzipSuffix)
		if e.IsDir() {
			db.Left = append(db.Left, path)
			continue
		}
		if file, ok := strings.CutSuffix(plain, metadataSuffix); ok {
			c := of(file)
			if c.Metadata, err = readMetadata(path); err != nil {
				return Database{}, err
			}
			c.Metadata.here = true
			order = append(order, file)
			continue
		}
		file, ok := strings.CutSuffix(plain, documentsSuffix)
		if !ok {
			db.Left = append(db.Left, path)
			continue
		}
		if series, ok := strings.CutPrefix(file, bucketsPrefix); ok {
			file = series
		}
		c := of(file)
		if c.Documents != "" {
			return Database{}, fmt.Errorf("%s and %s are of the same collection; remove one of them", c.Documents, path)
		}
		info, err := e.Info()
		if err != nil {
			return Database{}, err
		}
		c.Documents, c.Size = path, info.Size()
		order = append(order, file)
	}
	return db, db.name(found, order)
}

// name gives the collections their names, and puts aside the server's own.
func (db *Database) name(found map[string]*Collection, order []string) error {
	slices.Sort(order)
	for _, file := range slices.Compact(order) {
		c := found[file]
		c.Name = c.Metadata.CollectionName
		if c.Name == "" {
			var err error
			if c.Name, err = collectionName(file); err != nil {
				return fmt.Errorf("%s: %w", filepath.Join(db.Dir, file), err)
			}
		}
		if strings.HasPrefix(c.Name, "$admin.system.") || strings.HasPrefix(c.Name, "system.") && c.Name != "system.js" {
			db.Left = append(db.Left, filepath.Join(db.Dir, file))
			continue
		}
		db.Collections = append(db.Collections, *c)
	}
	return nil
}
