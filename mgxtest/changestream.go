package mgxtest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// stream is an open change stream: a position in the oplog and what to show.
type stream struct {
	db, coll string // coll is "" for a database, db too for the cluster
	stages   []bson.Raw
	let      bson.Raw
	full     string // fullDocument
	before   string // fullDocumentBeforeChange
	expanded bool
	// at is the entry last looked at, op the position inside it that was
	// last reported.
	at          position
	invalidated bool
	// reported is the resume token of the last reply.
	reported any
}

// position names an event: the operation op of the entry at ts. An op of -1
// is before the first, all is behind the last.
type position struct {
	ts timestamp
	op int
}

const (
	allOps = 1<<31 - 1
	// second marks the event that follows that of the operation itself: an
	// invalidation.
	second = 1 << 16
)

// past tells whether all events of an operation of its entry were reported.
func (p position) past(op int) bool {
	if p.op < second {
		return op < p.op
	}
	return op+second <= p.op
}

// token is the resume token of a position.
func (p position) token() bson.D {
	return doc("_data", fmt.Sprintf("82%08X%08X%08X", p.ts.t, p.ts.i, uint32(p.op)))
}

func parseToken(raw bson.Raw) (position, error) {
	s, _ := raw.Lookup("_data").StringValueOK()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 13 {
		return position{}, failf(50811, "Invalid resume token: %s", raw)
	}
	n := func(i int) uint32 {
		v, _ := strconv.ParseUint(hex.EncodeToString(b[i:i+4]), 16, 32)
		return uint32(v)
	}
	return position{timestamp{n(1), n(5)}, int(int32(n(9)))}, nil
}

// tokenAfter is the token that a batch ends with. While events are left over it
// is that of the last one handed out, or what it was before if there was none:
// who resumes from it must get all that follow.
func (s *stream) tokenAfter(handed bson.A, left []bson.Raw) any {
	switch {
	case len(left) == 0:
		s.reported = s.at.token()
	case len(handed) > 0:
		s.reported = handed[len(handed)-1].(bson.Raw).Lookup("_id")
	}
	return s.reported
}

// openStream opens a change stream.
func (d *mongod) openStream(r *request, p *pipeline) (bson.D, error) {
	if d.set.standalone {
		return nil, failf(40573, "The $changeStream stage is only supported on replica sets")
	}
	if r.inTxn {
		return nil, failf(codeOperationNotSupportedInTxn, "$changeStream cannot be used in a transaction")
	}
	if r.rcLevel != "" && r.rcLevel != "majority" {
		return nil, failf(codeInvalidOptions, "$changeStream cannot run with a readConcern other than 'majority'")
	}
	spec, ok := p.stages[0].Index(0).Value().DocumentOK()
	if !ok {
		return nil, failf(50808, "$changeStream stage expects a document as argument")
	}
	s := &stream{stages: p.stages[1:], let: r.document("let"), at: position{d.log.last().ts, allOps}}
	if !p.whole {
		s.db, s.coll = splitNS(p.ns)
	} else if !asBool(spec.Lookup("allChangesForCluster")) {
		s.db = r.db
	} else if r.db != "admin" {
		return nil, failf(codeInvalidOptions, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database")
	}
	if err := s.configure(d, spec); err != nil {
		return nil, err
	}
	s.reported = s.at.token()
	c := &cursor{ns: p.ns, watch: s, await: true}
	if err := s.refill(d, c); err != nil {
		return nil, err
	}
	return d.openCursor(r, c, r.cursorSize(), false), nil
}

func (s *stream) configure(d *mongod, spec bson.Raw) error {
	elems, _ := spec.Elements()
	resume := 0
	for _, e := range elems {
		v := e.Value()
		switch e.Key() {
		case "fullDocument":
			s.full, _ = v.StringValueOK()
			switch s.full {
			case "default", "updateLookup", "whenAvailable", "required":
			default:
				return failf(codeBadValue, "Enumeration value '%s' for field '$changeStream.fullDocument' is not a valid value.", s.full)
			}
		case "fullDocumentBeforeChange":
			s.before, _ = v.StringValueOK()
		case "showExpandedEvents":
			s.expanded = asBool(v)
		case "resumeAfter", "startAfter":
			resume++
			raw, _ := v.DocumentOK()
			at, err := parseToken(raw)
			if err != nil {
				return err
			}
			if e.Key() == "resumeAfter" && at.op != allOps && at.op >= second {
				return failf(codeInvalidResumeToken, "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.")
			}
			s.at = at
		case "startAtOperationTime":
			resume++
			t, i, ok := v.TimestampOK()
			if !ok {
				return failf(codeTypeMismatch, "BSON field '$changeStream.startAtOperationTime' is the wrong type '%s', expected type 'timestamp'", v.Type)
			}
			s.at = position{timestamp{t, i}, -1}
		case "allChangesForCluster", "showMigrationEvents", "showSystemEvents", "allowToRunOnConfigDB", "allowToRunOnSystemNS":
		default:
			return failf(codeUnknownField, "BSON field '$changeStream.%s' is an unknown field.", e.Key())
		}
	}
	if resume > 1 {
		return failf(50674, "Only one type of resume option is allowed, but multiple were found.")
	}
	if resume > 0 && d.log.trimmedPast(opTime{ts: s.at.ts}) {
		return failf(codeChangeStreamHistoryLost, "Resume of change stream was not possible, as the resume point may no longer be in the oplog.")
	}
	return nil
}

// refill looks at the committed entries after the position.
func (s *stream) refill(d *mongod, c *cursor) error {
	if s.invalidated {
		return nil
	}
	if d.log.trimmedPast(opTime{ts: s.at.ts}) {
		return failf(codeChangeStreamHistoryLost, "Resume of change stream was not possible, as the resume point may no longer be in the oplog.")
	}
	point, _ := d.set.commitPoint(d)
	for _, e := range d.log.entries[d.log.search(s.at.ts):] {
		if point.ts.before(e.ts) || s.invalidated {
			break
		}
		for i, op := range e.ops {
			if e.ts == s.at.ts && s.at.past(i) {
				continue
			}
			for k, ev := range s.events(d, e, op) {
				at := position{e.ts, i + k*second}
				if at == s.at {
					continue
				}
				if err := s.push(c, at, ev); err != nil {
					return err
				}
			}
		}
		s.at = position{e.ts, allOps}
	}
	return nil
}

func (s *stream) push(c *cursor, at position, ev bson.D) error {
	raw, err := bson.Marshal(append(doc("_id", at.token()), ev...))
	if err != nil {
		return err
	}
	docs, err := engine.Aggregate(&engine.Environment{Let: s.let}, rawList(s.stages), [][]byte{raw})
	if err != nil {
		return err
	}
	for _, shown := range docs {
		if id, err := bson.Raw(shown).LookupErr("_id"); err != nil || !id.Equal(bson.Raw(raw).Lookup("_id")) {
			ce := failf(codeChangeStreamFatalError, "Encountered an event whose _id field, which contains the resume token, was modified by the pipeline.")
			ce.labels = []string{"NonResumableChangeStreamError"}
			return ce
		}
		c.batch = append(c.batch, shown)
	}
	return nil
}

func (s *stream) covers(db, coll string) bool {
	switch {
	case s.coll != "":
		return db == s.db && coll == s.coll
	case s.db != "":
		return db == s.db
	}
	return db != "admin" && db != "config" && db != "local"
}

// events returns what the stream shows of one operation.
func (s *stream) events(d *mongod, e *entry, op *engine.Op) []bson.D {
	db, coll := splitNS(op.NS)
	if op.Kind == engine.Noop {
		if op.Name == "dropDatabase" && s.coll == "" && (s.db == op.NS || s.db == "") {
			out := []bson.D{s.head(e, "dropDatabase", doc("db", op.NS))}
			if s.db != "" {
				s.invalidated = true
				out = append(out, s.head(e, "invalidate", nil))
			}
			return out
		}
		return nil
	}
	covered := s.covers(db, coll)
	if op.Kind == engine.Rename && !covered {
		toDB, toColl := splitNS(op.Name)
		covered = s.covers(toDB, toColl)
	}
	if !covered || strings.HasPrefix(coll, "system.") {
		return nil
	}
	ns := doc("db", db, "coll", coll)
	switch op.Kind {
	case engine.Insert, engine.Replace, engine.Delete:
		return []bson.D{s.documentEvent(d, e, op, ns)}
	case engine.Drop, engine.Rename:
		ev := s.head(e, "drop", ns)
		if op.Kind == engine.Rename {
			toDB, toColl := splitNS(op.Name)
			ev = append(s.head(e, "rename", ns), doc("to", doc("db", toDB, "coll", toColl))...)
		}
		if s.expanded {
			ev = append(ev, s.uuid(op)...)
			if op.Kind == engine.Rename {
				toDB, toColl := splitNS(op.Name)
				ev = append(ev, doc("operationDescription", doc("to", doc("db", toDB, "coll", toColl)))...)
			}
		}
		out := []bson.D{ev}
		if s.coll != "" {
			s.invalidated = true
			out = append(out, s.head(e, "invalidate", nil))
		}
		return out
	}
	if s.expanded {
		return s.definitionEvent(e, op, ns)
	}
	return nil
}

func (s *stream) uuid(op *engine.Op) bson.D {
	return doc("collectionUUID", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: op.UUID[:]})
}

func (s *stream) head(e *entry, kind string, ns any) bson.D {
	out := doc("operationType", kind, "clusterTime", e.ts.bson(), "wallTime", bson.NewDateTimeFromTime(e.wall))
	if ns != nil {
		out = append(out, doc("ns", ns)...)
	}
	if e.committed {
		out = append(out, doc("txnNumber", e.txnNumber,
			"lsid", doc("id", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: []byte(e.lsid)}))...)
	}
	return out
}

func (s *stream) documentEvent(d *mongod, e *entry, op *engine.Op, ns bson.D) bson.D {
	key := func(r *engine.Record) bson.D { return doc("documentKey", doc("_id", bson.Raw(r.Raw).Lookup("_id"))) }
	var out bson.D
	switch {
	case op.Kind == engine.Insert:
		out = append(append(s.head(e, "insert", ns), key(op.New)...), doc("fullDocument", bson.Raw(op.New.Raw))...)
	case op.Kind == engine.Delete:
		out = append(s.head(e, "delete", ns), key(op.Old)...)
	case op.Replaced:
		out = append(append(s.head(e, "replace", ns), key(op.New)...), doc("fullDocument", bson.Raw(op.New.Raw))...)
	default:
		out = append(append(s.head(e, "update", ns), key(op.New)...), doc("updateDescription", describeUpdate(op, s.expanded))...)
		switch s.full {
		case "updateLookup":
			var now any
			if c := d.store.Collection(op.NS); c != nil {
				if r := c.Get(op.New.Key); r != nil {
					now = bson.Raw(r.Raw)
				}
			}
			out = append(out, doc("fullDocument", now)...)
		case "whenAvailable", "required":
			out = append(out, doc("fullDocument", bson.Raw(op.New.Raw))...)
		}
	}
	if op.Old != nil && (s.before == "whenAvailable" || s.before == "required") {
		out = append(out, doc("fullDocumentBeforeChange", bson.Raw(op.Old.Raw))...)
	}
	if s.expanded {
		out = append(out, s.uuid(op)...)
	}
	return out
}

func (s *stream) definitionEvent(e *entry, op *engine.Op, ns bson.D) []bson.D {
	kind := map[engine.Kind]string{engine.Create: "create", engine.Modify: "modify",
		engine.CreateIndex: "createIndexes", engine.DropIndex: "dropIndexes"}[op.Kind]
	out := append(s.head(e, kind, ns), s.uuid(op)...)
	switch {
	case op.Index != nil:
		out = append(out, doc("operationDescription", doc("indexes", bson.A{bson.Raw(op.Index.Spec)}))...)
	case op.Def != nil:
		options := bson.Raw(op.Def.Options)
		if len(options) == 0 {
			options, _ = bson.Marshal(bson.D{})
		}
		out = append(out, doc("operationDescription", options)...)
		if op.Kind == engine.Create {
			collType := "collection"
			switch {
			case op.Def.View != nil:
				collType = "view"
			case op.Def.TimeSeries:
				collType = "timeseries"
			}
			out = append(out, doc("nsType", collType)...)
		}
	}
	return []bson.D{out}
}

// describeUpdate compares two versions of a document.
func describeUpdate(op *engine.Op, expanded bool) bson.D {
	updated, removed, truncated, paths := bson.D{}, bson.A{}, bson.A{}, bson.D{}
	compareDocs("", bson.Raw(op.Old.Raw), bson.Raw(op.New.Raw), &updated, &removed, &truncated, &paths)
	out := doc("updatedFields", updated, "removedFields", removed, "truncatedArrays", truncated)
	if expanded {
		out = append(out, doc("disambiguatedPaths", paths)...)
	}
	return out
}

func compareDocs(prefix string, old, new bson.Raw, updated *bson.D, removed, truncated *bson.A, paths *bson.D) {
	elems, _ := old.Elements()
	for _, e := range elems {
		if _, err := new.LookupErr(e.Key()); err != nil {
			*removed = append(*removed, prefix+e.Key())
		}
	}
	elems, _ = new.Elements()
	for _, e := range elems {
		path := prefix + e.Key()
		was, err := old.LookupErr(e.Key())
		is := e.Value()
		switch {
		case err != nil:
			*updated = append(*updated, bson.E{Key: path, Value: is})
		case was.Equal(is):
			continue
		case was.Type == bson.TypeEmbeddedDocument && is.Type == bson.TypeEmbeddedDocument:
			compareDocs(path+".", was.Document(), is.Document(), updated, removed, truncated, paths)
			continue
		case was.Type == bson.TypeArray && is.Type == bson.TypeArray && appended(was.Array(), is.Array(), path, updated, truncated):
		default:
			*updated = append(*updated, bson.E{Key: path, Value: is})
		}
		if strings.Contains(path, ".") && err != nil {
			ambiguous(path, paths)
		}
	}
}

// ambiguous notes a path with numeric parts that could be array positions.
func ambiguous(path string, paths *bson.D) {
	parts := strings.Split(path, ".")
	list := bson.A{}
	numeric := false
	for _, p := range parts {
		if _, err := strconv.Atoi(p); err == nil {
			numeric = true
		}
		list = append(list, p)
	}
	if numeric {
		*paths = append(*paths, bson.E{Key: path, Value: list})
	}
}

// appended describes an array that only grew at its end or lost its tail.
func appended(old, new bson.RawArray, path string, updated *bson.D, truncated *bson.A) bool {
	was, err1 := old.Values()
	is, err2 := new.Values()
	if err1 != nil || err2 != nil || len(is) == len(was) && len(is) > 0 && !was[0].Equal(is[0]) && len(is) == 1 {
		return false
	}
	changed := bson.D{}
	for i := range min(len(was), len(is)) {
		if !was[i].Equal(is[i]) {
			changed = append(changed, bson.E{Key: path + "." + strconv.Itoa(i), Value: is[i]})
		}
	}
	for i := len(was); i < len(is); i++ {
		changed = append(changed, bson.E{Key: path + "." + strconv.Itoa(i), Value: is[i]})
	}
	if len(is) < len(was) {
		*truncated = append(*truncated, doc("field", path, "newSize", int32(len(is))))
	}
	*updated = append(*updated, changed...)
	return true
}
