package mgx

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
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
