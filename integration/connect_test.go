package integration

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded"
)

func TestConnectAndClose(t *testing.T) {
	client, err := mgx.Connect(t.Context(), serverURI)
	if err != nil {
		t.Fatal(err)
	}
	c := client.Database(databaseName(t, serverURI)).Collection("c")
	insert(t, c, numbered(10)...)
	cur := c.Find(t.Context(), nil, mgx.BatchSize(2))
	if !cur.Next() {
		t.Fatal(cur.Err())
	}
	for range 2 {
		if err := client.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for name, err := range map[string]error{
		"ping":      client.Ping(t.Context()),
		"insert":    second(c.InsertOne(t.Context(), bson.D{})),
		"find":      second(mgx.Collect[bson.Raw](c.Find(t.Context(), nil))),
		"find one":  c.FindOne(t.Context(), nil).Err(),
		"databases": second(client.ListDatabaseNames(t.Context(), nil)),
		"command":   c.Database().RunCommand(t.Context(), bson.D{{"ping", 1}}).Err(),
	} {
		if !errors.Is(err, mgx.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	for cur.Next() {
	}
	if !errors.Is(cur.Err(), mgx.ErrClosed) {
		t.Errorf("an open cursor after Close: %v", cur.Err())
	}
}

// New needs no server, and its operations find one.
func TestNew(t *testing.T) {
	o := must[*mgx.Options](t)(mgx.ParseURI(serverURI))
	client, err := mgx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(t.Context()) }()
	o.Hosts[0] = "changed.example:1" // the client has its own copy
	if err := client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// A client goes on when its server was away.
func TestServerRestart(t *testing.T) {
	dir := t.TempDir()
	start := func(listen string) *embedded.Server {
		t.Helper()
		return must[*embedded.Server](t)(embedded.Start(t.Context(), embedded.Options{Dir: dir, Listen: listen}))
	}
	s := start("")
	client, err := mgx.Connect(t.Context(), s.URI()+"?serverSelectionTimeoutMS=200&heartbeatFrequencyMS=500")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(context.Background()) }()
	c := client.Database("db").Collection("c")
	insert(t, c, bson.D{{"_id", 1}})
	listen := s.Addr()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = c.InsertOne(t.Context(), bson.D{{"_id", 2}})
	if !errors.Is(err, mgx.ErrConnectionFailure) {
		t.Errorf("without a server: %v", err)
	}
	if err = client.Ping(t.Context()); !errors.Is(err, mgx.ErrConnectionFailure) || !strings.Contains(err.Error(), listen) {
		t.Errorf("without a server: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the failures took %v", took)
	}
	s = start(listen)
	defer func() { _ = s.Close() }()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err = c.InsertOne(t.Context(), bson.D{{"_id", 3}}); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	expect(t, found(t, c, nil), `{"_id":1}`, `{"_id":3}`)
}

func TestUnixSocket(t *testing.T) {
	path := t.TempDir() + "/m.sock"
	s := must[*embedded.Server](t)(embedded.Start(t.Context(), embedded.Options{Listen: path}))
	client, err := mgx.Connect(t.Context(), s.URI())
	if err != nil {
		t.Fatal(err)
	}
	c := client.Database("db").Collection("c")
	insert(t, c, bson.D{{"_id", 1}})
	expect(t, found(t, c, nil), `{"_id":1}`)
	if err := client.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestDialer(t *testing.T) {
	var dialled []string
	var mu = make(chan struct{}, 1)
	client := connect(t, func(o *mgx.Options) {
		o.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			mu <- struct{}{}
			dialled = append(dialled, network+" "+address)
			<-mu
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	})
	if err := client.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu <- struct{}{}
	defer func() { <-mu }()
	if len(dialled) < 2 || !strings.HasPrefix(dialled[0], "tcp ") {
		t.Errorf("%v", dialled)
	}
}

// Compressed messages carry the same.
func TestCompressors(t *testing.T) {
	for _, name := range []string{"snappy", "zlib", "zstd"} {
		c := database(t, func(o *mgx.Options) { o.Compressors = []string{name} }).Collection("c")
		insert(t, c, numbered(200)...)
		if n, err := c.CountDocuments(t.Context(), nil); err != nil || n != 200 {
			t.Errorf("%s: %d documents: %v", name, n, err)
		}
	}
}
