package classic

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// secondaryOf returns the URI that leads to a secondary directly.
func secondaryOf(t *testing.T, set *mgxtest.Deployment) string {
	t.Helper()
	for _, m := range set.Members() {
		c, err := mgx.Connect(t.Context(), m.URI())
		if err != nil {
			t.Fatal(err)
		}
		primary := c.IsPrimary()
		_ = c.Close(t.Context())
		if !primary {
			return m.URI()
		}
	}
	t.Fatal("there is no secondary")
	return ""
}

// TestOneHost gives the client one host, a secondary: it finds the primary.
func TestOneHost(t *testing.T) {
	set, err := mgxtest.NewReplicaSet(2)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	options, err := mgx.ParseURI(secondaryOf(t, set))
	if err != nil {
		t.Fatal(err)
	}
	options.DirectConnection = nil
	client, err := mgx.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	if _, err := client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{}); err != nil {
		t.Error(err)
	}
	if !client.IsPrimary() || len(client.Nodes()) != 2 {
		t.Errorf("primary %v, nodes %q", client.IsPrimary(), client.Nodes())
	}
}

// TestDirectSecondary reads from a secondary that the client is connected to
// directly, and writes in vain.
func TestDirectSecondary(t *testing.T) {
	set, err := mgxtest.NewReplicaSet(2)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	client, err := mgx.Connect(t.Context(), secondaryOf(t, set))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	c := client.Database("db").Collection("c")
	if _, err := c.CountDocuments(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := c.InsertOne(t.Context(), bson.D{}); !errors.Is(err, mgx.ErrNotPrimary) || !errors.Is(err, mgx.ErrAutoReconnect) {
		t.Errorf("a write: %v", err)
	}
}

func TestUnknownOption(t *testing.T) {
	options, err := mgx.ParseURI("mongodb://h/?bogus=1")
	if err != nil {
		t.Fatal(err)
	}
	if w := options.Warnings(); len(w) != 1 || !strings.Contains(w[0].String(), "bogus") {
		t.Errorf("the warnings are %q", w)
	}
}

// TestReplicaSetOfStandalone asks a standalone server for a set that it is not in.
func TestReplicaSetOfStandalone(t *testing.T) {
	server, err := mgxtest.NewStandalone()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	_, err = mgx.Connect(t.Context(), server.URI()+"&replicaSet=rs0&serverSelectionTimeoutMS=200")
	if !errors.Is(err, mgx.ErrServerSelection) || !errors.Is(err, mgx.ErrConnectionFailure) || !strings.Contains(err.Error(), "Standalone") {
		t.Errorf("the error is %v", err)
	}
}

func TestUnixSocketsAndPlus(t *testing.T) {
	const path = "/tmp/mongodb-27017.sock"
	options, err := mgx.ParseURI("mongodb://%2Ftmp%2Fmongodb-27017.sock/")
	if err != nil || len(options.Hosts) != 1 || options.Hosts[0] != path {
		t.Errorf("the hosts are %v, %v", options, err)
	}
	if options, err = mgx.ParseHosts([]string{path}, 27017); err != nil || options.Hosts[0] != path {
		t.Errorf("the hosts are %v, %v", options, err)
	}
	if _, err := mgx.ParseURI("mongodb:///tmp/mongodb-27017.sock"); !errors.Is(err, mgx.ErrConfiguration) || !strings.Contains(err.Error(), "%2F") {
		t.Errorf("an unescaped path: %v", err)
	}
	if options, err = mgx.ParseURI("mongodb://u:a+b@h/"); err != nil || options.Credential.Password != "a+b" {
		t.Errorf("a plus in a password: %v", err)
	}
}

func TestGSSAPI(t *testing.T) {
	client, err := mgx.Connect(t.Context(), "mongodb://user%40REALM@127.0.0.1:1/?authMechanism=GSSAPI&serverSelectionTimeoutMS=100")
	if err == nil {
		_ = client.Close(t.Context())
	}
	if !errors.Is(err, mgx.ErrConfiguration) {
		t.Errorf("the error is %v", err)
	}
}

// TestContextEnds has a context end before an operation does.
func TestContextEnds(t *testing.T) {
	server, err := mgxtest.NewStandalone()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := mgx.Connect(t.Context(), server.URI())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	_, err = client.Database("db").Collection("c").CountDocuments(ctx, nil)
	if !errors.Is(err, mgx.ErrTimeout) || errors.Is(err, mgx.ErrConnectionFailure) {
		t.Errorf("the error is %v", err)
	}
}
