package dropin

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/mgxtest"
	"github.com/mgxdb/mgx/mongo"
	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

var server *embedded.Server

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	var err error
	server, err = embedded.Start(ctx, embedded.Options{})
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = server.Close()
	os.Exit(code)
}

// drivers connects both drivers with the same options.
func drivers(t testing.TB, uri string, change func(*options.ClientOptions)) (*official.Client, *mongo.Client) {
	t.Helper()
	make := func() *options.ClientOptions {
		o := options.Client().ApplyURI(uri).SetServerSelectionTimeout(10 * time.Second)
		if change != nil {
			change(o)
		}
		return o
	}
	theirs, err := official.Connect(make())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Disconnect(context.Background()) })
	ours, err := mongo.Connect(make())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Disconnect(context.Background()) })
	return theirs, ours
}

// replicaSet is a simulated deployment of one member.
func replicaSet(t testing.TB) string {
	t.Helper()
	return mgxtest.ReplicaSet(t, 1).URI()
}
