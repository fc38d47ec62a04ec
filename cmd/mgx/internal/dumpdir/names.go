package dumpdir

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"github.com/mgxdb/mgx/internal/transfer"
)

// The endings of the files' names.
const (
	documentsSuffix = ".bson"
	metadataSuffix  = ".metadata.json"
	gzipSuffix      = ".gz"
	// partSuffix is behind the name of a file until it is complete.
	partSuffix = ".part"
)

// File systems take names of 255 bytes, the longest ending among them.
const (
	maxName   = 238
	cutName   = 208
	hashSplit = "%24"
)

// FileName is the name of a collection's files, without their endings: its characters
// are escaped as in the query of a URL, which is mongodump's way, but for spaces,
// whose plus sign older tools read as one. Where that is too long for a file system,
// a hash stands for its end, and the metadata have the collection's name.
func FileName(collection string) string {
	return cut(strings.ReplaceAll(url.QueryEscape(collection), "+", "%20"), collection)
}

func cut(name, collection string) string {
	if len(name) <= maxName {
		return name
	}
	hash := sha1.Sum([]byte(collection))
	return name[:cutName] + hashSplit + base64.RawURLEncoding.EncodeToString(hash[:])
}

// fileNames are what tools have called the files of a collection.
func fileNames(collection string) []string {
	return []string{
		FileName(collection),
		cut(url.QueryEscape(collection), collection),
		cut(url.PathEscape(collection), collection),
	}
}

// documentsNames are what tools have called the file of a collection's documents,
// given its name and that of its metadata's file.
func documentsNames(collection, file string) []string {
	buckets := transfer.BucketsPrefix + collection
	return append([]string{file, transfer.BucketsPrefix + file}, fileNames(buckets)...)
}

// collectionName is what FileName was given.
func collectionName(file string) (string, error) {
	if len(file) == maxName && file[cutName:cutName+len(hashSplit)] == hashSplit {
		return "", fmt.Errorf("the name of the collection was too long for a file, and there is no %s that tells it", metadataSuffix)
	}
	name, err := url.QueryUnescape(file)
	if err != nil {
		return "", fmt.Errorf("its name is not escaped as mongodump does it: %w", err)
	}
	return name, nil
}
