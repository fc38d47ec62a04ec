package classic

import (
	"errors"
	"net"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/mgxtest"
)

// keywords are the constructor's keyword arguments: how each is written in a
// connection string, and what it becomes in Options.
var keywords = []struct {
	name, options string
	get           func(o *mgx.Options) any
	want          any
}{
	{"max_pool_size", "maxPoolSize=7", func(o *mgx.Options) any { return *o.MaxPoolSize }, 7},
	{"tz_aware", "tz_aware=true", func(o *mgx.Options) any { return o.TimeLocation }, time.UTC},
	{"socketTimeoutMS", "socketTimeoutMS=70", func(o *mgx.Options) any { return o.SocketTimeout },
		70 * time.Millisecond},
	{"network_timeout", "network_timeout=1.5", func(o *mgx.Options) any { return o.SocketTimeout },
		1500 * time.Millisecond},
	{"connectTimeoutMS", "connectTimeoutMS=70", func(o *mgx.Options) any { return o.ConnectTimeout },
		70 * time.Millisecond},
	{"waitQueueTimeoutMS", "waitQueueTimeoutMS=70", func(o *mgx.Options) any { return o.WaitQueueTimeout },
		70 * time.Millisecond},
	{"waitQueueMultiple", "waitQueueMultiple=7", func(o *mgx.Options) any { return o.WaitQueueMultiple }, 7},
	{"auto_start_request", "auto_start_request=true", func(o *mgx.Options) any { return o.AutoStartRequest }, true},
	{"w", "w=2", func(o *mgx.Options) any { return o.WriteConcern.W }, 2},
	{"w", "w=eastDC", func(o *mgx.Options) any { return o.WriteConcern.W }, "eastDC"},
	{"wtimeout", "w=2&wtimeout=70", func(o *mgx.Options) any { return o.WriteConcern.Timeout }, 70 * time.Millisecond},
	{"j", "j=true", func(o *mgx.Options) any { return *o.WriteConcern.Journal }, true},
	{"fsync", "fsync=true", func(o *mgx.Options) any { return *o.WriteConcern.Fsync }, true},
	{"safe", "safe=false", func(o *mgx.Options) any { return o.WriteConcern.W }, 0},
	{"replicaSet", "replicaSet=tea", func(o *mgx.Options) any { return o.ReplicaSet }, "tea"},
	{"read_preference", "read_preference=secondary", func(o *mgx.Options) any { return o.ReadPreference.Mode },
		mgx.Secondary},
	{"tag_sets", "read_preference=nearest&tag_sets=dc:ny,disk:ssd&tag_sets=",
		func(o *mgx.Options) any { return o.ReadPreference.TagSets },
		[]map[string]string{{"dc": "ny", "disk": "ssd"}, {}}},
	{"secondary_acceptable_latency_ms", "secondary_acceptable_latency_ms=1.5",
		func(o *mgx.Options) any { return o.LocalThreshold },
		1500 * time.Microsecond},
	{"slave_okay", "slave_okay=true", func(o *mgx.Options) any { return o.ReadPreference.Mode },
		mgx.SecondaryPreferred},
	{"ssl", "ssl=true", func(o *mgx.Options) any { return o.TLS != nil }, true},
	{"ssl_keyfile", "ssl_certfile=c&ssl_keyfile=k", func(o *mgx.Options) any { return o.TLS.KeyFile }, "k"},
	{"ssl_certfile", "ssl_certfile=c", func(o *mgx.Options) any { return o.TLS.CertFile }, "c"},
	{"ssl_cert_reqs", "ssl_cert_reqs=none", func(o *mgx.Options) any { return o.TLS.AllowInvalidCertificates }, true},
	{"ssl_ca_certs", "ssl_ca_certs=f", func(o *mgx.Options) any { return o.TLS.CAFile }, "f"},
	{"authMechanism", "authMechanism=SCRAM-SHA-1", func(o *mgx.Options) any { return o.Credential.Mechanism },
		"SCRAM-SHA-1"},
	{"authSource", "authSource=users", func(o *mgx.Options) any { return o.Credential.Source }, "users"},
}

func TestConstructorOptions(t *testing.T) {
	for _, k := range keywords {
		o, err := mgx.ParseURI("mongodb://ann:sesame@h/?" + k.options)
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		if got := k.get(o); !reflect.DeepEqual(got, k.want) {
			t.Errorf("%s is %v, want %v", k.name, got, k.want)
		}
	}
	// Names are not sensitive to case; what is unknown is told, and no error.
	o, err := mgx.ParseURI("mongodb://h/?SOCKETTIMEOUTMS=70&use_greenlets=true")
	if err != nil || o.SocketTimeout != 70*time.Millisecond {
		t.Fatalf("%v %v", o, err)
	}
	if w := o.Warnings(); len(w) != 1 || !strings.Contains(w[0].String(), "use_greenlets") {
		t.Errorf("warnings: %v", w)
	}
}

func TestSocketTimeoutMS(t *testing.T) {
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI()+"&socketTimeoutMS=50&retryReads=false")
	dep.Members()[0].Delay(time.Minute, "find")
	err := c.Database("a").Collection("b").FindOne(t.Context(), nil).Err()
	if !errors.Is(err, mgx.ErrTimeout) || !errors.Is(err, mgx.ErrAutoReconnect) {
		t.Error(err)
	}
}

// A server that accepts connections and says nothing.
func TestConnectTimeoutMS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	uri := "mongodb://" + l.Addr().String() + "/?connectTimeoutMS=50&serverSelectionTimeoutMS=500"
	_, err = mgx.Connect(t.Context(), uri)
	if !errors.Is(err, mgx.ErrConnectionFailure) || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if err == nil || !strings.Contains(err.Error(), "connectTimeoutMS") {
		t.Errorf("%v does not say which limit it was", err)
	}
}

// queued has one operation hold the only connection, and another wait for it.
func queued(t *testing.T, options string) (*mgx.Client, chan error) {
	t.Helper()
	dep := mgxtest.Standalone(t)
	var p pools
	c := connectTo(t, dep.URI()+"&maxPoolSize=1&"+options, p.observe)
	dep.Members()[0].Delay(time.Minute, "find")
	finds := watch(t, dep, "find")
	ended := make(chan error, 2)
	find := func() { ended <- c.Database("a").Collection("b").FindOne(t.Context(), nil).Err() }
	go find()
	eventually(t, "the first has the connection", func() bool { return finds.count() == 1 })
	go find()
	eventually(t, "the second wants it", func() bool { return p.read(&p.waiting) == 1 || len(ended) > 0 })
	t.Cleanup(func() { _ = c.Disconnect(t.Context()) })
	return c, ended
}

func TestWaitQueueTimeoutMS(t *testing.T) {
	_, ended := queued(t, "waitQueueTimeoutMS=50")
	if err := <-ended; !errors.Is(err, mgx.ErrWaitQueueTimeout) || !errors.Is(err, mgx.ErrConnectionFailure) {
		t.Errorf("the operation that waits for a connection: %v", err)
	}
}

// One operation may wait; of two, whichever comes later is told at once.
func TestWaitQueueMultiple(t *testing.T) {
	c, ended := queued(t, "waitQueueMultiple=1")
	pinged := make(chan error, 1)
	go func() { pinged <- c.Ping(t.Context()) }()
	var err error
	select {
	case err = <-ended:
	case err = <-pinged:
	}
	if !errors.Is(err, mgx.ErrExceededMaxWaiters) || !errors.Is(err, mgx.ErrConnectionFailure) {
		t.Errorf("one more than may wait: %v", err)
	}
	if len(ended)+len(pinged) > 0 {
		t.Error("the one that may wait does not")
	}
	if err := c.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReplicaSet(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1, mgxtest.SetName("tea"))
	seed := "mongodb://" + dep.Members()[0].Addr() + "/?serverSelectionTimeoutMS=500&replicaSet="
	connectTo(t, seed+"tea")
	_, err := mgx.Connect(t.Context(), seed+"coffee")
	if !errors.Is(err, mgx.ErrConnectionFailure) || !strings.Contains(err.Error(), "tea") {
		t.Errorf("another set: %v", err)
	}
}

func TestSSL(t *testing.T) {
	s, err := embedded.Start(t.Context(), embedded.Options{TLS: &embedded.TLS{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	at := "mongodb://" + s.Addr() + "/?"
	for options, works := range map[string]bool{
		"ssl=true&ssl_ca_certs=" + url.QueryEscape(s.CAFile()):               true,
		"ssl_cert_reqs=required&ssl_ca_certs=" + url.QueryEscape(s.CAFile()): true,
		"ssl=true&ssl_cert_reqs=none":                                        true,
		"ssl=true&serverSelectionTimeoutMS=500":                              false, // the authority is its own
		"ssl=false&serverSelectionTimeoutMS=500":                             false,
	} {
		c, err := mgx.Connect(t.Context(), at+options)
		if err == nil {
			_ = c.Close(t.Context())
		}
		if (err == nil) != works || err != nil && !errors.Is(err, mgx.ErrConnectionFailure) {
			t.Errorf("%s: %v", options, err)
		}
	}
}
