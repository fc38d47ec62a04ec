package mgx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/internal/scripted"
)

func TestBadURIs(t *testing.T) {
	for uri, says := range map[string]string{
		"":                                          "",
		"localhost":                                 "mongodb",
		"http://localhost":                          "mongodb",
		"mongodb://":                                "host",
		"mongodb://:27017":                          "host",
		"mongodb://localhost:port":                  "port",
		"mongodb://localhost:99999":                 "port",
		"mongodb://[::1":                            "",
		"mongodb://a b":                             "",
		"mongodb://user:p@ss@localhost":             "",
		"mongodb://user:hunter22%@localhost":        "",
		"mongodb://localhost/db.c?w=1&w":            "",
		"mongodb://a,b/?directConnection=true":      "directConnection",
		"mongodb://localhost/?authMechanism=HUNTER": "authMechanism",
		"mongodb://ann:hunter22@h/?authMechanism=PLAINER":      "authMechanism",
		"mongodb://localhost/?tls=true&ssl=false":              "tls",
		"mongodb://localhost/?tls=maybe":                       `tls: must be true or false, not "maybe"`,
		"mongodb://localhost/?tls=true&tlsCAFile=/no/file":     "/no/file",
		"mongodb+srv://localhost:27017":                        "",
		"mongodb+srv://a.example.com,b.example.com":            "",
		"mongodb://localhost/?w=-1":                            "w",
		"mongodb://localhost/?w=0&journal=true":                "",
		"mongodb://localhost/?minPoolSize=9&maxPoolSize=3":     "PoolSize",
		"mongodb://localhost/?loadBalanced=true&replicaSet=rs": "loadBalanced",
	} {
		o, err := ParseURI(uri)
		if err == nil {
			var c *Client
			if c, err = New(o); c != nil {
				_ = c.Close(t.Context())
			}
		}
		if err == nil {
			t.Errorf("%s is taken", uri)
			continue
		}
		is(t, err, []error{ErrConfiguration}, says)
		if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("the password is in the error: %v", err)
		}
		if errors.Is(err, ErrConnectionFailure) {
			t.Errorf("%s counts as a connection failure: %v", uri, err)
		}
	}
	_, err := ParseURI("mongodb://localhost:port/")
	var pe *connstring.ParseError
	if !errors.As(err, &pe) {
		t.Errorf("%v (%T) points at no place", err, err)
	}
}

// What is merely odd is a warning, and hides no secret's value in it.
func TestURIWarnings(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	o, err := ParseURI("mongodb://ann:hunter22@localhost/?noSuchOption=hunter23&connectTimeoutMS=soon&maxPoolSize=-3&readPreference=nearby&directConnection=x")
	if err != nil {
		t.Fatal(err)
	}
	o.Logger = slog.New(slog.NewTextHandler(writer(func(b []byte) { mu.Lock(); defer mu.Unlock(); out.Write(b) }), nil))
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	log := out.String()
	for _, want := range []string{"level=WARN", "noSuchOption", "connectTimeoutMS", "maxPoolSize", "readPreference", "directConnection"} {
		if !strings.Contains(strings.ToLower(log), strings.ToLower(want)) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	}
	if strings.Contains(log, "hunter22") {
		t.Errorf("the password is in the log:\n%s", log)
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

func TestBadOptions(t *testing.T) {
	n := func(i int) *int { return &i }
	for name, o := range map[string]*Options{
		"heartbeat":      {HeartbeatInterval: time.Millisecond},
		"max pool size":  {MaxPoolSize: n(-1)},
		"min pool size":  {MaxPoolSize: n(2), MinPoolSize: 3},
		"max connecting": {MaxConnecting: -1},
		"max adaptive":   {MaxAdaptiveRetries: new(-1)},
		"app name":       {AppName: strings.Repeat("x", 129)},
		"host":           {Hosts: []string{"a:b:c"}},
		"empty host":     {Hosts: []string{""}},
		"compressor":     {Compressors: []string{"lzma"}},
		"mechanism":      {Credential: &Credential{Username: "ann", Password: "hunter22", Mechanism: "NTLM"}},
		"wrapper":        {WrapperInfo: []WrapperInfo{{Name: "a|b"}}},
		"staleness":      {ReadPreference: ReadPreference{Mode: Primary, MaxStaleness: time.Hour}},
		"write concern":  {WriteConcern: WriteConcern{W: -1}},
	} {
		c, err := New(o)
		if c != nil {
			_ = c.Close(t.Context())
		}
		if !errors.Is(err, ErrConfiguration) || strings.Contains(fmt.Sprint(err), "hunter22") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every operation reports an invalid name, and sends nothing.
func TestInvalidNames(t *testing.T) {
	var sent sync.Map
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		sent.Store(r.Name, true)
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	sent.Clear()
	database := []string{"", "a b", "a.b", "a/b", `a\b`, "a$b", `a"b`, "a\x00b", strings.Repeat("x", 64)}
	for _, name := range database {
		for call, f := range calls(c.Database(name).Collection("c")) {
			if call == "Ping" || strings.HasPrefix(call, "ListDatabase") {
				continue
			}
			err := f(t.Context())
			is(t, err, []error{ErrInvalidName}, "database name")
		}
	}
	collection := []string{"", ".a", "a.", "a..b", "a$b", "$a", "a\x00b"}
	for _, name := range collection {
		db := c.Database("db")
		for call, f := range calls(db.Collection(name)) {
			switch call {
			case "Ping", "RunCommand", "ListDatabases", "ListDatabaseNames", "ListCollectionNames", "CreateCollection", "Database.Drop":
				continue
			}
			is(t, f(t.Context()), []error{ErrInvalidName}, "collection name")
		}
		is(t, db.CreateCollection(t.Context(), name), []error{ErrInvalidName}, "collection name")
	}
	sent.Range(func(name, _ any) bool { t.Errorf("%v was sent", name); return true })
	for _, name := range []string{"a", "A-b_c", "ünï", strings.Repeat("x", 63), "$external"} {
		if err := c.Database(name).RunCommand(t.Context(), bson.D{{"ping", 1}}).Err(); err != nil {
			t.Errorf("database %q: %v", name, err)
		}
	}
	for _, name := range []string{"a", "a.b.c", "fs.files", "system.views", "ünï ☕"} {
		if _, err := c.Database("db").Collection(name).InsertOne(t.Context(), bson.D{}); err != nil {
			t.Errorf("collection %q: %v", name, err)
		}
	}
}

type unmarshalable struct{}

func (unmarshalable) MarshalBSON() ([]byte, error) { return nil, errors.New("not today") }

// Every operation reports a document that cannot be encoded, and sends nothing;
// the connection goes on.
func TestInvalidDocuments(t *testing.T) {
	var sent sync.Map
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		sent.Store(r.Name, true)
		return scripted.Ping(p, r)
	}))
	client := openClient(t, s)
	sent.Clear()
	c := client.Database("db").Collection("c")
	bad := map[string]any{
		"a channel":         bson.D{{"x", make(chan int)}},
		"a number":          3,
		"an element":        bson.E{Key: "a", Value: 1},
		"a pointer to one":  &bson.E{Key: "a", Value: 1},
		"a text":            "text",
		"a key with NUL":    bson.D{{"a\x00b", 1}},
		"its own error":     unmarshalable{},
		"cut Raw":           bson.Raw{10, 0, 0, 0, 0},
		"short Raw":         bson.Raw{1},
		"Raw, unknown type": bson.Raw{8, 0, 0, 0, 0x44, 'a', 0, 0},
		"a nil pointer":     (*struct{ A int })(nil),
	}
	ctx := t.Context()
	set := bson.D{{"$set", bson.D{{"a", 1}}}}
	for name, doc := range bad {
		for call, err := range map[string]error{
			"insert one":       second(c.InsertOne(ctx, doc)),
			"insert many":      second(c.InsertMany(ctx, []any{doc, bson.D{}})),
			"replace":          second(c.ReplaceOne(ctx, bson.D{}, doc)),
			"update":           second(c.UpdateOne(ctx, bson.D{}, bson.D{{"$set", doc}, {"$inc", doc}, {"x", doc}, {"$y", make(chan int)}})),
			"update's filter":  second(c.UpdateOne(ctx, bson.D{{"$and", bson.A{doc, make(chan int)}}}, set)),
			"delete":           second(c.DeleteOne(ctx, bson.D{{"$x", doc}, {"$y", make(chan int)}})),
			"find":             second(Collect[bson.M](c.Find(ctx, doc))),
			"find one":         c.FindOne(ctx, doc).Err(),
			"count":            second(c.CountDocuments(ctx, doc)),
			"distinct":         second(c.Distinct(ctx, "a", doc)),
			"aggregate":        second(Collect[bson.M](c.Aggregate(ctx, []any{doc, make(chan int)}))),
			"find and delete":  c.FindOneAndDelete(ctx, doc).Err(),
			"find and replace": c.FindOneAndReplace(ctx, nil, doc).Err(),
			"command":          c.Database().RunCommand(ctx, doc).Err(),
			"list databases":   second(client.ListDatabases(ctx, doc)),
			"list collections": second(c.Database().ListCollectionNames(ctx, doc)),
			"index":            second(c.CreateIndex(ctx, Index{Keys: bson.D{{"a", 1}}, PartialFilter: bson.D{{"x", doc}, {"y", make(chan int)}}})),
			"bulk":             second(c.BulkWrite(ctx, []WriteModel{InsertOneModel(doc)})),
			"comment":          second(c.InsertOne(ctx, bson.D{}, Comment(make(chan int)))),
		} {
			if name == "a nil pointer" && !errors.Is(err, ErrInvalidArgument) {
				continue // as good as no filter
			}
			if !errors.Is(err, ErrInvalidArgument) {
				t.Errorf("%s, %s: %v (%T)", call, name, err, err)
			}
		}
	}
	for call, err := range map[string]error{
		"insert nil":       second(c.InsertOne(ctx, nil)),
		"insert many nil":  second(c.InsertMany(ctx, nil)),
		"insert many of D": second(c.InsertMany(ctx, bson.D{{"a", 1}})),
		"replace by nil":   second(c.ReplaceOne(ctx, nil, nil)),
		"update by nil":    second(c.UpdateMany(ctx, nil, nil)),
		"update by D":      second(c.UpdateMany(ctx, nil, bson.D{{"a", 1}})),
		"command nil":      c.Database().RunCommand(ctx, nil).Err(),
	} {
		is(t, err, []error{ErrInvalidArgument})
		if err != nil && len(err.Error()) < 20 {
			t.Errorf("%s: %q helps nobody", call, err)
		}
	}
	sent.Delete("find") // of a nil pointer
	for _, name := range []string{"insert", "update", "delete", "findAndModify", "createIndexes"} {
		if _, ok := sent.Load(name); ok {
			t.Errorf("%s was sent", name)
		}
	}
	if s.Accepted() > 2 {
		t.Errorf("%d connections were needed", s.Accepted())
	}
}

// A context that ended before the call, that ends during it and that ends after
// it, for every operation.
func TestContexts(t *testing.T) {
	leaktest.Check(t)
	gate := make(chan struct{})
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "ping" && r.Document.Lookup("$db").StringValue() == "admin" {
			return scripted.Ping(p, r)
		}
		<-gate
		return p.Answer(r, bson.D{{"ok", 1}, {"n", 0}, {"values", bson.A{}}, {"databases", bson.A{}},
			{"cursor", bson.D{{"id", int64(0)}, {"ns", "db.c"}, {"firstBatch", bson.A{}}}}}) == nil
	}))
	c := openClient(t, s)
	coll := c.Database("db").Collection("c")
	why := errors.New("the user went home")
	for name, f := range calls(coll) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		err := f(ctx)
		is(t, err, []error{context.Canceled, why})
		if errors.Is(err, ErrConnectionFailure) || errors.Is(err, ErrTimeout) {
			t.Errorf("%s: cancelled before: %v", name, err)
		}
		if name == "Ping" {
			continue
		}
		ctx, cancel = context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Millisecond, func() { cancel(why) })
		within(t, func() { err = f(ctx) })
		is(t, err, []error{context.Canceled, why}, s.Address)
		if errors.Is(err, ErrConnectionFailure) || errors.Is(err, ErrTimeout) {
			t.Errorf("%s: cancelled meanwhile: %v", name, err)
		}
		late, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
		within(t, func() { err = f(late) })
		stop()
		is(t, err, []error{context.DeadlineExceeded, ErrTimeout})
		// On a busy machine, no connection may have been opened in that time.
		if errors.Is(err, ErrConnectionFailure) && !errors.Is(err, ErrWaitQueueTimeout) {
			t.Errorf("%s: deadline: %v", name, err)
		}
	}
	close(gate)
	for name, f := range calls(coll) {
		ctx, cancel := context.WithCancel(t.Context())
		err := f(ctx)
		cancel()
		if err != nil && !errors.Is(err, ErrNoDocuments) {
			t.Errorf("%s: afterwards: %v", name, err)
		}
	}
}

// The connection of a call that was cut off is used again when the late reply has
// come.
func TestCutOffKeepsConnection(t *testing.T) {
	arrived, gate := make(chan struct{}), make(chan struct{}, 1)
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "count" {
			arrived <- struct{}{}
			<-gate
			return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	before := s.Accepted()
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		_, err := c.Database("db").Collection("c").EstimatedDocumentCount(ctx)
		is(t, err, []error{context.Canceled})
		gate <- struct{}{}
		time.Sleep(5 * time.Millisecond) // the reply may be late all the same: the pool then takes another
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if more := s.Accepted() - before; more > 5 {
		t.Errorf("10 calls that were cut off cost %d connections", more)
	}
}

func TestClosedClient(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	c := openClient(t, s)
	coll := c.Database("db").Collection("c")
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, f := range calls(coll) {
		err := f(t.Context())
		is(t, err, []error{ErrClosed}, "closed")
		if errors.Is(err, ErrTimeout) {
			t.Errorf("%s: %v", name, err)
		}
	}
	noConnection(t, s)
}

// Cursors that cannot go on say so once and for all.
func TestCursorMisuse(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "db.c"}, {"firstBatch", bson.A{bson.D{{"_id", 1}}}}}}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s).Database("db").Collection("c")
	cur := c.Find(t.Context(), nil)
	is(t, cur.Decode(new(bson.D)), []error{ErrInvalidArgument}, "Next")
	if !cur.Next() {
		t.Fatal(cur.Err())
	}
	if err := cur.Decode(nil); err == nil {
		t.Error("decodes into nil")
	}
	if err := cur.Decode(bson.D{}); err == nil {
		t.Error("decodes into a value")
	}
	if err := cur.Close(); err != nil {
		t.Error(err)
	}
	if cur.Next() || cur.Err() != nil {
		t.Errorf("goes on after Close: %v", cur.Err())
	}
	is(t, cur.Decode(new(bson.D)), []error{ErrInvalidArgument})
	is(t, c.Find(t.Context(), nil).All(nil), []error{ErrInvalidArgument}, "slice")
	var d bson.D
	is(t, c.Find(t.Context(), nil).All(d), []error{ErrInvalidArgument}, "slice")
	cur = c.Find(t.Context(), bson.D{{"x", make(chan int)}})
	for range 3 {
		if cur.Next() {
			t.Error("goes on")
		}
		is(t, cur.Err(), []error{ErrInvalidArgument})
	}
}
