package classic

import (
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestAlive(t *testing.T) {
	dep := mgxtest.Standalone(t)
	var p pools
	c := connectTo(t, dep.URI(), p.observe)
	sent := watch(t, dep)
	created := p.read(&p.created)
	for range 10 {
		if !c.Alive(t.Context()) {
			t.Fatal("not alive")
		}
	}
	if list := sent.take(); len(list) > 0 {
		t.Errorf("%s was sent", list[0].Name)
	}
	if n := p.read(&p.created); n != created {
		t.Errorf("%d connections were opened", n-created)
	}
}

// dies has the server close the connection of an unacknowledged write, of which
// nobody but Alive can know by then.
func dies(t *testing.T, dep *mgxtest.Deployment) {
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1, CloseConnection: true})
}

func TestAliveDeadSocket(t *testing.T) {
	dep := mgxtest.Standalone(t)
	var p pools
	c := connectTo(t, dep.URI(), p.observe)
	created := p.read(&p.created)
	dies(t, dep)
	coll := c.Database("a").Collection("b", mgx.WithWriteConcern(mgx.Unacknowledged()))
	if _, err := coll.InsertOne(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dead socket is seen", func() bool { return !c.Alive(t.Context()) })
	if n := p.read(&p.created); n != created {
		t.Errorf("%d connections were opened to look at one", n-created)
	}
	// There is none now, so one is opened.
	if !c.Alive(t.Context()) || p.read(&p.created) != created+1 {
		t.Errorf("%d connections were opened", p.read(&p.created)-created)
	}
}

func TestAliveOfRequest(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI())
	ctx, req := c.StartRequest(t.Context())
	defer req.End()
	coll := c.Database("a").Collection("b")
	if _, err := coll.InsertOne(ctx, bson.D{}); err != nil {
		t.Fatal(err)
	}
	if !c.Alive(ctx) {
		t.Error("not alive")
	}
	dies(t, dep)
	if _, err := coll.InsertOne(ctx, bson.D{}, mgx.WithWriteConcern(mgx.Unacknowledged())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the request's dead socket is seen", func() bool { return !c.Alive(ctx) })
	// It is replaced: nobody else is to be told.
	if err := coll.FindOne(ctx, nil).Err(); err != nil {
		t.Errorf("the next operation: %v", err)
	}
	if !c.Alive(ctx) {
		t.Error("not alive with a new connection")
	}
}

func TestAliveConnects(t *testing.T) {
	dep := mgxtest.Standalone(t)
	o, err := mgx.ParseURI(dep.URI())
	if err != nil {
		t.Fatal(err)
	}
	var p pools
	p.observe(o)
	c, err := mgx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	sent := watch(t, dep)
	for range 3 {
		if !c.Alive(t.Context()) {
			t.Error("not alive")
		}
	}
	if n := p.read(&p.created); n != 1 {
		t.Errorf("%d connections were opened, want 1", n)
	}
	if err := c.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	if !c.Alive(t.Context()) {
		t.Error("a disconnected client does not open again")
	}
	for _, cmd := range sent.take() {
		if cmd.Name != "endSessions" {
			t.Errorf("%s was sent", cmd.Name)
		}
	}
}

// Without a server the answer does not take serverSelectionTimeoutMS.
func TestAliveWithoutServer(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI(), func(o *mgx.Options) { o.ServerSelectionTimeout = -1 })
	dep.Members()[0].Kill()
	eventually(t, "the loss is seen", func() bool { return c.Host() == "" })
	for range 2 {
		began := time.Now()
		if c.Alive(t.Context()) || time.Since(began) > 20*time.Second {
			t.Errorf("alive, or not after %v", time.Since(began))
		}
	}
	if err := dep.Members()[0].Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server is seen again", func() bool { return c.Alive(t.Context()) })
}
