// Package sessions tests the sessions that every operation of a client runs in,
// and the cluster time that it passes on. See the specifications "Driver Sessions"
// and "Causal Consistency".
package sessions

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	driverbson "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const patience = 30 * time.Second

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// traffic is what a deployment was sent and what it answered.
type traffic struct {
	mu   sync.Mutex
	list []mgxtest.Command
}

func watch(t testing.TB, dep *mgxtest.Deployment) *traffic {
	tr := &traffic{}
	t.Cleanup(dep.OnReply(func(c mgxtest.Command) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.list = append(tr.list, c)
	}))
	return tr
}

// take returns the operations' commands since the last time.
func (tr *traffic) take() (list []mgxtest.Command) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, c := range tr.list {
		if !isHello(c.Name) {
			list = append(list, c)
		}
	}
	tr.list = nil
	return list
}

func isHello(name string) bool { return name == "hello" || name == "isMaster" || name == "ismaster" }

func open(t testing.TB, uri string, change ...func(*mgx.Options)) *mgx.Client {
	t.Helper()
	o, err := mgx.ParseURI(uri)
	check(t, err)
	for _, f := range change {
		f(o)
	}
	client, err := mgx.Open(bounded(t), o)
	check(t, err)
	t.Cleanup(func() { check(t, client.Close(context.Background())) })
	return client
}

func lsid(c mgxtest.Command) string {
	v, err := c.Body.LookupErr("lsid")
	if err != nil {
		return ""
	}
	return v.String()
}

// operations are one of each kind.
var operations = map[string]func(context.Context, *mgx.Client) error{
	"ping":   func(ctx context.Context, c *mgx.Client) error { return c.Ping(ctx) },
	"insert": func(ctx context.Context, c *mgx.Client) error { _, err := coll(c).InsertOne(ctx, bson.D{}); return err },
	"find": func(ctx context.Context, c *mgx.Client) error {
		_, err := mgx.Collect[bson.D](coll(c).Find(ctx, nil))
		return err
	},
	"update": func(ctx context.Context, c *mgx.Client) error {
		_, err := coll(c).UpdateMany(ctx, nil, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}})
		return err
	},
	"aggregate": func(ctx context.Context, c *mgx.Client) error { _, err := coll(c).CountDocuments(ctx, nil); return err },
	"listDatabases": func(ctx context.Context, c *mgx.Client) error {
		_, err := c.ListDatabaseNames(ctx, nil)
		return err
	},
	"buildInfo": func(ctx context.Context, c *mgx.Client) error {
		err := c.Database("s").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Err()
		return err
	},
}

func coll(c *mgx.Client) *mgx.Collection { return c.Database("s").Collection("c") }

// One operation after the other needs one session only.
func TestSessionsAreReused(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := open(t, dep.URI())
	seen := watch(t, dep)
	for range 3 {
		for name, do := range operations {
			if err := do(bounded(t), client); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	ids := map[string]bool{}
	for _, c := range seen.take() {
		if lsid(c) == "" {
			t.Errorf("%s has no lsid", c.Name)
		}
		ids[lsid(c)] = true
	}
	if len(ids) != 1 {
		t.Errorf("%d sessions", len(ids))
	}
}

// A session is taken when a connection was: prose test 14 of the specification.
func TestSessionsAreNoMoreThanConnections(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := open(t, dep.URI(), func(o *mgx.Options) { o.MaxPoolSize = new(1) })
	seen := watch(t, dep)
	var wg sync.WaitGroup
	for name, do := range operations {
		for range 5 {
			wg.Go(func() {
				if err := do(bounded(t), client); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	wg.Wait()
	ids, commands := map[string]bool{}, seen.take()
	for _, c := range commands {
		ids[lsid(c)] = true
	}
	// A connection can be taken again a moment before the session is.
	if len(ids) > 3 {
		t.Errorf("%d sessions for %d commands on one connection", len(ids), len(commands))
	}
}

// A cursor keeps its session, and gives it back at its end.
func TestCursorKeepsItsSession(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := open(t, dep.URI())
	for range 10 {
		_, err := coll(client).InsertOne(bounded(t), bson.D{})
		check(t, err)
	}
	seen := watch(t, dep)
	for name, finish := range map[string]func(*mgx.Cursor) error{
		"to the end": func(c *mgx.Cursor) error {
			for c.Next() {
			}
			return c.Err()
		},
		"closed": (*mgx.Cursor).Close,
	} {
		cur := coll(client).Find(bounded(t), nil, mgx.BatchSize(3))
		if !cur.Next() {
			t.Fatal(cur.Err())
		}
		check(t, client.Ping(bounded(t)))
		check(t, finish(cur))
		check(t, client.Ping(bounded(t)))
		list := seen.take()
		first, ping, last := list[0], list[1], list[len(list)-1]
		if lsid(first) == lsid(ping) {
			t.Errorf("%s: another operation used the cursor's session", name)
		}
		for _, c := range list {
			if (c.Name == "getMore" || c.Name == "killCursors") && lsid(c) != lsid(first) {
				t.Errorf("%s: %s runs in another session", name, c.Name)
			}
		}
		if lsid(last) != lsid(first) && lsid(last) != lsid(ping) {
			t.Errorf("%s: the sessions were not given back", name)
		}
	}
}

// A session that a network error hit is not used again.
func TestDirtySession(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := open(t, dep.URI())
	seen := watch(t, dep)
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1, CloseConnection: true})
	_, err := coll(client).InsertOne(bounded(t), bson.D{})
	check(t, err)
	check(t, client.Ping(bounded(t)))
	list := seen.take()
	if len(list) != 3 {
		t.Fatalf("%d commands", len(list))
	}
	if lsid(list[0]) != lsid(list[1]) {
		t.Error("the retry ran in another session")
	}
	if lsid(list[2]) == lsid(list[0]) {
		t.Error("the dirty session was used again")
	}
}

// The number of a retryable write goes up by one with each, and a retry repeats it.
func TestTxnNumber(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := open(t, dep.URI())
	seen := watch(t, dep)
	for range 3 {
		_, err := coll(client).InsertOne(bounded(t), bson.D{})
		check(t, err)
	}
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1, ErrorCode: 10107})
	_, err := coll(client).InsertOne(bounded(t), bson.D{})
	check(t, err)
	var got []int64
	for _, c := range seen.take() {
		n, _ := c.Body.Lookup("txnNumber").AsInt64OK()
		got = append(got, n)
	}
	if want := []int64{1, 2, 3, 4, 4}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("numbers %v, want %v", got, want)
	}
}

// Unacknowledged writes have no session.
func TestUnacknowledgedWritesHaveNoSession(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := open(t, dep.URI()+"&w=0")
	seen := watch(t, dep)
	_, err := coll(client).InsertOne(bounded(t), bson.D{})
	check(t, err)
	check(t, client.Ping(bounded(t)))
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		seen.mu.Lock()
		n := len(seen.list)
		seen.mu.Unlock()
		if n >= 2 {
			break
		}
	}
	for _, c := range seen.take() {
		if c.Name == "insert" && lsid(c) != "" {
			t.Error("an unacknowledged write has a session")
		}
	}
}

// A server without sessions gets none: prose test 18 of the specification.
func TestServerWithoutSessions(t *testing.T) {
	dep := mgxtest.Standalone(t, mgxtest.SessionTimeout(0))
	client := open(t, dep.URI())
	seen := watch(t, dep)
	for name, do := range operations {
		if err := do(bounded(t), client); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for _, c := range seen.take() {
		if lsid(c) != "" {
			t.Errorf("%s has an lsid", c.Name)
		}
	}
}

// Close ends the sessions on the server.
func TestCloseEndsSessions(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := open(t, dep.URI())
	seen := watch(t, dep)
	check(t, client.Ping(bounded(t)))
	check(t, client.Close(bounded(t)))
	list := seen.take()
	last := list[len(list)-1]
	if last.Name != "endSessions" || last.DB != "admin" {
		t.Fatalf("the last command is %s on %s", last.Name, last.DB)
	}
	ended, _ := last.Body.Lookup("endSessions").Array().Values()
	if len(ended) != 1 || ended[0].String() != lsid(list[0]) {
		t.Errorf("ended %v, want %s", ended, lsid(list[0]))
	}
	if lsid(last) != "" {
		t.Error("endSessions itself runs in a session")
	}
}

// Each command sends the highest cluster time that any reply has had, those of
// failed commands included: prose test 3 of the specification.
func TestClusterTimeIsPassedOn(t *testing.T) {
	for name, dep := range map[string]*mgxtest.Deployment{"replica set": mgxtest.ReplicaSet(t, 1), "sharded": mgxtest.Sharded(t, mgxtest.Mongoses(1))} {
		t.Run(name, func(t *testing.T) {
			client := open(t, dep.URI())
			seen := watch(t, dep)
			for range 2 {
				_, err := coll(client).InsertOne(bounded(t), bson.D{})
				check(t, err)
				if err := client.Database("s").RunCommand(bounded(t), bson.D{{Key: "nonsense", Value: 1}}).Err(); err == nil {
					t.Fatal("a command that does not exist succeeded")
				}
				check(t, client.Ping(bounded(t)))
			}
			var previous string
			for _, c := range seen.take() {
				sent := ""
				if v, err := c.Body.LookupErr("$clusterTime"); err == nil {
					sent = v.Document().Lookup("clusterTime").String()
				}
				if previous != "" && sent != previous {
					t.Errorf("%s sends the time %s, the last reply had %s", c.Name, sent, previous)
				}
				previous = replyTime(t, c)
			}
		})
	}
}

func replyTime(t *testing.T, c mgxtest.Command) string {
	t.Helper()
	raw, err := driverbson.Marshal(c.Reply)
	check(t, err)
	v, err := driverbson.Raw(raw).LookupErr("$clusterTime", "clusterTime")
	if err != nil {
		t.Fatalf("the reply to %s has no $clusterTime: %v", c.Name, driverbson.Raw(raw))
	}
	return v.String()
}

// Neither monitoring nor handshakes pass cluster times on: prose test 20 of the
// specification.
func TestMonitorsDoNotPassClusterTimeOn(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	seen := watch(t, dep)
	client := open(t, dep.URI(), func(o *mgx.Options) { o.HeartbeatInterval = 500 * time.Millisecond })
	for range 3 {
		_, err := coll(client).InsertOne(bounded(t), bson.D{})
		check(t, err)
		dep.Members()[0].CloseConnections()
	}
	time.Sleep(600 * time.Millisecond)
	seen.mu.Lock()
	defer seen.mu.Unlock()
	hellos := 0
	for _, c := range seen.list {
		if !isHello(c.Name) {
			continue
		}
		hellos++
		if _, err := c.Body.LookupErr("$clusterTime"); err == nil {
			t.Error("a hello has a $clusterTime")
		}
		if lsid(c) != "" {
			t.Error("a hello has an lsid")
		}
	}
	if hellos < 3 {
		t.Errorf("%d hellos were seen", hellos)
	}
}

// A standalone server is not sent cluster times.
func TestStandaloneGetsNoClusterTime(t *testing.T) {
	dep := mgxtest.Standalone(t)
	client := open(t, dep.URI())
	seen := watch(t, dep)
	for range 2 {
		check(t, client.Ping(bounded(t)))
	}
	for _, c := range seen.take() {
		if _, err := c.Body.LookupErr("$clusterTime"); err == nil {
			t.Errorf("%s has a $clusterTime", c.Name)
		}
	}
}
