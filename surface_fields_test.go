package mgx

import (
	"context"
	"errors"
	"math"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

func TestEveryFieldIsSent(t *testing.T) {
	s := newSurface(t)
	ctx := surfaceContext
	doc := bson.D{{Key: "a", Value: 3}}
	index := func(path, value string) sent { return sent{"createIndexes.indexes.0." + path: value} }
	describes(t, s, Index{Keys: Keys("a")}, map[string]describedField{
		"Keys": {bson.D{{Key: "a", Value: 1.0}, {Key: "b", Value: "text"}}, sent{
			"createIndexes.indexes.0.key.b": "text", "createIndexes.indexes.0.name": "a_1_b_text",
		}},
		"Name":               {"n", index("name", "n")},
		"Unique":             {true, index("unique", "true")},
		"Sparse":             {true, index("sparse", "true")},
		"Hidden":             {true, index("hidden", "true")},
		"ExpireAfter":        {ptr(surfaceTime), index("expireAfterSeconds", "2")},
		"PartialFilter":      {doc, index("partialFilterExpression.a", "3")},
		"Collation":          {Collation{Locale: "de"}, index("collation.locale", "de")},
		"WildcardProjection": {doc, index("wildcardProjection.a", "3")},
		"Weights":            {doc, index("weights.a", "3")},
		"DefaultLanguage":    {"german", index("default_language", "german")},
		"LanguageOverride":   {"l", index("language_override", "l")},
		"TextVersion":        {int32(2), index("textIndexVersion", "2")},
		"SphereVersion":      {int32(2), index("2dsphereIndexVersion", "2")},
		"Bits":               {int32(20), index("bits", "20")},
		"Min":                {ptr(-1.5), index("min", "-1.5")},
		"Max":                {ptr(0.0), index("max", "0")},
		"StorageEngine":      {doc, index("storageEngine.a", "3")},
		"Extra":              {bson.D{{Key: "v", Value: 2}}, index("v", "2")},
	}, func(ix Index) error { return second(s.c.CreateIndex(ctx, ix)) })

	series := func(path, value string) sent { return sent{"create.timeseries." + path: value} }
	describes(t, s, TimeSeries{TimeField: "t"}, map[string]describedField{
		"TimeField":      {"u", series("timeField", "u")},
		"MetaField":      {"m", series("metaField", "m")},
		"Granularity":    {"hours", series("granularity", "hours")},
		"BucketMaxSpan":  {time.Minute, series("bucketMaxSpanSeconds", "60")},
		"BucketRounding": {time.Minute, series("bucketRoundingSeconds", "60")},
	}, func(ts TimeSeries) error { return s.db.CreateCollection(ctx, "c", WithTimeSeries(ts)) })

	collation := func(path, value string) sent { return sent{"find.collation." + path: value} }
	describes(t, s, Collation{Locale: "en"}, map[string]describedField{
		"Locale":          {"de", collation("locale", "de")},
		"Strength":        {2, collation("strength", "2")},
		"CaseLevel":       {true, collation("caseLevel", "true")},
		"CaseFirst":       {"upper", collation("caseFirst", "upper")},
		"NumericOrdering": {true, collation("numericOrdering", "true")},
		"Alternate":       {"shifted", collation("alternate", "shifted")},
		"MaxVariable":     {"space", collation("maxVariable", "space")},
		"Normalization":   {true, collation("normalization", "true")},
		"Backwards":       {true, collation("backwards", "true")},
	}, func(c Collation) error { return s.c.FindOne(ctx, nil, WithCollation(c)).Err() })

	concern := func(path, value string) sent { return sent{"insert.writeConcern." + path: value} }
	describes(t, s, WriteConcern{Timeout: time.Hour}, map[string]describedField{
		"W":       {2, concern("w", "2")},
		"Timeout": {surfaceTime, concern("wtimeout", "1500")},
		"Journal": {ptr(false), concern("j", "false")},
		"Fsync":   {ptr(true), concern("fsync", "true")},
	}, func(w WriteConcern) error { return second(s.c.InsertOne(ctx, doc, WithWriteConcern(w))) })

	preference := func(path, value string) sent { return sent{"find.$readPreference." + path: value} }
	describes(t, s, ReadPreference{Mode: Secondary}, map[string]describedField{
		"Mode":         {Nearest, preference("mode", "nearest")},
		"TagSets":      {[]map[string]string{{"a": "b"}}, preference("tags.0.a", "b")},
		"MaxStaleness": {100 * time.Second, preference("maxStalenessSeconds", "100")},
		"Hedge":        {ptr(true), preference("hedge.enabled", "true")},
	}, func(p ReadPreference) error { return s.c.FindOne(ctx, nil, WithReadPreference(p)).Err() })
}

// Limits and batch sizes become fields as the specification "Find, getMore and
// killCursors commands" says.
func TestBoundsOfFind(t *testing.T) {
	s := newSurface(t)
	plain := s.during(t, func() (any, error) { return first(s.c.Find(surfaceContext, nil)) })
	for _, tt := range []struct {
		limit int64
		batch int32
		want  sent
	}{
		{0, 0, sent{}},
		{7, 3, sent{"find.limit": "7", "find.batchSize": "3", "getMore.batchSize": "3"}},
		{7, 7, sent{"find.limit": "7", "find.batchSize": "8", "getMore.batchSize": "7"}},
		{-300, 0, sent{"find.limit": "300", "find.batchSize": "300", "find.singleBatch": "true"}},
		{-300, 5, sent{"find.limit": "300", "find.batchSize": "300", "find.singleBatch": "true", "getMore.batchSize": "5"}},
		{0, -5, sent{"find.batchSize": "5", "find.singleBatch": "true"}},
		{300, -5, sent{"find.limit": "300", "find.batchSize": "300", "find.singleBatch": "true"}},
		{math.MaxInt32, math.MaxInt32, sent{"find.limit": "2147483647", "find.batchSize": "2147483647", "getMore.batchSize": "2147483647"}},
	} {
		got := changed(plain, s.during(t, func() (any, error) {
			return first(s.c.Find(surfaceContext, nil, Limit(tt.limit), BatchSize(tt.batch)))
		}))
		if len(changed(got, tt.want)) > 0 {
			t.Errorf("limit %d, batch size %d: %v, not %v", tt.limit, tt.batch, got, tt.want)
		}
	}
}

// ListCollectionNames asks for no more than names, unless the filter looks at more.
func TestNameOnly(t *testing.T) {
	s := newSurface(t)
	for _, tt := range []struct {
		filter any
		want   string
	}{
		{nil, "true"},
		{bson.D{{Key: "name", Value: bson.D{{Key: "$regex", Value: "^a"}}}}, "true"},
		{bson.D{{Key: "name", Value: "a"}, {Key: "type", Value: "view"}}, ""},
		{bson.M{"options.capped": true}, ""},
	} {
		got := s.during(t, func() (any, error) {
			return nothingOf(s.db.ListCollectionNames(surfaceContext, tt.filter, NameOnly()))
		})
		if got["listCollections.nameOnly"] != tt.want {
			t.Errorf("%v: nameOnly is %q", tt.filter, got["listCollections.nameOnly"])
		}
	}
}

// Lists are the primary's, whatever the client prefers for reads, unless the call
// prefers something.
func TestListsComeFromThePrimary(t *testing.T) {
	s := newSurface(t)
	rp := WithReadPreference(ReadPreference{Mode: Secondary})
	db := s.Database("d", rp)
	for name, list := range map[string]func(o ...ListCollectionsOption) error{
		"collections": func(o ...ListCollectionsOption) error {
			return second(Collect[any](db.ListCollections(surfaceContext, nil, o...)))
		},
		"names": func(o ...ListCollectionsOption) error {
			return second(db.ListCollectionNames(surfaceContext, nil, o...))
		},
	} {
		const path = "listCollections.$readPreference.mode"
		if got := s.during(t, func() (any, error) { return nil, list() }); got[path] != "" {
			t.Errorf("%s: asked of a %s", name, got[path])
		}
		if got := s.during(t, func() (any, error) { return nil, list(rp) }); got[path] != "secondary" {
			t.Errorf("%s: asked of a %s, not a secondary", name, got[path])
		}
	}
	base := *s.base
	rp.(option)(&base)
	s.base = &base
	got := s.during(t, func() (any, error) { return nothingOf(s.ListDatabases(surfaceContext, nil)) })
	if got["listDatabases.$readPreference.mode"] != "" {
		t.Errorf("databases: %v", got)
	}
}

// Explain has the time limit, not the command that is explained.
func TestExplainOnTheWire(t *testing.T) {
	s := newSurface(t)
	for name, cur := range map[string]*Cursor{
		"find":      s.c.Find(surfaceContext, aFilter, MaxTime(surfaceTime), Comment("why"), Hint("a_1")),
		"aggregate": s.c.Aggregate(surfaceContext, aStage, MaxTime(surfaceTime), Comment("why"), Hint("a_1")),
	} {
		got := s.during(t, func() (any, error) { return nothingOf(cur.Explain("queryPlanner")) })
		if got["explain.maxTimeMS"] != "1500" || got["explain.explain.maxTimeMS"] != "" || got["explain.verbosity"] != "queryPlanner" ||
			got["explain.explain.comment"] != "why" || got["explain.explain.hint"] != "a_1" {
			t.Errorf("%s: %v", name, got)
		}
	}
	out := s.c.Aggregate(surfaceContext, anOut)
	_, err := out.Explain("")
	is(t, err, []error{ErrInvalidArgument}, "the aggregate has been sent already")
}

// A command's time limit is sent once, and is the nearer of the call's and the
// deadline's; with a timeout only the deadline counts.
func TestMaxTimeAndTimeout(t *testing.T) {
	s := newSurface(t)
	ctx, cancel := context.WithTimeout(surfaceContext, 30*time.Minute)
	defer cancel()
	for _, tt := range []struct {
		own     time.Duration
		timeout time.Duration
		want    string
	}{{time.Minute, 0, "60000"}, {time.Nanosecond, 0, "1"}, {2 * time.Hour, 0, ""}, {time.Minute, time.Hour, ""}} {
		s.options.Timeout = tt.timeout
		got := s.during(t, func() (any, error) { return single(s.c.FindOne(ctx, nil, MaxTime(tt.own))) })["find.maxTimeMS"]
		if tt.want == "" && (len(got) != 7 || got > "1800000") || tt.want != "" && got != tt.want {
			t.Errorf("MaxTime %v with a deadline in 30 minutes and a timeout of %v: %s", tt.own, tt.timeout, got)
		}
	}
}

// Documents whose order matters are no maps of several fields.
func TestMapsHaveNoOrder(t *testing.T) {
	s := newSurface(t)
	two := map[string]int{"a": 1, "b": -1}
	ctx := surfaceContext
	for name, run := range map[string]func(m any) error{
		"sort":          func(m any) error { return second(first(s.c.Find(ctx, nil, SortBy(m)))) },
		"hint":          func(m any) error { return second(s.c.CountDocuments(ctx, nil, Hint(m))) },
		"min":           func(m any) error { return s.c.FindOne(ctx, nil, Min(m)).Err() },
		"max":           func(m any) error { return s.c.FindOne(ctx, nil, Max(m)).Err() },
		"distinct":      func(m any) error { return second(s.c.Distinct(ctx, "a", nil, Hint(m))) },
		"aggregate":     func(m any) error { return second(first(s.c.Aggregate(ctx, aStage, Hint(m)))) },
		"findAndModify": func(m any) error { return s.c.FindOneAndDelete(ctx, nil, SortBy(m)).Err() },
		"update":        func(m any) error { return second(s.c.UpdateOne(ctx, nil, aChange, SortBy(m))) },
		"delete":        func(m any) error { return second(s.c.DeleteOne(ctx, nil, Hint(m))) },
		"index":         func(m any) error { return second(s.c.CreateIndex(ctx, Index{Keys: m})) },
		"command":       func(m any) error { return s.db.RunCommand(ctx, m).Err() },
		"cursor":        func(m any) error { return second(first(s.db.RunCursorCommand(ctx, m))) },
	} {
		is(t, run(two), []error{ErrInvalidArgument}, "order", "bson.D")
		if err := run(bson.M{"a": 1}); err != nil {
			t.Errorf("%s: one field needs no order: %v", name, err)
		}
	}
}

// A write concern that no server takes is refused wherever it comes from, and not
// sent without its w.
func TestWrongConcernsOfCalls(t *testing.T) {
	s := newSurface(t)
	for name, w := range map[string]WriteConcern{
		"w=0 with journal": {W: 0, Journal: ptr(true)}, "an int64": {W: int64(2)}, "a negative w": {W: -1}, "a negative timeout": {Timeout: -1},
	} {
		got := s.during(t, func() (any, error) {
			o := WithWriteConcern(w)
			for _, err := range []error{
				second(s.c.InsertOne(surfaceContext, aWhole, o)),
				second(s.c.BulkWrite(surfaceContext, []WriteModel{InsertOneModel(aWhole)}, o)),
				second(s.BulkWrite(surfaceContext, []ClientWrite{{s.c, InsertOneModel(aWhole)}}, o, Unordered())),
				s.db.Collection("c", o).Drop(surfaceContext),
				second(first(s.c.Aggregate(surfaceContext, anOut, o))),
			} {
				if !errors.Is(err, ErrConfiguration) {
					t.Errorf("%s: %v", name, err)
				}
			}
			return nil, nil
		})
		if len(got) > 0 {
			t.Errorf("%s: %v was sent", name, got)
		}
	}
}

// The index of _id has its own name; others have their keys.
func TestIndexNames(t *testing.T) {
	s := newSurface(t)
	for want, keys := range map[string]any{
		"_id_": Keys("_id"), "_id_1_a_-1": Keys("_id", "-a"), "a_1_b_-1": bson.D{{Key: "a", Value: 1.0}, {Key: "b", Value: int64(-1)}},
		"_id_hashed": bson.D{{Key: "_id", Value: "hashed"}}, "$**_1": Keys("$**"),
	} {
		got, err := s.c.CreateIndex(surfaceContext, Index{Keys: keys})
		if err != nil || got != want {
			t.Errorf("%q, not %q: %v", got, want, err)
		}
	}
}

// What older servers would ignore is refused.
func TestCommitQuorumNeeds44(t *testing.T) {
	s := newSurface(t, bson.E{Key: "maxWireVersion", Value: 8})
	got := s.during(t, func() (any, error) {
		_, err := s.c.CreateIndex(surfaceContext, Index{Keys: Keys("a")}, CommitQuorum(1))
		is(t, err, []error{ErrUnsupported}, "createIndexes")
		return nil, nil
	})
	if len(got) > 0 {
		t.Errorf("%v was sent", got)
	}
}

// Lists of filters may be empty, and then still are lists.
func TestNoArrayFilters(t *testing.T) {
	s := newSurface(t)
	got := s.during(t, func() (any, error) { return nothingOf(s.c.UpdateOne(surfaceContext, nil, aChange, ArrayFilters())) })
	if got["update.updates.0.arrayFilters"] != "{}" {
		t.Errorf("%v", got)
	}
}

// How a database's documents are decoded counts for commands too.
func TestCommandsAreDecodedAsTheDatabaseSays(t *testing.T) {
	s := newSurface(t)
	db := s.Database("d", WithDocumentType(reflect.TypeFor[bson.M]()))
	for name, run := range map[string]func() (any, error){
		"RunCommand": func() (any, error) { return single(db.RunCommand(surfaceContext, bson.D{{Key: "custom", Value: 1}})) },
		"RunCursorCommand": func() (any, error) {
			return first(db.RunCursorCommand(surfaceContext, bson.D{{Key: "customs", Value: 1}}))
		},
	} {
		if v, err := run(); err != nil || reflect.TypeOf(v) != reflect.TypeFor[bson.M]() {
			t.Errorf("%s: %T: %v", name, v, err)
		}
	}
}

// A document whose fate is not known can be looked for by its _id.
func TestIDsOfLostInserts(t *testing.T) {
	var lost atomic.Int32
	server := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "insert" {
			lost.Add(1)
			return false
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, server).Database("d").Collection("c")
	one, err := c.InsertOne(surfaceContext, bson.D{})
	is(t, err, []error{ErrConnectionFailure})
	if _, ok := one.InsertedID.(bson.ObjectID); !ok {
		t.Errorf("one: %v", one.InsertedID)
	}
	many, err := c.InsertMany(surfaceContext, []bson.D{{}, {{Key: "_id", Value: "x"}}})
	is(t, err, []error{ErrConnectionFailure})
	if len(many.InsertedIDs) != 2 || many.InsertedIDs[0] == nil || many.InsertedIDs[1] != "x" {
		t.Errorf("many: %v", many.InsertedIDs)
	}
	if lost.Load() != 2 {
		t.Errorf("%d inserts were sent", lost.Load())
	}
	ctx, cancel := context.WithCancel(surfaceContext)
	cancel()
	if one, err = c.InsertOne(ctx, bson.D{}); err == nil || one.InsertedID != nil {
		t.Errorf("nothing was sent: %v: %v", one, err)
	}
}

// While a server is older than 5.0, what writes by $out is the primary's, and does
// not ask a newer server for anything else.
func TestOutBesideOldServers(t *testing.T) {
	s := newSurface(t)
	server := func(version int) string {
		hello := scripted.Hello(bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "maxWireVersion", Value: version})
		return scripted.Listen(t, scripted.Greet(hello, func(p *scripted.Peer, r scripted.Request) bool {
			s.keep(r)
			return p.Answer(r, answer(r.Name)) == nil
		})).Address
	}
	for _, tt := range []struct {
		versions [2]int
		want     string
	}{{[2]int{12, 27}, ""}, {[2]int{13, 27}, "secondary"}} {
		o := &Options{Hosts: []string{server(tt.versions[0]), server(tt.versions[1])}, ReadPreference: ReadPreference{Mode: Secondary}}
		client, err := Open(surfaceContext, o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close(surfaceContext) }()
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			if servers := client.topology.Description().Servers; servers[0].Kind.Available() && servers[1].Kind.Available() {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the servers were not discovered")
			}
		}
		for range 8 { // either server
			got := s.during(t, func() (any, error) {
				return first(client.Database("d").Collection("c").Aggregate(surfaceContext, anOut))
			})
			if got := got["aggregate.$readPreference.mode"]; got != tt.want {
				t.Errorf("versions %v: sent to a %q", tt.versions, got)
			}
		}
	}
}

// An aggregation that writes, and is not waited for, has no session.
func TestUnacknowledgedOut(t *testing.T) {
	s := newSurface(t)
	got := s.during(t, func() (any, error) {
		list, err := Collect[any](s.c.Aggregate(surfaceContext, anOut, WithWriteConcern(Unacknowledged())))
		if len(list) > 0 {
			t.Errorf("%v", list)
		}
		return nil, errors.Join(err, s.Ping(surfaceContext))
	})
	if got["aggregate.writeConcern.w"] != "0" || got["aggregate."+flags] != "2" || got["aggregate.lsid.id"] != "" {
		t.Errorf("%v", got)
	}
}
