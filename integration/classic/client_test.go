package classic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestConstructor(t *testing.T) {
	_, err := mgx.Connect(t.Context(), "mongodb://"+scripted.Refusing(t)+"/?serverSelectionTimeoutMS=200")
	if !errors.Is(err, mgx.ErrConnectionFailure) || errors.Is(err, mgx.ErrAutoReconnect) {
		t.Errorf("nobody listens: %v", err)
	}
	for _, bad := range []string{"mongodb://localhost:99999", "mongodb://localhost:port", "http://localhost",
		"mongodb://"} {
		if _, err := mgx.Connect(t.Context(), bad); !errors.Is(err, mgx.ErrConfiguration) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	// Hosts and URIs in a mixture: the last database and user win.
	o, err := mgx.ParseHosts([]string{"a", "[::1]", "mongodb://u1:p1@b:1000/db1", "mongodb://u2:p2@c/db2"}, 28000)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a:28000", "[::1]:28000", "b:1000", "c:28000"}; !slices.Equal(o.Hosts, want) ||
		o.Database != "db2" || o.Credential.Username != "u2" {
		t.Errorf("%v %s %v", o.Hosts, o.Database, o.Credential)
	}
	// Several standalone servers are no deployment.
	a, b := mgxtest.Standalone(t), mgxtest.Standalone(t)
	_, err = mgx.Connect(t.Context(), "mongodb://"+a.Members()[0].Addr()+","+b.Members()[0].Addr())
	if !errors.Is(err, mgx.ErrConnectionFailure) {
		t.Errorf("two standalone servers: %v", err)
	}
	// What the client was made with is its own.
	size, tags := 3, map[string]string{"dc": "ny"}
	c := connect(t, func(o *mgx.Options) {
		o.MaxPoolSize = &size
		o.ReadPreference = mgx.ReadPreference{Mode: mgx.Nearest, TagSets: []map[string]string{tags, {}}}
	})
	size, tags["dc"] = 4, "la"
	c.ReadPreference().TagSets[0]["dc"] = "sf"
	if c.MaxPoolSize() != 3 || c.ReadPreference().TagSets[0]["dc"] != "ny" {
		t.Errorf("changed from outside: %d, %v", c.MaxPoolSize(), c.ReadPreference())
	}
}

func TestConstructorCredentials(t *testing.T) {
	p := ferretdbcmd.ForTest(t, ferretdbcmd.Options{Username: "root", Password: "pencil"})
	c, err := mgx.Connect(t.Context(), p.UserURI("root", "pencil", "admin"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = mgx.Connect(t.Context(), p.UserURI("root", "chalk", "admin"))
	if !errors.Is(err, mgx.ErrAuthentication) || strings.Contains(err.Error(), "chalk") {
		t.Errorf("a wrong password: %v", err)
	}
}

// An operation that meets a dead connection says that the client reconnects, and
// it does.
func TestAutoReconnect(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI(), func(o *mgx.Options) { o.RetryReads = new(false) })
	coll := c.Database("a").Collection("b")
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, Times: 1, CloseConnection: true})
	err := coll.FindOne(t.Context(), nil).Err()
	if !errors.Is(err, mgx.ErrAutoReconnect) || !errors.Is(err, mgx.ErrConnectionFailure) {
		t.Errorf("on a connection that dies: %v", err)
	}
	if err := coll.FindOne(t.Context(), nil).Err(); !errors.Is(err, mgx.ErrNoDocuments) {
		t.Errorf("the next operation: %v", err)
	}
	// Also after the server was away.
	dep.Members()[0].Kill()
	if err := dep.Members()[0].Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "operations after a restart", func() bool {
		err := coll.FindOne(t.Context(), nil).Err()
		if !errors.Is(err, mgx.ErrNoDocuments) && !errors.Is(err, mgx.ErrAutoReconnect) {
			t.Errorf("after a restart: %v", err)
		}
		return errors.Is(err, mgx.ErrNoDocuments)
	})
}

func TestGetitem(t *testing.T) {
	c := connect(t)
	if db := c.Database("test-database"); db.Name() != "test-database" || db.Client() != c {
		t.Error(db.Name())
	}
	for _, bad := range []string{"", "a b", "a.b", "a$b", "$a", "a/b", `a\b`, "a\x00b", `a"b`,
		strings.Repeat("x", 64), strings.Repeat("ü", 32)} {
		_, err := c.Database(bad).Collection("c").InsertOne(t.Context(), bson.D{})
		if !errors.Is(err, mgx.ErrInvalidName) {
			t.Errorf("%q: %v", bad, err)
		}
		err = c.Database(bad).RunCommand(t.Context(), bson.D{{"ping", 1}}).Err()
		if !errors.Is(err, mgx.ErrInvalidName) {
			t.Errorf("%q: a command: %v", bad, err)
		}
	}
	for _, good := range []string{"$external", strings.Repeat("x", 63)} {
		err := c.Database(good).RunCommand(t.Context(), bson.D{{"ping", 1}}).Err()
		if errors.Is(err, mgx.ErrInvalidName) {
			t.Error(err)
		}
	}
}

func TestDisconnect(t *testing.T) {
	t.Run("opens again", func(t *testing.T) {
		dep := mgxtest.Standalone(t)
		c := connectTo(t, dep.URI())
		for range 2 {
			if err := c.Disconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if c.Host() != "" || c.Port() != 0 {
			t.Errorf("a disconnected client knows the server %s", c.Host())
		}
		eventually(t, "all sockets are closed", func() bool { return dep.Members()[0].Stats().Open == 0 })
		if err := c.Ping(t.Context()); err != nil {
			t.Errorf("a disconnected client does not open again: %v", err)
		}
	})
	t.Run("with an open cursor", func(t *testing.T) {
		c, db := shelf(t, mgxtest.ReplicaSet(t, 1))
		cur := openCursor(t, db.Collection("a"))
		if err := c.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
		list, err := mgx.Collect[bson.Raw](cur)
		if !errors.Is(err, mgx.ErrClosed) {
			t.Errorf("%d more documents: %v", len(list), err)
		}
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("in a request", func(t *testing.T) {
		c := connectTo(t, mgxtest.Standalone(t).URI())
		ctx, req := c.StartRequest(t.Context())
		defer req.End()
		for range 2 {
			if err := c.Database("a").Collection("b").FindOne(ctx, nil).Err(); !errors.Is(err, mgx.ErrNoDocuments) {
				t.Error(err)
			}
			if !c.Alive(ctx) {
				t.Error("not alive")
			}
			req.End()
			ctx, req = c.StartRequest(t.Context())
			if err := c.Ping(ctx); err != nil {
				t.Error(err)
			}
			// The request's connection is closed, too; the request goes on.
			if err := c.Disconnect(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// What is under way ends at once and says why, whatever it is at.
func TestDisconnectInFlight(t *testing.T) {
	for _, how := range []string{"Disconnect", "Close"} {
		t.Run(how, func(t *testing.T) {
			dep := mgxtest.ReplicaSet(t, 1)
			var p pools
			c := connectTo(t, dep.URI(), func(o *mgx.Options) { o.MaxPoolSize = new(1) }, p.observe)
			dep.Members()[0].Delay(time.Minute, "find")
			finds := watch(t, dep, "find")
			ended := make(chan error, 2)
			find := func() { ended <- c.Database("a").Collection("b").FindOne(context.Background(), nil).Err() }
			go find()
			eventually(t, "an operation waits for its reply", func() bool { return len(finds.take()) == 1 })
			go find()
			eventually(t, "one waits for a connection", func() bool { return p.read(&p.waiting) == 1 })
			began := time.Now()
			var err error
			if how == "Close" {
				err = c.Close(context.Background())
			} else {
				// The context bounds the wait, it does not make one.
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err = c.Disconnect(ctx)
			}
			if err != nil {
				t.Error(err)
			}
			for range 2 {
				err := <-ended
				if !errors.Is(err, mgx.ErrClosed) || !errors.Is(err, mgx.ErrConnectionFailure) {
					t.Errorf("an operation in progress: %v", err)
				}
				if text := err.Error(); strings.Count(text, "the client is closed") != 1 {
					t.Errorf("it is said that %s", text)
				}
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
			dep.Members()[0].Delay(0)
			err = c.Ping(t.Context())
			if how == "Disconnect" && err != nil || how == "Close" && !errors.Is(err, mgx.ErrClosed) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestClose(t *testing.T) {
	c := connect(t)
	for range 2 {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := c.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, mgx.ErrClosed) {
		t.Error(err)
	}
	if c.Alive(t.Context()) {
		t.Error("a closed client is alive")
	}
}

// Clients are pointers: each is equal to itself alone, and prints without secrets.
func TestRepr(t *testing.T) {
	o, err := mgx.ParseURI("mongodb://ann:sesame@db1,db2:27018/?connectTimeoutMS=1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := mgx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, verb := range []string{"%v", "%+v", "%s"} {
		if text := fmt.Sprintf(verb, c); text != "mgx.Client(db1:27017,db2:27018)" {
			t.Errorf("%s: %s", verb, text)
		}
	}
	if text := fmt.Sprintf("%#v", c); strings.Contains(text, "sesame") {
		t.Errorf("%s shows the password", text)
	}
}
