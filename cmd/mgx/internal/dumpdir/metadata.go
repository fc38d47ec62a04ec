package dumpdir

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Metadata is what a collection is.
type Metadata struct {
	// Options are those of the create command, Indexes as listIndexes describes them.
	Options bson.Raw   `bson:"options,omitempty"`
	Indexes []bson.Raw `bson:"indexes"`
	// UUID is the collection's identifier on its server, in hexadecimal.
	UUID           string `bson:"uuid,omitempty"`
	CollectionName string `bson:"collectionName,omitempty"`
	// Type is "collection", "view" or "timeseries"; dumps of old tools leave it out.
	Type string `bson:"type,omitempty"`

	here bool // there is a file of it
}

// Here tells whether the dump had metadata of the collection. Without, it is made
// with its first document.
func (m *Metadata) Here() bool { return m.here }

// View tells whether the collection is a view.
func (m *Metadata) View() bool {
	on, err := m.Options.LookupErr("viewOn")
	return m.Type == "view" || err == nil && on.Type == bson.TypeString && m.Type == ""
}

// TimeSeries tells whether the collection is a time series.
func (m *Metadata) TimeSeries() bool {
	_, err := m.Options.LookupErr("timeseries")
	return m.Type == "timeseries" || err == nil && m.Type == ""
}

// Write writes the metadata, in canonical Extended JSON as mongodump does.
func (m Metadata) Write(dir string, gz bool) error {
	if m.Indexes == nil {
		m.Indexes = []bson.Raw{}
	}
	text, err := bson.MarshalExtJSON(m, true, false)
	if err != nil {
		return err
	}
	f, err := create(dir, FileName(m.CollectionName)+metadataSuffix, gz)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Close()
}

// maxMetadata is the longest text of metadata that is read: far above what 64
// indexes, of a few KB each, and a validator of 16 MiB take.
const maxMetadata = 128 << 20

func readMetadata(path string) (Metadata, error) {
	f, err := os.Open(path)
	if err != nil {
		return Metadata{}, err
	}
	defer func() { _ = f.Close() }() // only read
	m, err := parseMetadata(f, strings.HasSuffix(path, gzipSuffix))
	if err != nil {
		return Metadata{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parseMetadata(r io.Reader, gz bool) (Metadata, error) {
	if gz {
		z, err := gzip.NewReader(r)
		if err != nil {
			return Metadata{}, err
		}
		r = z
	}
	text, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	switch {
	case err != nil:
		return Metadata{}, err
	case len(text) > maxMetadata:
		return Metadata{}, fmt.Errorf("it is longer than %d bytes", maxMetadata)
	case len(strings.TrimSpace(string(text))) == 0:
		return Metadata{}, errors.New("it is empty; remove it to do without, or dump again")
	case !json.Valid(text):
		// The bson package goes on where JSON is wrong.
		var v any
		return Metadata{}, fmt.Errorf("it is not JSON: %w", json.Unmarshal(text, &v))
	}
	var m Metadata
	if err := bson.UnmarshalExtJSON(text, false, &m); err != nil {
		return Metadata{}, fmt.Errorf("it is not the metadata of a collection: %w", err)
	}
	return m, nil
}
