// Package benchdata reads the standard driver-benchmark documents from the
// archives that MongoDB's specifications publish.
//
// The archives are not part of this repository. They are looked for in the
// folder that the environment variable MGX_BENCHDATA names, else in
// ../shared/benchmarking beside the folder that holds go.work.
package benchdata

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Document is one of the documents, by the name that the benchmarks have for it.
type Document struct {
	Name    string
	archive string
	file    string
}

// Documents lists what [Load] knows.
var Documents = []Document{
	{"flat", "extended_bson.tgz", "flat_bson.json"},
	{"deep", "extended_bson.tgz", "deep_bson.json"},
	{"full", "extended_bson.tgz", "full_bson.json"},
	{"tweet", "single_and_multi_document.tgz", "tweet.json"},
	{"small", "single_and_multi_document.tgz", "small_doc.json"},
	{"large", "single_and_multi_document.tgz", "large_doc.json"},
}

// ErrNoData is returned where the archives are not found.
var ErrNoData = errors.New("no benchmark data: set MGX_BENCHDATA to the folder that holds extended_bson.tgz and single_and_multi_document.tgz " +
	"(from github.com/mongodb/specifications, source/benchmarking/data)")

// Dir returns the folder that holds the archives.
func Dir() (string, error) {
	dir := os.Getenv("MGX_BENCHDATA")
	if dir == "" {
		root, err := workspace()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(filepath.Dir(root), "shared", "benchmarking")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%w; there is no folder %s", ErrNoData, dir)
	}
	return dir, nil
}

// workspace returns the folder with the go.work file that the current one is in.
func workspace() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", ErrNoData
		}
		dir = parent
	}
}

// Load returns the documents of the given names, or all of them, as BSON.
func Load(dir string, names ...string) (map[string]bson.Raw, error) {
	wanted := map[string]map[string]string{} // archive, file, name
	for _, d := range Documents {
		if len(names) > 0 && !contains(names, d.Name) {
			continue
		}
		if wanted[d.archive] == nil {
			wanted[d.archive] = map[string]string{}
		}
		wanted[d.archive][d.file] = d.Name
	}
	out := map[string]bson.Raw{}
	for archive, files := range wanted {
		if err := readArchive(filepath.Join(dir, archive), files, out); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if out[name] == nil {
			return nil, fmt.Errorf("no benchmark document is called %q", name)
		}
	}
	return out, nil
}

// Bytes returns a file of an archive as it is, such as gridfs_large.bin.
func Bytes(dir, archive, file string) ([]byte, error) {
	var content []byte
	err := eachFile(filepath.Join(dir, archive), func(name string, r io.Reader) (more bool, err error) {
		if path.Base(name) != file {
			return true, nil
		}
		content, err = io.ReadAll(r)
		return false, err
	})
	if err == nil && content == nil {
		err = fmt.Errorf("%s holds no %s", archive, file)
	}
	return content, err
}

// Lines returns the first n files of parallel.tgz that have a document in each line.
func Lines(dir string, n int) ([][]byte, error) {
	var files [][]byte
	err := eachFile(filepath.Join(dir, "parallel.tgz"), func(name string, r io.Reader) (more bool, err error) {
		if path.Base(path.Dir(name)) != "ldjson_multi" {
			return true, nil
		}
		text, err := io.ReadAll(r)
		files = append(files, text)
		return len(files) < n, err
	})
	if err == nil && len(files) < n {
		err = fmt.Errorf("parallel.tgz holds %d files with documents, not %d", len(files), n)
	}
	return files, err
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// largest is more than any document of the archives has.
const largest = 16 << 20

func readArchive(name string, files map[string]string, out map[string]bson.Raw) error {
	found := 0
	err := eachFile(name, func(file string, r io.Reader) (more bool, err error) {
		document, ok := files[path.Base(file)]
		if !ok {
			return true, nil
		}
		found++
		text, err := io.ReadAll(io.LimitReader(r, largest))
		if err != nil {
			return false, err
		}
		out[document], err = parse(text)
		return found < len(files), err
	})
	if err == nil && found < len(files) {
		err = fmt.Errorf("%s does not hold all of %v", name, files)
	}
	return err
}

// eachFile hands over the files of an archive, until use wants no more.
func eachFile(name string, use func(name string, r io.Reader) (more bool, err error)) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w; there is no %s", ErrNoData, name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		more, err := use(header.Name, archive)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, header.Name, err)
		}
		if !more {
			return nil
		}
	}
}

// parse reads Extended JSON in the order that it is in.
func parse(text []byte) (bson.Raw, error) {
	var d bson.D
	if err := bson.UnmarshalExtJSON(text, false, &d); err != nil {
		return nil, err
	}
	return bson.Marshal(d)
}
