package ferretdbcmd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx/embedded/internal/cert"
	"github.com/mgxdb/mgx/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// runCommand runs a command on a client of its own.
func runCommand(t *testing.T, uri string, cmd bson.D) (bson.M, error) {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	var reply bson.M
	err = client.Database("admin").RunCommand(t.Context(), cmd).Decode(&reply)
	return reply, err
}

var listDatabases = bson.D{{Key: "listDatabases", Value: 1}}

func TestUsers(t *testing.T) {
	p := ForTest(t, Options{Username: "ann", Password: "pencil"})
	for _, mechanism := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		uri := p.UserURI("ann", "pencil", "admin") + "&authMechanism=" + mechanism
		if _, err := runCommand(t, uri, listDatabases); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
		uri = p.UserURI("ann", "crayon", "admin") + "&authMechanism=" + mechanism
		if _, err := runCommand(t, uri, listDatabases); err == nil {
			t.Errorf("%s: a wrong password is accepted", mechanism)
		}
	}
	if _, err := runCommand(t, p.URI(), listDatabases); err == nil {
		t.Error("works without a user")
	}
	_, err := runCommand(t, p.UserURI("ann", "pencil", "admin"), bson.D{
		{Key: "createUser", Value: "bob"}, {Key: "pwd", Value: "ruler"}, {Key: "roles", Value: bson.A{}},
		{Key: "mechanisms", Value: bson.A{"SCRAM-SHA-256"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runCommand(t, p.UserURI("bob", "ruler", "admin"), listDatabases); err != nil {
		t.Errorf("a second user: %v", err)
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca, crt, key := filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	if err := cert.Make(ca, crt, key, time.Now()); err != nil {
		t.Fatal(err)
	}
	p := ForTest(t, Options{CertFile: crt, KeyFile: key, Username: "ann", Password: "pencil"})
	uri := p.UserURI("ann", "pencil", "admin") + "&tlsCAFile=" + ca
	if _, err := runCommand(t, uri, listDatabases); err != nil {
		t.Fatal(err)
	}
	// One that wants a certificate turns a client without away, and starts all the same.
	p = ForTest(t, Options{CertFile: crt, KeyFile: key, ClientCAFile: ca})
	if _, err := runCommand(t, p.URI()+"&tlsCAFile="+ca+"&serverSelectionTimeoutMS=300", listDatabases); err == nil {
		t.Fatal("works without a certificate")
	}
}

func TestReplicaSet(t *testing.T) {
	p := ForTest(t, Options{ReplicaSet: "rs0"})
	hello, err := runCommand(t, p.URI(), bson.D{{Key: "hello", Value: 1}})
	if err != nil {
		t.Fatal(err)
	}
	hosts, _ := hello["hosts"].(bson.A)
	if hello["setName"] != "rs0" || len(hosts) != 1 || hosts[0] != p.Addr() {
		t.Fatalf("hello says %v", hello)
	}
}

func TestGivenFolder(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		p := ForTest(t, Options{Dir: dir, Username: "ann", Password: "pencil"})
		reply, err := runCommand(t, p.UserURI("ann", "pencil", "admin"), bson.D{{Key: "count", Value: "starts"}})
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := reply["n"].(int32); int(n) != i {
			t.Fatalf("start %d finds %v", i, reply)
		}
		_, err = runCommand(t, p.UserURI("ann", "pencil", "admin"),
			bson.D{{Key: "insert", Value: "starts"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: i}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTemporaryFolderIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	p := ForTest(t, Options{})
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Fatalf("left behind: %v (%v)", left, err)
	}
}

func TestWrongOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		options Options
		says    string
	}{
		{Options{Password: "x"}, "username"},
		{Options{CertFile: "x"}, "KeyFile"},
		{Options{ClientCAFile: "x"}, "CertFile"},
		{Options{CertFile: "x", KeyFile: "y", ReplicaSet: "z"}, "TLS"},
	}
	for _, test := range tests {
		if _, err := Start(t.Context(), test.options); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v", test.options, err)
		}
	}
}

// A command that cannot work is reported with what it printed.
func TestCommandThatEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("may have to build FerretDB first")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.sqlite"), []byte("this is no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Fatalf("error is: %v", err)
	}
}

func TestCancelledBuild(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	cache := t.TempDir()
	if path, err := buildIn(ctx, cache); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("built %q: %v", path, err)
	}
	left, err := filepath.Glob(filepath.Join(cache, "*", "*"))
	if err != nil || len(left) > 0 {
		t.Fatalf("left behind: %q (%v)", left, err)
	}
}

// Whoever waits for the lock gives up with his context.
func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a lock that is taken: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}
