package mgxtest_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mgxtest"
)

var ann = mgxtest.User{Name: "ann", Password: "p@ss:w/rd %+"}

// eachAuthKind runs a test against every kind of deployment, each of which wants
// credentials.
func eachAuthKind(t *testing.T, run func(t *testing.T, dep *mgxtest.Deployment), more ...mgxtest.User) {
	users := mgxtest.Users(ann, more...)
	t.Run("standalone", func(t *testing.T) { run(t, mgxtest.Standalone(t, users)) })
	t.Run("replica set", func(t *testing.T) { run(t, mgxtest.ReplicaSet(t, 3, users)) })
	t.Run("sharded", func(t *testing.T) { run(t, mgxtest.Sharded(t, users)) })
	t.Run("load balanced", func(t *testing.T) { run(t, mgxtest.LoadBalanced(t, users)) })
}

// driver is a client, mgx or the official driver, that runs commands.
type driver struct {
	name string
	// run runs a command and returns the reply or the code of the error, -1 if it has
	// none.
	run func(t *testing.T, uri, db string, command bson.D) (bson.D, int)
}

var drivers = []driver{
	{"mgx", func(t *testing.T, uri, db string, command bson.D) (bson.D, int) {
		o, err := mgx.ParseURI(uri)
		must(t, err)
		c, err := mgx.New(o)
		must(t, err)
		defer c.Close(context.Background())
		var reply bson.D
		err = c.Database(db).RunCommand(context10(t), command).Decode(&reply)
		var se *mgx.ServerError
		switch {
		case err == nil:
			return reply, 0
		case errors.As(err, &se):
			return nil, int(se.Code)
		}
		t.Log(err)
		return nil, -1
	}},
	{"official", func(t *testing.T, uri, db string, command bson.D) (bson.D, int) {
		var reply bson.D
		err := connect(t, uri).Database(db).RunCommand(context10(t), command).Decode(&reply)
		var ce mongo.CommandError
		switch {
		case err == nil:
			return reply, 0
		case errors.As(err, &ce):
			return nil, int(ce.Code)
		case strings.Contains(err.Error(), "AuthenticationFailed"):
			return nil, 18 // the driver keeps the text alone
		case strings.Contains(err.Error(), "MechanismUnavailable"):
			return nil, 334
		}
		t.Log(err)
		return nil, -1
	}},
}

func eachDriver(t *testing.T, run func(t *testing.T, d driver)) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) { run(t, d) })
	}
}

func TestUsers(t *testing.T) {
	bob := mgxtest.User{Name: "bob", Password: "b", Source: "shop"}
	eachAuthKind(t, func(t *testing.T, dep *mgxtest.Deployment) {
		eachDriver(t, func(t *testing.T, d driver) {
			for _, c := range []struct {
				what    string
				uri     string
				command string
				code    int
			}{
				{"the first user", dep.URI(), "listDatabases", 0},
				{"one of another database", dep.URIFor(bob), "listDatabases", 0},
				{"nobody", dep.URIFor(mgxtest.User{}), "listDatabases", 13},
				{"nobody, who asks for what is open", dep.URIFor(mgxtest.User{}), "ping", 0},
				{"nobody, who asks for what there is not", dep.URIFor(mgxtest.User{}), "noSuchCommand", 59},
				{"a wrong password", dep.URIFor(mgxtest.User{Name: "ann", Password: "guess"}), "ping", 18},
				{"an unknown user", dep.URIFor(mgxtest.User{Name: "eve", Password: "guess"}), "ping", 18},
				{"a user of another database", dep.URIFor(mgxtest.User{Name: "bob", Password: "b"}), "ping", 18},
			} {
				if _, code := d.run(t, c.uri, "admin", kv(c.command, 1)); code != c.code {
					t.Errorf("%s: %s failed with code %d, want %d", c.what, c.command, code, c.code)
				}
			}
		})
	}, bob)
}

func TestUsersOfOneMember(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.Users(ann))
	for _, m := range dep.Members() {
		reply, code := drivers[0].run(t, m.URI(), "admin", kv("connectionStatus", 1))
		if code != 0 {
			t.Errorf("%s: code %d", m, code)
		}
		if who := field(reply, "authInfo", "authenticatedUsers"); !slices.EqualFunc(who.(bson.A), []string{"ann"}, func(v any, name string) bool {
			return field(v.(bson.D), "user") == name
		}) {
			t.Errorf("%s: logged in are %v", m, who)
		}
	}
}

// field looks a value up.
func field(d bson.D, path ...string) any {
	var v any = d
	for _, key := range path {
		inner, _ := v.(bson.D)
		v = nil
		for _, e := range inner {
			if e.Key == key {
				v = e.Value
			}
		}
	}
	return v
}

// conversations records how clients log in: the mechanisms of saslStart and of
// hello's speculation, by the names of the commands.
type conversations struct {
	mu   sync.Mutex
	seen map[string][]string
}

func watch(t *testing.T, dep *mgxtest.Deployment) *conversations {
	c := &conversations{seen: map[string][]string{}}
	t.Cleanup(dep.OnCommand(func(cmd mgxtest.Command) {
		begin := cmd.Body
		if d, ok := cmd.Body.Lookup("speculativeAuthenticate").DocumentOK(); ok {
			begin = d
		}
		if m, ok := begin.Lookup("mechanism").StringValueOK(); ok {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.seen[cmd.Name] = append(c.seen[cmd.Name], m)
		}
	}))
	return c
}

func (c *conversations) take() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = map[string][]string{}
	return seen
}

func TestMechanisms(t *testing.T) {
	old := mgxtest.User{Name: "old", Password: "o", Mechanisms: []string{"SCRAM-SHA-1"}}
	young := mgxtest.User{Name: "young", Password: "y", Mechanisms: []string{"SCRAM-SHA-256"}}
	dep := mgxtest.Standalone(t, mgxtest.Users(ann, old, young))
	log := watch(t, dep)
	eachDriver(t, func(t *testing.T, d driver) {
		for _, c := range []struct {
			what, uri string
			code      int
			// started is the mechanism of saslStart, "" if hello's speculation was right.
			started string
		}{
			{"both", dep.URI(), 0, ""},
			{"both, SHA-1 wanted", dep.URI() + "&authMechanism=SCRAM-SHA-1", 0, ""},
			{"SHA-1 alone", dep.URIFor(old), 0, "SCRAM-SHA-1"},
			{"SHA-256 alone", dep.URIFor(young), 0, ""},
			{"SHA-1 alone, SHA-256 wanted", dep.URIFor(old) + "&authMechanism=SCRAM-SHA-256", 18, "SCRAM-SHA-256"},
			{"SHA-256 alone, SHA-1 wanted", dep.URIFor(young) + "&authMechanism=SCRAM-SHA-1", 18, "SCRAM-SHA-1"},
			{"one that there is not", dep.URI() + "&authMechanism=PLAIN&authSource=admin", 334, "PLAIN"},
		} {
			log.take()
			_, code := d.run(t, c.uri, "admin", kv("listDatabases", 1))
			if code != c.code {
				t.Errorf("%s: code %d, want %d", c.what, code, c.code)
			}
			if got := strings.Join(slices.Compact(log.take()["saslStart"]), " "); got != c.started {
				t.Errorf("%s: saslStart with %q, want %q", c.what, got, c.started)
			}
		}
	})
}

func TestAuthenticationWithoutSpeculation(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1, mgxtest.Users(ann), mgxtest.ServerVersion("4.2.25"))
	log := watch(t, dep)
	// The official driver does not talk to servers so old.
	if _, code := drivers[0].run(t, dep.URI(), "admin", kv("listDatabases", 1)); code != 0 {
		t.Errorf("code %d", code)
	}
	if got := slices.Compact(log.take()["saslStart"]); !slices.Equal(got, []string{"SCRAM-SHA-256"}) {
		t.Errorf("saslStart with %q", got)
	}
}

func TestUserCommands(t *testing.T) {
	eachAuthKind(t, func(t *testing.T, dep *mgxtest.Deployment) {
		ctx := context10(t)
		shop := connect(t, dep.URI()).Database("shop")
		do := func(command bson.D) error { return shop.RunCommand(ctx, command).Err() }
		cy := mgxtest.User{Name: "cy", Password: "1", Source: "shop"}
		login := func(u mgxtest.User, want int) {
			t.Helper()
			eachDriver(t, func(t *testing.T, d driver) {
				t.Helper()
				if _, code := d.run(t, dep.URIFor(u), "shop", kv("listCollections", 1)); code != want {
					t.Errorf("code %d, want %d", code, want)
				}
			})
		}
		must(t, do(kv("createUser", "cy", "pwd", "1", "roles", bson.A{"readWrite"})))
		login(cy, 0)
		var ce mongo.CommandError
		if err := do(kv("createUser", "cy", "pwd", "1", "roles", bson.A{})); !errors.As(err, &ce) || ce.Code != 51003 {
			t.Errorf("a second one: %v", err)
		}
		must(t, do(kv("updateUser", "cy", "pwd", "2", "mechanisms", bson.A{"SCRAM-SHA-1"})))
		login(cy, 18)
		cy.Password = "2"
		login(cy, 0)
		var info bson.D
		must(t, shop.RunCommand(ctx, kv("usersInfo", "cy")).Decode(&info))
		list := field(info, "users").(bson.A)
		if len(list) != 1 {
			t.Fatalf("usersInfo: %v", info)
		}
		one := list[0].(bson.D)
		if m := field(one, "mechanisms").(bson.A); len(m) != 1 || m[0] != "SCRAM-SHA-1" || field(one, "_id") != "shop.cy" {
			t.Errorf("usersInfo: %v", one)
		}
		role := field(one, "roles").(bson.A)[0].(bson.D)
		if field(role, "role") != "readWrite" || field(role, "db") != "shop" {
			t.Errorf("role %v", role)
		}
		for arg, want := range map[any]int{1: 1, "nobody": 0} {
			must(t, shop.RunCommand(ctx, kv("usersInfo", arg)).Decode(&info))
			if n := len(field(info, "users").(bson.A)); n != want {
				t.Errorf("usersInfo: %v: %d users", arg, n)
			}
		}
		must(t, do(kv("dropUser", "cy")))
		login(cy, 18)
		if err := do(kv("dropUser", "cy")); !errors.As(err, &ce) || ce.Code != 11 {
			t.Errorf("dropped twice: %v", err)
		}
	})
}

// TestUserDropped is about one who is dropped while logged in.
func TestUserDropped(t *testing.T) {
	dep := mgxtest.Standalone(t, mgxtest.Users(ann, mgxtest.User{Name: "bob", Password: "b"}))
	ctx := context10(t)
	bob := connect(t, dep.URIFor(mgxtest.User{Name: "bob", Password: "b"})).Database("shop")
	must(t, bob.RunCommand(ctx, kv("listCollections", 1)).Err())
	must(t, connect(t, dep.URI()).Database("admin").RunCommand(ctx, kv("dropUser", "bob")).Err())
	var ce mongo.CommandError
	if err := bob.RunCommand(ctx, kv("listCollections", 1)).Err(); !errors.As(err, &ce) || ce.Code != 13 {
		t.Errorf("after the user was dropped: %v", err)
	}
}

func TestAuthenticationFailsByFailPoint(t *testing.T) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) {
			dep := mgxtest.Standalone(t, mgxtest.Users(ann))
			dep.FailCommand(mgxtest.FailCommand{Commands: []string{"saslContinue"}, ErrorCode: 18, Times: 1})
			if _, code := d.run(t, dep.URI(), "admin", kv("ping", 1)); code != 18 {
				t.Errorf("code %d, want 18", code)
			}
			if _, code := d.run(t, dep.URI(), "admin", kv("ping", 1)); code != 0 {
				t.Errorf("after the fail point: code %d", code)
			}
		})
	}
}

// TestReauthentication is about a connection that the server asks to log in again.
// (The official driver cannot, with SCRAM.)
func TestReauthentication(t *testing.T) {
	dep := mgxtest.Standalone(t, mgxtest.Users(ann))
	var mu sync.Mutex
	var seen []string
	dep.OnCommand(func(c mgxtest.Command) {
		mu.Lock()
		defer mu.Unlock()
		if c.Name == "find" || c.Name == "saslStart" {
			seen = append(seen, c.Name+" on "+strconv.FormatInt(c.ConnectionID, 10))
		}
	})
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, ErrorCode: 391, Times: 1})
	if _, code := drivers[0].run(t, dep.URI(), "shop", kv("find", "orders")); code != 0 {
		t.Errorf("code %d", code)
	}
	mu.Lock()
	defer mu.Unlock()
	names := strings.Join(seen, ", ")
	_, id, _ := strings.Cut(names, " on ")
	id, _, _ = strings.Cut(id, ",")
	if want := strings.ReplaceAll("find on N, saslStart on N, find on N", "N", id); names != want {
		t.Errorf("the server saw %s; want %s", names, want)
	}
}

func TestUsersAreChecked(t *testing.T) {
	for _, u := range []mgxtest.User{{Password: "x"}, {Name: "x"}, {Name: "x", Password: "x", Mechanisms: []string{"SCRAM-MD5"}}} {
		if d, err := mgxtest.NewStandalone(mgxtest.Users(u)); err == nil {
			d.Close()
			t.Errorf("%+v was taken", u)
		}
	}
}

// TestLogout sends commands over one connection.
func TestLogout(t *testing.T) {
	dep := mgxtest.Standalone(t, mgxtest.Users(ann))
	ctx := context10(t)
	admin := connect(t, dep.URI(), func(o *options.ClientOptions) { o.SetMaxPoolSize(1) }).Database("admin")
	must(t, admin.RunCommand(ctx, kv("listDatabases", 1)).Err())
	must(t, admin.RunCommand(ctx, kv("logout", 1)).Err())
	var ce mongo.CommandError
	if err := admin.RunCommand(ctx, kv("listDatabases", 1)).Err(); !errors.As(err, &ce) || ce.Code != 13 {
		t.Errorf("after logging out: %v", err)
	}
}

// TestTokens is about MONGODB-OIDC, and a server that wants the token again.
func TestTokens(t *testing.T) {
	machine := mgxtest.User{Name: "machine", Password: "a token", Mechanisms: []string{"MONGODB-OIDC"}}
	dep := mgxtest.Sharded(t, mgxtest.Users(ann, machine), mgxtest.Mongoses(1))
	log := watch(t, dep)
	command := kv("connectionStatus", 1)
	login := map[string]func(token string) (bson.D, error){
		"mgx": func(token string) (reply bson.D, err error) {
			o, err := mgx.ParseURI(dep.URIFor(machine))
			must(t, err)
			o.Credential.OIDCCallback = func(context.Context, mgx.OIDCArgs) (mgx.OIDCToken, error) {
				return mgx.OIDCToken{AccessToken: token}, nil
			}
			c, err := mgx.New(o)
			must(t, err)
			defer c.Close(context.Background())
			err = c.Database("admin").RunCommand(context10(t), command).Decode(&reply)
			return reply, err
		},
		"official": func(token string) (reply bson.D, err error) {
			c := connect(t, dep.URIFor(mgxtest.User{}), func(o *options.ClientOptions) {
				o.SetAuth(options.Credential{AuthMechanism: "MONGODB-OIDC", AuthSource: "$external",
					OIDCMachineCallback: func(context.Context, *options.OIDCArgs) (*options.OIDCCredential, error) {
						return &options.OIDCCredential{AccessToken: token}, nil
					}})
			})
			err = c.Database("admin").RunCommand(context10(t), command).Decode(&reply)
			return reply, err
		},
	}
	for name, run := range login {
		t.Run(name, func(t *testing.T) {
			if reply, err := run("another token"); err == nil {
				t.Errorf("a wrong token was taken: %v", reply)
			}
			log.take()
			dep.FailCommand(mgxtest.FailCommand{Commands: []string{"connectionStatus"}, ErrorCode: 391, Times: 1})
			reply, err := run("a token")
			must(t, err)
			who := field(reply, "authInfo", "authenticatedUsers").(bson.A)
			if len(who) != 1 || field(who[0].(bson.D), "user") != "machine" || field(who[0].(bson.D), "db") != "$external" {
				t.Errorf("logged in are %v", who)
			}
			if seen := log.take()["saslStart"]; len(seen) < 2 || !slices.Equal(slices.Compact(seen), []string{"MONGODB-OIDC"}) {
				t.Errorf("the server saw %v, not one more after it wanted the token again", seen)
			}
		})
	}
}

// TestLoginDeclaresAPI is about servers that want each command to declare the version
// of its API, those of logging in too.
func TestLoginDeclaresAPI(t *testing.T) {
	young := mgxtest.User{Name: "young", Password: "y", Mechanisms: []string{"SCRAM-SHA-1"}}
	dep := mgxtest.LoadBalanced(t, mgxtest.Users(young), mgxtest.Parameter("requireApiVersion", true))
	log := watch(t, dep)
	o, err := mgx.ParseURI(dep.URI())
	must(t, err)
	o.ServerAPI = &mgx.ServerAPI{Version: "1"}
	c, err := mgx.New(o)
	must(t, err)
	_, err = c.ListDatabaseNames(context10(t), nil)
	must(t, err)
	must(t, c.Close(context10(t)))
	if seen := log.take()["saslStart"]; len(seen) == 0 {
		t.Error("hello's speculation was right: saslStart was not sent")
	}
	official := connect(t, dep.URI(), func(o *options.ClientOptions) { o.SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion1)) })
	_, err = official.ListDatabaseNames(context10(t), kv())
	must(t, err)
}

// TestPasswordsArePrepared follows step 4 of the specification's prose tests of
// SCRAM-SHA-256, and has a name of characters that mean something elsewhere.
func TestPasswordsArePrepared(t *testing.T) {
	odd := mgxtest.User{Name: "a=b,c d@:/%", Password: "=2C,"}
	dep := mgxtest.Standalone(t, mgxtest.Users(
		mgxtest.User{Name: "IX", Password: "IX"}, mgxtest.User{Name: "\u2168", Password: "\u2163"}, odd))
	eachDriver(t, func(t *testing.T, d driver) {
		for _, u := range []mgxtest.User{
			odd, {Name: "IX", Password: "IX"}, {Name: "IX", Password: "I\u00adX"}, {Name: "\u2168", Password: "IV"}, {Name: "\u2168", Password: "I\u00adV"},
		} {
			for _, mechanism := range []string{"", "&authMechanism=SCRAM-SHA-256"} {
				if _, code := d.run(t, dep.URIFor(u)+mechanism, "admin", kv("listDatabases", 1)); code != 0 {
					t.Errorf("%q with %q %s: code %d", u.Name, u.Password, mechanism, code)
				}
			}
		}
		if _, code := d.run(t, dep.URIFor(odd)+"&authMechanism=SCRAM-SHA-1", "admin", kv("listDatabases", 1)); code != 0 {
			t.Errorf("SCRAM-SHA-1: code %d", code)
		}
	})
}

// TestLoginAfterFailover kills the primary under clients that are logged in.
func TestLoginAfterFailover(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.Users(ann))
	ctx := context10(t)
	c, err := mgx.Connect(ctx, dep.URI())
	must(t, err)
	defer c.Close(context.Background())
	ours := c.Database("shop").Collection("orders")
	theirs := connect(t, dep.URI()).Database("shop").Collection("orders")
	for i := range 3 {
		if i > 0 {
			dep.Primary().Kill()
		}
		_, err := ours.InsertOne(ctx, kv("by", "mgx", "round", i))
		must(t, err)
		_, err = theirs.InsertOne(ctx, kv("by", "official", "round", i))
		must(t, err)
		for _, m := range dep.Members() {
			must(t, m.Restart())
		}
	}
	if n := count(t, theirs, kv()); n != 6 {
		t.Errorf("%d documents", n)
	}
}
