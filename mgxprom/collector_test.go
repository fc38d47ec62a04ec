package mgxprom

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func open(t *testing.T, config Config, change ...func(*mgx.Options)) (*mgxtest.Deployment, *mgx.Client, *Collector) {
	t.Helper()
	d, err := mgxtest.NewReplicaSet(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	options, err := mgx.ParseURI(d.URI())
	if err != nil {
		t.Fatal(err)
	}
	c := Instrument(options, config)
	for _, f := range change {
		f(options)
	}
	client, err := mgx.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return d, client, c
}

// sample is the value of a series, or the number of observations of a histogram's, over
// all series with certain labels.
func sample(t *testing.T, c *Collector, name string, labels map[string]string) (total float64) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			for k, v := range labels {
				if has[k] != v {
					continue series
				}
			}
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return total
}

// The names are by the conventions, and the collector keeps the rules of a registry.
func TestConventions(t *testing.T) {
	_, client, c := open(t, Config{})
	c.Watch(client)
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n := testutil.CollectAndCount(c); n < 15 {
		t.Errorf("only %d series", n)
	}
}

func TestOperationsAndCommands(t *testing.T) {
	d, client, c := open(t, Config{Namespace: "shop_mongo", ConstLabels: prometheus.Labels{"client": "orders"}, Collections: true})
	coll := client.Database("shop").Collection("tea")
	for range 3 {
		if _, err := coll.InsertOne(t.Context(), bson.D{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := coll.InsertMany(t.Context(), []bson.D{{{Key: "_id", Value: 1}}, {{Key: "_id", Value: 1}}}); !errors.Is(err, mgx.ErrDuplicateKey) {
		t.Fatal(err)
	}
	if _, err := client.Database("shop").RunCommand(t.Context(), bson.D{{Key: "explode", Value: 1}}).Raw(); err == nil {
		t.Fatal("no error")
	}
	primary := d.Primary().Addr()
	for _, test := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"operation_duration_seconds", map[string]string{"operation": "insert", "database": "shop", "collection": "tea", "error": "", "client": "orders"}, 3},
		{"operation_duration_seconds", map[string]string{"operation": "insert", "error": "11000"}, 1},
		{"operation_duration_seconds", map[string]string{"operation": "runCommand", "error": "59"}, 1},
		{"command_duration_seconds", map[string]string{"server": primary, "command": "insert"}, 4},
		{"command_failures_total", map[string]string{"server": primary, "command": "explode", "error": "59"}, 1},
		{"pool_connections_created_total", map[string]string{"server": primary}, 1},
		{"pool_connections", nil, 0}, // nobody is asked
	} {
		if got := sample(t, c, "shop_mongo_"+test.name, test.labels); got != test.want {
			t.Errorf("%s%v is %v, want %v", test.name, test.labels, got, test.want)
		}
	}
}

func TestPoolsAndServers(t *testing.T) {
	d, client, c := open(t, Config{}, func(o *mgx.Options) {
		o.MaxPoolSize, o.WaitQueueTimeout = new(int), 20*time.Millisecond
		*o.MaxPoolSize, o.ServerSelectionTimeout = 1, 2*time.Second
	})
	c.Watch(client)
	primary := map[string]string{"server": d.Primary().Addr()}
	with := func(more ...string) map[string]string {
		m := map[string]string{}
		for k, v := range primary {
			m[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	ctx, request := client.StartRequest(t.Context())
	if err := client.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(t.Context()); !errors.Is(err, mgx.ErrWaitQueueTimeout) {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"mgx_pool_connections", with("state", "in_use"), 1},
		{"mgx_pool_connections", with("state", "idle"), 0},
		{"mgx_pool_checkout_failures_total", with("reason", "timeout"), 1},
		{"mgx_operation_duration_seconds", map[string]string{"operation": "ping", "error": "wait_queue_timeout", "database": ""}, 1},
		{"mgx_server_up", primary, 1},
		{"mgx_server_info", with("kind", "RSPrimary"), 1},
		{"mgx_topology_info", map[string]string{"kind": "ReplicaSetWithPrimary"}, 1},
	} {
		if got := sample(t, c, test.name, test.labels); got != test.want {
			t.Errorf("%s%v is %v, want %v", test.name, test.labels, got, test.want)
		}
	}
	request.End()
	d.Primary().Kill()
	_ = client.Ping(t.Context()) // meets a dead connection, or another server
	for deadline := time.Now().Add(10 * time.Second); sample(t, c, "mgx_server_up", primary) == 1 || sample(t, c, "mgx_pool_clears_total", primary) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing tells that the server is down")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestReplicationLag(t *testing.T) {
	now := time.Now()
	d := event.TopologyDescription{Servers: []event.ServerDescription{{Kind: "RSSecondary", LastWrite: now.Add(-time.Second)}, {Kind: "RSPrimary", LastWrite: now}}}
	if got := lastWrite(&d); !got.Equal(now) {
		t.Errorf("%v, want %v", got, now)
	}
	d.Servers = d.Servers[:1]
	if got := lastWrite(&d); !got.IsZero() {
		t.Errorf("%v without a primary", got)
	}
}

func TestKinds(t *testing.T) {
	for want, err := range map[string]error{
		"": nil, "canceled": context.Canceled, "other": errors.New("mine"), "timeout": mgx.ErrTimeout, "91": &mgx.ServerError{Code: 91}, "64": &mgx.WriteConcernError{Code: 64},
	} {
		if got := kindOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	for _, k := range kinds {
		if strings.ToLower(k.name) != k.name || kindOf(k.err) != k.name {
			t.Errorf("%q of itself is %q", k.name, kindOf(k.err))
		}
	}
}
