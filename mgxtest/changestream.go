package mgxtest

import (
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
	splits   bool // ends in $changeStreamSplitLargeEvent
	// at is the event last looked at.
	at          position
	invalidated bool
	// resumed is the event that the stream has to find first, as who resumes says that
	// it got it from such a stream.
	resumed *position
	// reported is the resume token of the last reply.
	reported any
}

// streamStages are the stages that may follow $changeStream (manual: Modify Change
// Stream Output).
var streamStages = map[string]bool{
	"$match": true, "$project": true, "$addFields": true, "$set": true, "$unset": true, "$replaceRoot": true,
	"$replaceWith": true, "$redact": true, "$changeStreamSplitLargeEvent": true,
}

// openStream opens a change stream.
func (d *mongod) openStream(r *request, p *pipeline) (bson.D, error) {
	if d.set.standalone {
		return nil, failf(40573, "The $changeStream stage is only supported on replica sets")
	}
	if r.rcLevel != "" && r.rcLevel != "majority" {
		return nil, failf(codeInvalidOptions, "$changeStream cannot run with a readConcern other than 'majority', or in a multi-document transaction. Current readConcern: { level: \"%s\" }", r.rcLevel)
	}
	spec, ok := p.stages[0].Index(0).Value().DocumentOK()
	if !ok {
		return nil, failf(50808, "$changeStream stage expects a document as argument")
	}
	s := &stream{let: r.document("let"), at: position{ts: d.log.last().ts, op: allOps}}
	if err := s.aim(d, r, p, asBool(spec.Lookup("allChangesForCluster"))); err != nil {
		return nil, err
	}
	if err := s.takeStages(p); err != nil {
		return nil, err
	}
	if err := s.configure(d, spec); err != nil {
		return nil, err
	}
	s.reported = s.at.token()
	if s.resumed != nil {
		s.reported = s.resumed.token()
	}
	c := &cursor{ns: p.ns, watch: s, await: true}
	size := r.cursorSize()
	if size != 0 {
		if err := s.refill(d, c); err != nil {
			return nil, err
		}
	}
	return d.openCursor(r, c, size, false), nil
}

// aim sets what the stream is about, and refuses what cannot be watched
// (jstests/change_streams/invalid_namespaces.js, ban_from_views.js).
func (s *stream) aim(d *mongod, r *request, p *pipeline, cluster bool) error {
	internal := r.db == "admin" || r.db == "config" || r.db == "local"
	switch {
	case cluster && (!p.whole || r.db != "admin"):
		return failf(codeInvalidOptions, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database, and with no collection name; found %s", p.ns)
	case cluster:
		return nil
	case p.whole && internal:
		return failf(codeInvalidNamespace, "$changeStream may not be opened on the internal %s database", r.db)
	case p.whole:
		s.db = r.db
		return nil
	}
	s.db, s.coll = splitNS(p.ns)
	if internal || strings.HasPrefix(s.coll, "system.") {
		return failf(codeInvalidNamespace, "$changeStream may not be opened on the internal %s collection", p.ns)
	}
	if c := d.store.Collection(p.ns); c != nil && c.View != nil {
		return failf(166, "Namespace %s is a view, not a collection", p.ns)
	}
	if c := d.store.Collection(p.ns); c != nil && c.TimeSeries {
		return failf(166, "$changeStream is not supported on time-series collection %s", p.ns)
	}
	return nil
}

// takeStages checks the pipeline as soon as the stream is opened.
func (s *stream) takeStages(p *pipeline) error {
	rest := p.stages[1:]
	if p.out != nil {
		return failf(codeIllegalOperation, "%s is not permitted in a $changeStream pipeline", firstKey(p.out))
	}
	for i, st := range rest {
		name := firstKey(st)
		switch {
		case name == "$changeStreamSplitLargeEvent":
			if i != len(rest)-1 {
				return failf(7182802, "$changeStreamSplitLargeEvent must be the last stage in the pipeline")
			}
			s.splits, rest = true, rest[:i]
		case !engine.IsStage(name):
			return failf(engine.CodeUnrecognizedStage, "Unrecognized pipeline stage name: '%s'", name)
		case !streamStages[name]:
			return failf(codeIllegalOperation, "%s is not permitted in a $changeStream pipeline", name)
		}
	}
	s.stages = rest
	_, err := engine.Aggregate(&engine.Environment{Let: s.let}, rawList(rest), nil)
	return err
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
			switch s.before {
			case "off", "whenAvailable", "required":
			default:
				return failf(codeBadValue, "Enumeration value '%s' for field '$changeStream.fullDocumentBeforeChange' is not a valid value.", s.before)
			}
		case "showExpandedEvents":
			s.expanded = asBool(v)
		case "resumeAfter", "startAfter":
			resume++
			if err := s.resumeFrom(e.Key(), v); err != nil {
				return err
			}
		case "startAtOperationTime":
			resume++
			t, i, ok := v.TimestampOK()
			if !ok {
				return failf(codeTypeMismatch, "BSON field '$changeStream.startAtOperationTime' is the wrong type '%s', expected type 'timestamp'", typeNameOf(v))
			}
			s.at = position{ts: timestamp{t, i}, op: -1}
		case "allChangesForCluster", "showMigrationEvents", "showSystemEvents", "allowToRunOnConfigDB", "allowToRunOnSystemNS":
		default:
			return failf(codeUnknownField, "BSON field '$changeStream.%s' is an unknown field.", e.Key())
		}
	}
	if resume > 1 {
		return failf(50674, "Only one type of resume option is allowed, but multiple were found.")
	}
	if resume > 0 && d.log.trimmedPast(opTime{ts: s.at.ts}) {
		return historyLost()
	}
	return nil
}

func historyLost() error {
	return failf(codeChangeStreamHistoryLost, "Resume of change stream was not possible, as the resume point may no longer be in the oplog.")
}

// resumeFrom takes a token. That of an event has to be found again, so the stream
// begins before it.
func (s *stream) resumeFrom(option string, v bson.RawValue) error {
	raw, ok := v.DocumentOK()
	if !ok {
		return failf(codeTypeMismatch, "BSON field '$changeStream.%s' is the wrong type '%s', expected type 'object'", option, typeNameOf(v))
	}
	at, err := parseToken(raw)
	if err != nil {
		return err
	}
	s.at = at
	switch {
	case at.op < 0 || at.op == allOps:
		return nil
	case at.invalidates():
		if option == "resumeAfter" {
			return failf(codeInvalidResumeToken, "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.")
		}
		// The new stream is one on what came after.
		return nil
	case at.fragment > 0 && !s.splits:
		return failf(codeChangeStreamFatalError, "To resume from a split event, the $changeStreamSplitLargeEvent stage must be present in the pipeline.")
	}
	s.resumed = &at
	s.at = position{ts: at.ts, op: at.op - 1, fragment: 0}
	return nil
}

// refill looks at the committed entries after the position.
func (s *stream) refill(d *mongod, c *cursor) error {
	if s.invalidated {
		return nil
	}
	if d.log.trimmedPast(opTime{ts: s.at.ts}) {
		return historyLost()
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
			events, err := s.events(d, e, op)
			if err != nil {
				return err
			}
			for k, ev := range events {
				if err := s.push(c, position{ts: e.ts, op: i + k*second}, ev); err != nil {
					return err
				}
			}
		}
		s.at = position{ts: e.ts, op: allOps}
	}
	return nil
}

// push hands an event through the pipeline to the cursor.
func (s *stream) push(c *cursor, at position, ev bson.D) error {
	skip := 0
	if want := s.resumed; want != nil {
		if at.ts != want.ts || at.op != want.op {
			return failf(codeChangeStreamFatalError, "cannot resume stream; the resume token was not found. %v", want.token())
		}
		s.resumed = nil
		if skip = want.fragment; skip == 0 {
			return nil
		}
	}
	raw, err := bson.Marshal(append(doc("_id", at.token()), ev...))
	if err != nil {
		return err
	}
	docs := [][]byte{raw}
	if len(s.stages) > 0 {
		if docs, err = engine.Aggregate(&engine.Environment{Let: s.let}, rawList(s.stages), docs); err != nil {
			return err
		}
	}
	for _, shown := range docs {
		if id, err := bson.Raw(shown).LookupErr("_id"); err != nil || !id.Equal(bson.Raw(raw).Lookup("_id")) {
			return failf(codeChangeStreamFatalError, "Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. Modifying the _id field of an event makes it impossible to resume the stream from that point. Only transformations that retain the unmodified _id field are allowed.")
		}
		fragments, err := s.fragments(at, shown)
		if err != nil {
			return err
		}
		if skip > len(fragments) || skip > 0 && len(fragments) == 1 {
			return failf(codeChangeStreamFatalError, "Attempting to resume from a split event fragment, but the event in the resumed pipeline was not split")
		}
		c.batch = append(c.batch, fragments[skip:]...)
	}
	return nil
}

// tokenAfter is the token that a batch ends with. While events are left over it
// is that of the last one handed out, or what it was before if there was none:
// who resumes from it must get all that follow.
func (s *stream) tokenAfter(handed bson.A, left []bson.Raw) any {
	switch {
	case len(left) == 0 && s.resumed == nil:
		s.reported = s.at.token()
	case len(handed) > 0:
		s.reported = handed[len(handed)-1].(bson.Raw).Lookup("_id")
	}
	return s.reported
}
