package mgxdebug

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/internal/scripted"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// shown is a client with its page, and the replica set that it talks to.
type shown struct {
	*mgx.Client
	page    *Page
	primary string
	// hold keeps finds on the collection "held" waiting until it is closed.
	hold chan struct{}
}

// serve answers for a member of a replica set.
func serve(hello bson.D, hold chan struct{}) func(*scripted.Peer) {
	return scripted.Greet(hello, func(p *scripted.Peer, r scripted.Request) bool {
		collection, _ := r.Document.Lookup(r.Name).StringValueOK()
		cursor := bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "shop." + collection}, {Key: "firstBatch", Value: bson.A{bson.D{{Key: "_id", Value: 1}}}}}
		switch {
		case collection == "held":
			<-hold
		case collection == "slow":
			time.Sleep(20 * time.Millisecond)
		case collection == "open":
			cursor[0].Value = int64(7)
		}
		switch r.Name {
		case "find", "aggregate":
			return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: cursor}}) == nil
		case "delete":
			return p.Answer(r, bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 13}, {Key: "codeName", Value: "Unauthorized"}, {Key: "errmsg", Value: "not authorized on shop to execute <delete>"}}) == nil
		}
		return scripted.Ping(p, r)
	})
}

// show opens a client with a page.
func show(t *testing.T, config Config) *shown {
	t.Helper()
	s := &shown{hold: make(chan struct{})}
	var hosts bson.A
	var servers []*scripted.Server
	known := make(chan struct{}) // the servers, to each other
	for i := range 3 {
		var answer func(*scripted.Peer)
		server := scripted.Listen(t, func(p *scripted.Peer) { <-known; answer(p) })
		servers, hosts = append(servers, server), append(hosts, server.Address)
		answer = func(p *scripted.Peer) {
			written := bson.NewDateTimeFromTime(time.Now().Add(-time.Duration(i) * 700 * time.Millisecond))
			serve(scripted.Hello(
				bson.E{Key: "setName", Value: "shop0"}, bson.E{Key: "setVersion", Value: 1}, bson.E{Key: "hosts", Value: hosts}, bson.E{Key: "me", Value: server.Address},
				bson.E{Key: "isWritablePrimary", Value: i == 0}, bson.E{Key: "secondary", Value: i > 0},
				bson.E{Key: "tags", Value: bson.D{{Key: "region", Value: []string{"eu-1", "eu-1", "us-2"}[i]}}}, bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30},
				bson.E{Key: "lastWrite", Value: bson.D{{Key: "lastWriteDate", Value: written}}},
			), s.hold)(p)
		}
	}
	close(known)
	s.primary = servers[0].Address
	options := &mgx.Options{Hosts: []string{s.primary}, ReplicaSet: "shop0", HeartbeatInterval: 500 * time.Millisecond, ServerMonitoringMode: "poll"}
	s.page = Instrument(options, config)
	client, err := mgx.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	s.Client = client
	s.page.Watch(client)
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return s
}

func (s *shown) get(t *testing.T, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.page.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	return w
}

// await waits until a snapshot is as it should be.
func (s *shown) await(t *testing.T, what string, ok func(*Snapshot) bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(s.page.Snapshot()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s: %+v", what, s.page.Snapshot())
		}
	}
}
