package mgx

import (
	"errors"
	"testing"

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
	err := transferDatabase{db: c.Database("db")}.Find(t.Context(), "c").Next(&batch)
	if !errors.Is(err, ErrProtocol) || len(batch.Docs) > 0 {
		t.Errorf("%d documents came with the error %v", len(batch.Docs), err)
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
