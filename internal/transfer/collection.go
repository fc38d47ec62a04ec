package transfer

import (
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Collection is a collection or view as listCollections describes it.
type Collection struct {
	Name    string   `bson:"name"`
	Type    string   `bson:"type"`
	Options bson.Raw `bson:"options"`
	Info    struct {
		UUID bson.Binary `bson:"uuid"`
	} `bson:"info"`

	// Indexes are its indexes as listIndexes describes them, when Source.Describe has
	// been called.
	Indexes []bson.Raw `bson:"-"`
	// Buckets is set if its documents are those of a time series' buckets, not the
	// measurements.
	Buckets bool `bson:"-"`
}

// View reports whether it is a view.
func (c *Collection) View() bool { return c.Type == "view" }

// TimeSeries reports whether it is a time series collection.
func (c *Collection) TimeSeries() bool { return c.Type == "timeseries" }

// viewOn is the collection or view that a view is on.
func (c *Collection) viewOn() string { return stringOf(c.Options, "viewOn") }

// Validated reports whether the collection has a validator.
func (c *Collection) Validated() bool {
	_, ok := bsonwire.Lookup(c.Options, "validator")
	return ok
}

func stringOf(doc bson.Raw, key string) string {
	v, _ := bsonwire.Lookup(doc, key)
	s, _ := v.AsString()
	return s
}

// BucketsPrefix is what the collection's name has before it that the measurements of
// a time series are in.
const BucketsPrefix = "system.buckets."

// Internal reports whether a collection of this name is the server's own: views are
// in system.views, measurements of time series in system.buckets. Stored functions,
// in system.js, are their users'.
func Internal(name string) bool {
	return strings.HasPrefix(name, "system.") && name != "system.js"
}

// createIgnored are options that servers told of in the past, and that a create
// command does not take any more.
var createIgnored = []string{"create", "autoIndexId", "temp", "uuid"}

// AppendCreate appends the fields of a create command for the collection.
func (c *Collection) AppendCreate(dst []byte) []byte {
	dst = bsonwire.AppendString(dst, "create", c.Name)
	for r := bsonwire.NewReader(c.Options); r.Next(); {
		if key := string(r.Key()); !slices.Contains(createIgnored, key) {
			dst = bsonwire.AppendValue(dst, key, r.Value())
		}
	}
	return dst
}
