package mgx

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/spectest"
)

// A write concern that cannot be is refused, however it is given: the server would
// take it for another one.
func TestWriteConcernThatCannotBe(t *testing.T) {
	sent := make(chan bson.Raw, 1)
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "delete" {
			sent <- r.Document
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	db := c.Database("db")
	wrong := []WriteConcern{{W: int64(2)}, {W: int32(0)}, {W: -1}, {Timeout: -1}}
	if large := int64(1) << 32; math.MaxInt > large {
		wrong = append(wrong, WriteConcern{W: int(large)})
	}
	for _, w := range wrong {
		for name, err := range map[string]error{
			"client": c.SetWriteConcern(w),
			"handle": second(db.Collection("c", WithWriteConcern(w)).DeleteOne(t.Context(), nil)),
			"call":   second(db.Collection("c").DeleteOne(t.Context(), nil, WithWriteConcern(w))),
		} {
			if !errors.Is(err, ErrConfiguration) {
				t.Errorf("%v, of the %s: %v", w, name, err)
			}
		}
	}
	// A very short timeout must not become none, which 0 is.
	if _, err := db.Collection("c").DeleteOne(t.Context(), nil, WithWriteConcern(WriteConcern{W: 2, Timeout: time.Microsecond})); err != nil {
		t.Fatal(err)
	}
	doc := <-sent
	if got := doc.Lookup("writeConcern", "wtimeout").AsInt64(); got != 1 {
		t.Errorf("wtimeout: %d", got)
	}
}

// A read preference that cannot be is refused, however it is given, and nothing is
// sent.
func TestReadPreferenceThatCannotBe(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			t.Error("find was sent")
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	db := c.Database("db")
	tags := []map[string]string{{"dc": "ny"}}
	for _, p := range []ReadPreference{
		{TagSets: tags}, {MaxStaleness: time.Hour}, {Mode: Nearest, MaxStaleness: 89 * time.Second},
		{Mode: Secondary, TagSets: tags, MaxStaleness: time.Millisecond}, {Mode: Mode(77)},
	} {
		_, client := New(&Options{ReadPreference: p})
		_, session, err := c.StartSession(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer session.End(t.Context())
		for name, err := range map[string]error{
			"client":      client,
			"transaction": session.StartTransaction(&TransactionOptions{ReadPreference: &p}),
			"handle":      db.Collection("c", WithReadPreference(p)).FindOne(t.Context(), nil).Err(),
			"database":    c.Database("db", WithReadPreference(p)).Collection("c").FindOne(t.Context(), nil).Err(),
			"call":        db.Collection("c").FindOne(t.Context(), nil, WithReadPreference(p)).Err(),
			"count":       second(db.Collection("c").CountDocuments(t.Context(), nil, WithReadPreference(p))),
			"cursor":      db.Collection("c").Find(t.Context(), nil, WithReadPreference(p)).All(new([]bson.D)),
			"runCommand":  db.RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}}, WithReadPreference(p)).Err(),
		} {
			if !errors.Is(err, ErrConfiguration) {
				t.Errorf("%v, of the %s: %v", p, name, err)
			}
		}
	}
}

// Hedge is sent as the server manual has it, and not at all where nothing was said.
func TestHedge(t *testing.T) {
	sent := make(chan bson.Raw, 1)
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "msg", Value: "isdbgrid"}), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			sent <- r.Document
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	on, off := true, false
	for _, hedge := range []*bool{nil, &on, &off} {
		p := ReadPreference{Mode: Nearest, Hedge: hedge}
		_ = c.Database("db").Collection("c").FindOne(t.Context(), nil, WithReadPreference(p)).Err() // no answer worth reading
		enabled, ok := (<-sent).Lookup("$readPreference", "hedge", "enabled").BooleanOK()
		if ok != (hedge != nil) || ok && enabled != *hedge {
			t.Errorf("%v: enabled: %v, sent: %v", p, enabled, ok)
		}
	}
	if err := second(c.Database("db").Collection("c").DeleteOne(t.Context(), nil)); err != nil {
		t.Error(err)
	}
	if _, err := New(&Options{ReadPreference: ReadPreference{Hedge: &on}}); !errors.Is(err, ErrConfiguration) {
		t.Errorf("the primary's reads cannot be hedged: %v", err)
	}
}

// concernCase is a case of read-write-concern/tests/document: what of a concern goes
// to the server.
type concernCase struct {
	Description         string
	Valid               bool
	ReadConcern         *struct{ Level string }
	ReadConcernDocument map[string]any
	WriteConcern        *struct {
		W          any
		Journal    *bool
		WTimeoutMS *int64
	}
	WriteConcernDocument map[string]any
	IsServerDefault      *bool
	IsAcknowledged       *bool
}

// TestConcernDocuments runs the cases, and what the suite's README says of those that
// write concerns need.
func TestConcernDocuments(t *testing.T) {
	own := `{"tests": [
		{"description": "write: default", "valid": true, "writeConcern": {}, "writeConcernDocument": {}, "isServerDefault": true, "isAcknowledged": true},
		{"description": "write: members", "valid": true, "writeConcern": {"w": 3}, "writeConcernDocument": {"w": 3}, "isServerDefault": false, "isAcknowledged": true},
		{"description": "write: one", "valid": true, "writeConcern": {"w": 1}, "writeConcernDocument": {"w": 1}, "isServerDefault": false, "isAcknowledged": true},
		{"description": "write: a name", "valid": true, "writeConcern": {"w": "hedge"}, "writeConcernDocument": {"w": "hedge"}, "isServerDefault": false, "isAcknowledged": true},
		{"description": "write: none", "valid": true, "writeConcern": {"w": 0, "journal": false}, "writeConcernDocument": {"w": 0, "j": false}, "isServerDefault": false, "isAcknowledged": false},
		{"description": "write: none, timeout", "valid": true, "writeConcern": {"w": 0, "wtimeoutMS": 7}, "writeConcernDocument": {"w": 0, "wtimeout": 7}, "isServerDefault": false, "isAcknowledged": false},
		{"description": "write: journal", "valid": true, "writeConcern": {"journal": true}, "writeConcernDocument": {"j": true}, "isServerDefault": false, "isAcknowledged": true},
		{"description": "write: no journal", "valid": true, "writeConcern": {"journal": false}, "writeConcernDocument": {"j": false}, "isServerDefault": false, "isAcknowledged": true},
		{"description": "write: timeout", "valid": true, "writeConcern": {"wtimeoutMS": 1000}, "writeConcernDocument": {"wtimeout": 1000}, "isServerDefault": false, "isAcknowledged": true},
		{"description": "write: negative members", "valid": false, "writeConcern": {"w": -3}, "writeConcernDocument": null},
		{"description": "write: negative timeout", "valid": false, "writeConcern": {"wtimeoutMS": -500}, "writeConcernDocument": null},
		{"description": "write: none, but journal", "valid": false, "writeConcern": {"w": 0, "journal": true}, "writeConcernDocument": null},
		{"description": "read: unknown level", "valid": true, "readConcern": {"level": "eventual"}, "readConcernDocument": {"level": "eventual"}, "isServerDefault": false}
	]}`
	var suite struct{ Tests []concernCase }
	if err := spectest.Decode([]byte(own), &suite); err != nil {
		t.Fatal(err)
	}
	for _, test := range suite.Tests {
		t.Run(test.Description, func(t *testing.T) { test.run(t) })
	}
	t.Run("specification", func(t *testing.T) {
		dir := spectest.Dir(t, "read-write-concern/tests/document")
		tally := spectest.NewTally(t, "read-write-concern/tests/document", nil)
		for _, file := range spectest.Files(t, dir, "*.json") {
			suite.Tests = nil
			spectest.Read(t, file, &suite)
			for _, test := range suite.Tests {
				tally.Run(t, spectest.Name(dir, file)+"/"+test.Description, func(t *testing.T) { test.run(t) })
			}
		}
	})
}

func (test *concernCase) run(t *testing.T) {
	sent := make(chan bson.Raw, 1)
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "insert" || r.Name == "distinct" {
			sent <- r.Document
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s).Database("db").Collection("c")
	acknowledged, name, want := true, "writeConcern", test.WriteConcernDocument
	var err error
	if r := test.ReadConcern; r != nil {
		name, want = "readConcern", test.ReadConcernDocument
		_, err = c.Distinct(t.Context(), "x", nil, WithReadConcern(ReadConcern(r.Level)))
	}
	if w := test.WriteConcern; w != nil {
		concern := WriteConcern{W: w.W, Journal: w.Journal}
		if n, ok := w.W.(float64); ok {
			concern.W = int(n)
		}
		if w.WTimeoutMS != nil {
			concern.Timeout = time.Duration(*w.WTimeoutMS) * time.Millisecond
		}
		var res InsertOneResult
		res, err = c.InsertOne(t.Context(), bson.D{}, WithWriteConcern(concern))
		acknowledged = res.Acknowledged
	}
	if errors.Is(err, ErrConfiguration) == test.Valid {
		t.Fatalf("valid: %v, got %v", test.Valid, err)
	}
	if !test.Valid {
		return
	}
	var got map[string]any
	if doc, ok := (<-sent).Lookup(name).DocumentOK(); ok {
		if err := bson.Unmarshal(doc, &got); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s was sent as %v, want %v", name, got, want)
	}
	if test.IsServerDefault != nil && (got == nil) != *test.IsServerDefault {
		t.Errorf("sent: %v, the server's default: %v", got, *test.IsServerDefault)
	}
	if test.IsAcknowledged != nil && acknowledged != *test.IsAcknowledged {
		t.Errorf("acknowledged: %v, want %v", acknowledged, *test.IsAcknowledged)
	}
}
