package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxdebug"
)

// AppName is what the deployment's source calls itself, so that it does not show itself.
const AppName = "mgx top"

// deployment is what is asked of servers.
type deployment struct {
	client *mgx.Client
	page   *mgxdebug.Page
	admin  *mgx.Database

	last   *status // the look before
	lastAt time.Time
	rates  []float64
}

// Deployment returns the source that a deployment is. It asks the server that the read
// preference of the options chooses, and discovers the others.
func Deployment(ctx context.Context, options *mgx.Options) (Source, error) {
	page := mgxdebug.Instrument(options, mgxdebug.Config{})
	client, err := mgx.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	page.Watch(client)
	return &deployment{client: client, page: page, admin: client.Database("admin")}, nil
}

// closeTimeout bounds the word to the server at the end.
const closeTimeout = 2 * time.Second

func (d *deployment) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return d.client.Close(ctx)
}

// status is what is used of serverStatus.
type status struct {
	Host        string  `bson:"host"`
	Version     string  `bson:"version"`
	Uptime      float64 `bson:"uptime"`
	Connections struct {
		Current   int64 `bson:"current"`
		Available int64 `bson:"available"`
	} `bson:"connections"`
	Counters  map[string]int64 `bson:"opcounters"`
	Latencies map[string]struct {
		Latency int64 `bson:"latency"` // microseconds
		Ops     int64 `bson:"ops"`
	} `bson:"opLatencies"`
	Metrics struct {
		Cursor struct {
			Open struct {
				Total int64 `bson:"total"`
			} `bson:"open"`
		} `bson:"cursor"`
	} `bson:"metrics"`
	Lock struct {
		Queue struct {
			Total int64 `bson:"total"`
		} `bson:"currentQueue"`
	} `bson:"globalLock"`
}

func (d *deployment) Look(ctx context.Context) (*View, error) {
	var now status
	if err := d.admin.RunCommand(ctx, bson.D{{Key: "serverStatus", Value: 1}}, mgx.AsRead()).Decode(&now); err != nil {
		return nil, err
	}
	s := d.page.Snapshot()
	v := &View{Title: now.Host, Now: time.Now(), Servers: s.Servers, Facts: []string{
		"version " + now.Version, fmt.Sprintf("%d connections", now.Connections.Current),
		fmt.Sprintf("%d cursors", now.Metrics.Cursor.Open.Total), fmt.Sprintf("%d queued", now.Lock.Queue.Total), s.Deployment,
	}}
	if d.last != nil {
		v.count(d.last, &now, v.Now.Sub(d.lastAt))
		d.rates = append(d.rates[max(len(d.rates)-149, 0):], v.Rate)
	}
	d.last, d.lastAt, v.Rates = &now, v.Now, slices.Clone(d.rates)
	if len(now.Counters) == 0 {
		v.Notes = append(v.Notes, "the server counts no operations (serverStatus without opcounters)")
	}
	var err error
	if v.Running, err = d.running(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		v.Notes = append(v.Notes, "operations in progress: "+err.Error())
	}
	return v, nil
}

// count adds what the server did since the look before.
func (v *View) count(before, now *status, took time.Duration) {
	seconds := max(took.Seconds(), .001)
	for _, name := range slices.Sorted(maps.Keys(now.Counters)) {
		n := now.Counters[name] - before.Counters[name]
		if n < 0 {
			n = now.Counters[name] // it was restarted
		}
		v.Rate += float64(n) / seconds
		v.Counters = append(v.Counters, Counter{Name: name, PerSecond: float64(n) / seconds})
	}
	for _, name := range slices.Sorted(maps.Keys(now.Latencies)) {
		l, was := now.Latencies[name], before.Latencies[name]
		if n := l.Ops - was.Ops; n > 0 {
			v.Counters = append(v.Counters, Counter{Name: name, PerSecond: float64(n) / seconds, Mean: time.Duration(l.Latency-was.Latency) * time.Microsecond / time.Duration(n)})
		}
	}
}

// inProgress is what is used of an operation in $currentOp.
type inProgress struct {
	Active  bool     `bson:"active"`
	Op      string   `bson:"op"`
	NS      string   `bson:"ns"`
	Command bson.Raw `bson:"command"`
	Running int64    `bson:"microsecs_running"`
	AppName string   `bson:"appName"`
	Client  string   `bson:"client"`
	ClientS string   `bson:"client_s"` // of a mongos
	Host    string   `bson:"host"`
	Plan    string   `bson:"planSummary"`
}

// running asks for the operations in progress, by the stage, or, where a server does not
// have that, by the command.
func (d *deployment) running(ctx context.Context) ([]Operation, error) {
	stage := bson.D{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}}}}
	var found struct {
		Cursor struct {
			Batch []inProgress `bson:"firstBatch"`
		} `bson:"cursor"`
		List []inProgress `bson:"inprog"`
	}
	command := bson.D{{Key: "aggregate", Value: 1}, {Key: "pipeline", Value: bson.A{stage}}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 1000}}}}
	err := d.admin.RunCommand(ctx, command, mgx.AsRead()).Decode(&found)
	if err != nil && !errors.Is(err, mgx.ErrUnauthorized) && errors.As(err, new(*mgx.ServerError)) {
		err = d.admin.RunCommand(ctx, bson.D{{Key: "currentOp", Value: 1}}, mgx.AsRead()).Decode(&found)
	}
	if err != nil {
		return nil, err
	}
	list := make([]Operation, 0, 8)
	for _, op := range append(found.Cursor.Batch, found.List...) {
		if op.Active && op.AppName != AppName && len(op.Command) > 5 {
			list = append(list, op.shown())
		}
	}
	slices.SortFunc(list, func(a, b Operation) int { return cmp.Or(cmp.Compare(b.Age, a.Age), cmp.Compare(a.Name, b.Name)) })
	return list, nil
}

func (op *inProgress) shown() Operation {
	o := Operation{
		Operation: mgxdebug.Operation{Name: op.Op, On: op.NS, Age: time.Duration(op.Running) * time.Microsecond, Server: op.Host, Command: op.Plan},
		Client:    cmp.Or(op.AppName, op.Client, op.ClientS),
	}
	if first, err := op.Command.IndexErr(0); err == nil {
		o.Name = first.Key()
		if collection, ok := first.Value().StringValueOK(); ok && o.On == "" {
			database, _ := op.Command.Lookup("$db").StringValueOK()
			o.On = database + "." + collection
		}
	}
	return o
}
