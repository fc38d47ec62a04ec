package dumpdir

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/extjson"
	"github.com/mgxdb/mgx/internal/transfer"
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

// Here reports whether the dump had metadata of the collection. Without, it is made
// with its first document.
func (m *Metadata) Here() bool { return m.here }

// View reports whether the collection is a view.
func (m *Metadata) View() bool {
	on, err := m.Options.LookupErr("viewOn")
	return m.Type == "view" || err == nil && on.Type == bson.TypeString && m.Type == ""
}

// TimeSeries reports whether the collection is a time series.
func (m *Metadata) TimeSeries() bool {
	_, err := m.Options.LookupErr("timeseries")
	return m.Type == "timeseries" || err == nil && m.Type == ""
}

// Collection is the collection that the metadata are of.
func (m *Metadata) Collection(name string) transfer.Collection {
	c := transfer.Collection{Name: name, Options: m.Options, Indexes: m.Indexes}
	switch {
	case m.View():
		c.Type = "view"
	case m.TimeSeries():
		c.Type = "timeseries"
	}
	return c
}

// encode returns the metadata of a collection, in canonical Extended JSON as mongodump
// does. It sees that they read back.
func encode(c *transfer.Collection) ([]byte, error) {
	m := Metadata{Options: c.Options, Indexes: c.Indexes, Type: c.Type, CollectionName: c.Name}
	if id := c.Info.UUID.Data; len(id) > 0 {
		m.UUID = hex.EncodeToString(id)
	}
	if m.Indexes == nil {
		m.Indexes = []bson.Raw{}
	}
	raw, err := bson.Marshal(m)
	if err != nil {
		return nil, err
	}
	text, err := extjson.Marshal(raw, true)
	if err != nil {
		return nil, fmt.Errorf("its options and indexes cannot be written as Extended JSON: %w", err)
	}
	back, err := parseMetadata(bytes.NewReader(text), false)
	if err != nil {
		return nil, fmt.Errorf("its options and indexes would not read back from Extended JSON: %w", err)
	}
	if !m.equal(&back) {
		return nil, errors.New("its options or indexes have text that is not UTF-8, or something else that Extended JSON cannot keep, so they would not read back; nothing of it was dumped")
	}
	return text, nil
}

func (m *Metadata) equal(o *Metadata) bool {
	return bytes.Equal(m.Options, o.Options) && m.CollectionName == o.CollectionName && m.Type == o.Type &&
		slices.EqualFunc(m.Indexes, o.Indexes, func(a, b bson.Raw) bool { return bytes.Equal(a, b) })
}

func writeMetadata(dir, collection string, text []byte, gz bool) error {
	f, err := create(dir, FileName(collection)+metadataSuffix, gz)
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

// ParseMetadata reads metadata.
func ParseMetadata(r io.Reader) (Metadata, error) {
	m, err := parseMetadata(r, false)
	m.here = true
	return m, err
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
