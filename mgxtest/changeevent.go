package mgxtest

import (
	"crypto/sha256"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func (s *stream) covers(ns string) bool {
	db, coll := splitNS(ns)
	switch {
	case s.coll != "":
		return db == s.db && coll == s.coll
	case s.db != "":
		return db == s.db
	}
	return db != "admin" && db != "config" && db != "local"
}

// events returns what the stream shows of one operation.
func (s *stream) events(d *mongod, e *entry, op *engine.Op) ([]bson.D, error) {
	_, coll := splitNS(op.NS)
	if op.Kind == engine.Noop {
		return s.noteEvents(e, op), nil
	}
	if !s.covers(op.NS) && (op.Kind != engine.Rename || !s.covers(op.Name)) || strings.HasPrefix(coll, "system.") {
		return nil, nil
	}
	switch op.Kind {
	case engine.Insert, engine.Replace, engine.Delete:
		ev, err := s.documentEvent(d, e, op)
		return []bson.D{ev}, err
	case engine.Drop:
		ev := s.head(e, "drop", op.NS)
		if s.expanded {
			ev = append(ev, s.uuid(op)...)
		}
		return s.invalidating(e, ev), nil
	case engine.Rename:
		return s.invalidating(e, s.renameEvent(e, op)), nil
	}
	if s.expanded {
		return []bson.D{s.definitionEvent(e, op)}, nil
	}
	return nil, nil
}

// noteEvents are the events of notes in the oplog.
func (s *stream) noteEvents(e *entry, op *engine.Op) []bson.D {
	if op.Name != "dropDatabase" || s.coll != "" || s.db != op.NS && s.db != "" {
		return nil
	}
	ev := append(s.head(e, "dropDatabase", ""), doc("ns", doc("db", op.NS))...)
	if s.db == "" {
		return []bson.D{ev}
	}
	s.invalidated = true
	return []bson.D{ev, s.head(e, "invalidate", "")}
}

// invalidating adds to an event that a stream on one collection ends with it.
func (s *stream) invalidating(e *entry, ev bson.D) []bson.D {
	if s.coll == "" {
		return []bson.D{ev}
	}
	s.invalidated = true
	return []bson.D{ev, s.head(e, "invalidate", "")}
}

func (s *stream) renameEvent(e *entry, op *engine.Op) bson.D {
	ev := append(s.head(e, "rename", op.NS), doc("to", namespace(op.Name))...)
	if !s.expanded {
		return ev
	}
	what := doc("to", namespace(op.Name))
	if op.Dropped != nil {
		what = append(what, doc("dropTarget", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: op.Target[:]})...)
	}
	return append(append(ev, s.uuid(op)...), doc("operationDescription", what)...)
}

func namespace(ns string) bson.D {
	db, coll := splitNS(ns)
	return doc("db", db, "coll", coll)
}

func (s *stream) uuid(op *engine.Op) bson.D {
	return doc("collectionUUID", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: op.UUID[:]})
}

// head begins an event. ns may be empty.
func (s *stream) head(e *entry, kind, ns string) bson.D {
	out := doc("operationType", kind, "clusterTime", e.ts.bson(), "wallTime", bson.NewDateTimeFromTime(e.wall))
	if ns != "" {
		out = append(out, doc("ns", namespace(ns))...)
	}
	if e.committed {
		user := sha256.Sum256([]byte(e.user))
		out = append(out, doc("txnNumber", e.txnNumber, "lsid", doc(
			"id", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: []byte(e.lsid)}, "uid", bson.Binary{Data: user[:]}))...)
	}
	return out
}

func (s *stream) documentEvent(d *mongod, e *entry, op *engine.Op) (bson.D, error) {
	key := func(r *engine.Record) bson.D { return doc("documentKey", doc("_id", bson.Raw(r.Raw).Lookup("_id"))) }
	var out bson.D
	switch op.Kind {
	case engine.Insert:
		out = append(append(s.head(e, "insert", op.NS), key(op.New)...), doc("fullDocument", bson.Raw(op.New.Raw))...)
	case engine.Delete:
		out = append(s.head(e, "delete", op.NS), key(op.Old)...)
	default:
		change, err := op.Describe()
		if err != nil {
			return nil, err
		}
		if change == nil {
			out = append(append(s.head(e, "replace", op.NS), key(op.New)...), doc("fullDocument", bson.Raw(op.New.Raw))...)
			break
		}
		out = append(append(s.head(e, "update", op.NS), key(op.New)...), doc("updateDescription", s.describe(change))...)
		after, err := s.afterImage(d, e, op)
		if err != nil {
			return nil, err
		}
		out = append(out, after...)
	}
	if op.Old != nil && (s.before == "whenAvailable" || s.before == "required") {
		image, err := s.image(op, op.Old, s.before, "pre-image")
		if err != nil {
			return nil, err
		}
		out = append(out, doc("fullDocumentBeforeChange", image)...)
	}
	if s.expanded {
		out = append(out, s.uuid(op)...)
	}
	return out, nil
}

// afterImage is the document of an update event, as the stream wants it.
func (s *stream) afterImage(d *mongod, e *entry, op *engine.Op) (bson.D, error) {
	switch s.full {
	case "updateLookup":
		view, err := d.committedStore()
		if err != nil {
			return nil, err
		}
		var now any
		if c := view.Collection(op.NS); c != nil && c.UUID == op.UUID {
			if r := c.Get(op.New.Key); r != nil {
				now = bson.Raw(r.Raw)
			}
		}
		return doc("fullDocument", now), nil
	case "whenAvailable", "required":
		image, err := s.image(op, op.New, s.full, "post-image")
		return doc("fullDocument", image), err
	}
	return nil, nil
}

// image is a document as it was or became, where the collection kept it.
func (s *stream) image(op *engine.Op, r *engine.Record, mode, what string) (any, error) {
	switch {
	case op.Images:
		return bson.Raw(r.Raw), nil
	case mode == "required":
		return nil, failf(codeNoMatchingDocument, "Change stream was configured to require a %s for all update, delete and replace events, but the %s was not found for event on %s", what, what, op.NS)
	}
	return nil, nil
}

func (s *stream) describe(c *engine.Description) bson.D {
	truncated := bson.A{}
	for _, t := range c.Truncated {
		truncated = append(truncated, doc("field", t.Field, "newSize", t.Size))
	}
	out := doc("updatedFields", bson.Raw(c.Updated), "removedFields", c.Removed, "truncatedArrays", truncated)
	if s.expanded {
		out = append(out, doc("disambiguatedPaths", bson.Raw(c.Paths))...)
	}
	return out
}

func (s *stream) definitionEvent(e *entry, op *engine.Op) bson.D {
	kind := map[engine.Kind]string{engine.Create: "create", engine.Modify: "modify", engine.ModifyIndex: "modify",
		engine.CreateIndex: "createIndexes", engine.DropIndex: "dropIndexes", engine.ShardCollection: "shardCollection"}[op.Kind]
	out := append(s.head(e, kind, op.NS), s.uuid(op)...)
	switch op.Kind {
	case engine.CreateIndex, engine.DropIndex:
		return append(out, doc("operationDescription", doc("indexes", bson.A{bson.Raw(op.Index.Spec)}))...)
	case engine.ModifyIndex:
		return append(out, doc("operationDescription", bson.Raw(op.Change), "stateBeforeChange", doc("indexOptions", bson.Raw(op.IndexBefore.Spec)))...)
	case engine.ShardCollection:
		return append(out, doc("operationDescription", bson.Raw(op.Change))...)
	case engine.Modify:
		return append(out, doc("operationDescription", orEmpty(op.Change),
			"stateBeforeChange", doc("collectionOptions", orEmpty(op.Before.Options)))...)
	}
	collType := "collection"
	switch {
	case op.Def.View != nil:
		collType = "view"
	case op.Def.TimeSeries:
		collType = "timeseries"
	}
	return append(out, doc("operationDescription", orEmpty(op.Def.Options), "nsType", collType)...)
}

// orEmpty is a document that may be nil.
func orEmpty(raw []byte) bson.Raw {
	if len(raw) == 0 {
		return bson.Raw{5, 0, 0, 0, 0}
	}
	return raw
}
