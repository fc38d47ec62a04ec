package mgx

import (
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// collectionSettings are the options of CreateCollection alone.
type collectionSettings struct {
	capped                            bool
	size, max                         int64
	validator, storageEngine          any
	validationLevel, validationAction string
	indexDefaults, pipeline           any
	viewOn                            string
	timeSeries                        *TimeSeries
	expireAfter                       *time.Duration
	clustered, preImages              any
	encryptedFields                   any
}

// creation returns the options of CreateCollection alone, to be changed.
func (s *callOptions) creation() *collectionSettings {
	if s.collection == nil {
		s.collection = &collectionSettings{}
	}
	return s.collection
}

// Capped makes a collection of fixed size, in bytes: new documents displace the
// oldest. maxDocuments also bounds their number; 0 does not.
func Capped(size, maxDocuments int64) CreateCollectionOption {
	return option(func(s *callOptions) {
		c := s.creation()
		c.capped, c.size, c.max = true, size, maxDocuments
	})
}

// Validator refuses (or warns of) documents that do not match the expression.
// level is "strict", "moderate" or "off", action "error" or "warn"; "" is the
// server's default.
func Validator(expression any, level, action string) CreateCollectionOption {
	return option(func(s *callOptions) {
		c := s.creation()
		c.validator, c.validationLevel, c.validationAction = expression, level, action
	})
}

// View makes a read-only view of another collection, through a pipeline.
func View(on string, pipeline any) CreateCollectionOption {
	return option(func(s *callOptions) {
		c := s.creation()
		c.viewOn, c.pipeline = on, pipeline
	})
}

// TimeSeries describes a time series collection: see the server manual's page of
// that name.
type TimeSeries struct {
	// TimeField holds the time of each measurement. It is required.
	TimeField string
	// MetaField identifies a series; "" for none.
	MetaField string
	// Granularity is "seconds", "minutes" or "hours"; "" is the server's default.
	Granularity string
	// BucketMaxSpan and BucketRounding are set together, instead of Granularity, in
	// whole seconds; a part of one counts as one.
	BucketMaxSpan, BucketRounding time.Duration
}

// WithTimeSeries makes a time series collection.
func WithTimeSeries(ts TimeSeries) CreateCollectionOption {
	return option(func(s *callOptions) { s.creation().timeSeries = &ts })
}

// ExpireAfter removes documents of a time series or clustered collection after d, in
// whole seconds; a part of one counts as one.
func ExpireAfter(d time.Duration) CreateCollectionOption {
	return option(func(s *callOptions) { s.creation().expireAfter = &d })
}

// Clustered stores the documents in the order of a clustered index, given as the
// server manual's "Clustered Collections" has it.
func Clustered(index any) CreateCollectionOption {
	return option(func(s *callOptions) { s.creation().clustered = index })
}

// PreAndPostImages keeps (or does not keep) documents as they were before and
// after changes, for change streams.
func PreAndPostImages(keep bool) CreateCollectionOption {
	return option(func(s *callOptions) { s.creation().preImages = bson.D{{Key: "enabled", Value: keep}} })
}

// IndexDefaults sets the storage engine's defaults for the collection's indexes.
func IndexDefaults(document any) CreateCollectionOption {
	return option(func(s *callOptions) { s.creation().indexDefaults = document })
}

// StorageEngine passes options to the server's storage engine.
func StorageEngine(document any) CreateCollectionOption {
	return option(func(s *callOptions) { s.creation().storageEngine = document })
}

func (c *collectionSettings) append(dst []byte) ([]byte, error) {
	if c.capped {
		dst = bsonwire.AppendBoolean(dst, "capped", true)
		dst = bsonwire.AppendInt64(dst, "size", c.size)
		if c.max > 0 {
			dst = bsonwire.AppendInt64(dst, "max", c.max)
		}
	}
	dst = appendNonEmpty(dst, "validationLevel", c.validationLevel)
	dst = appendNonEmpty(dst, "validationAction", c.validationAction)
	if c.timeSeries != nil {
		dst = c.timeSeries.append(dst)
	}
	if c.expireAfter != nil {
		dst = appendSeconds(dst, "expireAfterSeconds", *c.expireAfter)
	}
	var err error
	if c.viewOn != "" {
		dst = bsonwire.AppendString(dst, "viewOn", c.viewOn)
		if dst, err = appendPipeline(dst, "pipeline", c.pipeline); err != nil {
			return dst, err
		}
	}
	return appendAll(dst,
		field{"validator", c.validator}, field{"indexOptionDefaults", c.indexDefaults},
		field{"storageEngine", c.storageEngine}, field{"clusteredIndex", c.clustered},
		field{"changeStreamPreAndPostImages", c.preImages})
}

func (t *TimeSeries) append(dst []byte) []byte {
	dst, at := bsonwire.BeginDocument(dst, "timeseries")
	dst = bsonwire.AppendString(dst, "timeField", t.TimeField)
	dst = appendNonEmpty(dst, "metaField", t.MetaField)
	dst = appendNonEmpty(dst, "granularity", t.Granularity)
	if t.BucketMaxSpan > 0 {
		dst = appendSeconds(dst, "bucketMaxSpanSeconds", t.BucketMaxSpan)
	}
	if t.BucketRounding > 0 {
		dst = appendSeconds(dst, "bucketRoundingSeconds", t.BucketRounding)
	}
	return bsonwire.End(dst, at)
}

// field is an element to append unless its value is nil.
type field struct {
	key   string
	value any
}

func appendAll(dst []byte, fields ...field) ([]byte, error) {
	var err error
	for _, f := range fields {
		if dst, err = appendOptional(dst, f.key, f.value); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendSeconds appends a duration in seconds, rounded up: a short one is not none.
func appendSeconds(dst []byte, key string, d time.Duration) []byte {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return bsonwire.AppendInt64(dst, key, seconds)
}

func appendNonEmpty(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return bsonwire.AppendString(dst, key, value)
}

func appendTrue(dst []byte, key string, set bool) []byte {
	if !set {
		return dst
	}
	return bsonwire.AppendBoolean(dst, key, true)
}

func appendBool(dst []byte, key string, v *bool) []byte {
	if v == nil {
		return dst
	}
	return bsonwire.AppendBoolean(dst, key, *v)
}
