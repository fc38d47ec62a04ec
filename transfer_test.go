package mgx

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/transfer"
)

// TestTransferOfADamagedBatch hands over nothing of a reply that is gone.
func TestTransferOfADamagedBatch(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name != "find" {
			return scripted.Ping(p, r)
		}
		return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
			{Key: "id", Value: int64(0)}, {Key: "ns", Value: "db.c"},
			{Key: "firstBatch", Value: bson.A{bson.D{{Key: "_id", Value: 1}}, "no document"}},
		}}}) == nil
	}))
	c := openClient(t, s)
	var batch transfer.Batch
	err := transferDatabase{db: c.Database("db")}.Find(t.Context(), "c").Next(t.Context(), &batch)
	if !errors.Is(err, ErrProtocol) || len(batch.Docs) > 0 {
		t.Errorf("%d documents came with the error %v", len(batch.Docs), err)
	}
}

// What was just written is counted on the primary, whatever the client's read
// preference is; the source is counted where it is read.
func TestTransferCountsWhatItWroteOnThePrimary(t *testing.T) {
	var modes []string
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "msg", Value: "isdbgrid"}), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name != "aggregate" {
			return scripted.Ping(p, r)
		}
		mode, _ := r.Document.Lookup("$readPreference", "mode").StringValueOK()
		modes = append(modes, mode)
		return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
			{Key: "id", Value: int64(0)}, {Key: "ns", Value: "db.c"}, {Key: "firstBatch", Value: bson.A{bson.D{{Key: "n", Value: 7}}}},
		}}}) == nil
	}))
	db := transferDatabase{db: openClient(t, s).Database("db", WithReadPreference(ReadPreference{Mode: Secondary}))}
	for _, count := range []func(context.Context, string) (int64, error){db.Count, db.CountWritten} {
		if n, err := count(t.Context(), "c"); n != 7 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if want := []string{"secondary", ""}; !slices.Equal(modes, want) {
		t.Errorf("counted with the modes %q, want %q", modes, want)
	}
}

// The context of a batch ends the wait for it, be it the cursor's or not.
func TestTransferBatchEndsWithItsContext(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		return r.Name == "find" || scripted.Ping(p, r) // which is never answered
	}))
	cur := transferDatabase{db: openClient(t, s).Database("db")}.Find(t.Context(), "c")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := cur.Next(ctx, new(transfer.Batch)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCloseWithoutContext(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	c := openClient(t, s)
	for name, err := range map[string]error{
		"Close": c.Close(nil), "Disconnect": c.Disconnect(nil), //nolint:staticcheck // the mistake is what is tested
		"CloseContext": c.Database("db").Collection("c").Find(t.Context(), nil).CloseContext(nil), //nolint:staticcheck
	} {
		if !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
