package mgxdebug

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/eventlog"
)

// What is kept of the last five minutes.
const (
	step      = 2 * time.Second
	steps     = 150
	kindStep  = time.Minute
	kindSteps = 5
	maxKinds  = 200
	maxRTTs   = 40
)

// record is what the monitors have seen.
type record struct {
	config *Config

	mu         sync.Mutex
	operations uint64
	failed     uint64
	running    map[int64]*running
	history    *ring
	kinds      map[kindID]*ring
	slow       list[Command]
	errors     list[Failure]
	events     list[Note]
	servers    map[string]*seen
}

type kindID struct{ name, on string }

// running is an operation in progress.
type running struct {
	Operation
	began time.Time
}

// seen is what monitors know of a server.
type seen struct {
	rtts    []time.Duration
	max     int // connections
	cleared uint64
	fails   int // checks since the last that succeeded
}

// list keeps the latest of its items.
type list[T any] struct {
	items []T
	keep  int
}

func (l *list[T]) add(item T) {
	if len(l.items) == l.keep {
		copy(l.items, l.items[1:])
		l.items = l.items[:len(l.items)-1]
	}
	l.items = append(l.items, item)
}

// latest are the items, the latest first.
func (l *list[T]) latest() []T {
	items := append(make([]T, 0, len(l.items)), l.items...)
	slices.Reverse(items)
	return items
}

func (r *record) init(config *Config) {
	r.config = config
	r.running, r.kinds, r.servers = map[int64]*running{}, map[kindID]*ring{}, map[string]*seen{}
	r.history = newRing(step, steps)
	r.slow.keep, r.errors.keep, r.events.keep = config.Keep, config.Keep, config.Keep
}

// on is what an operation or a command is about.
func on(database, collection string) string {
	if collection == "" {
		return database
	}
	return database + "." + collection
}

// The operations that have others in them.
const (
	transaction     = "transaction"
	withTransaction = "withTransaction"
)

func (r *record) operationStarted(_ context.Context, e *event.OperationStarted) context.Context {
	if e.Name == withTransaction {
		return nil // its transactions are there
	}
	o := &running{Operation: Operation{Name: e.Name, On: on(e.Database, e.Collection)}, began: time.Now()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[e.OperationID] = o
	return nil
}

func (r *record) operationEnded(_ context.Context, e *event.OperationEnded) {
	if e.Name == withTransaction {
		return
	}
	now, on := time.Now(), on(e.Database, e.Collection)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, e.OperationID)
	if e.Name == transaction {
		return // its operations count
	}
	r.operations++
	r.history.add(now, e.Duration, e.Err != nil)
	r.kind(kindID{e.Name, on}).add(now, e.Duration, e.Err != nil)
	if e.Err != nil {
		r.failed++
		r.errors.add(Failure{When: now, Name: e.Name, On: on, Took: e.Duration, Error: e.Err.Error()})
	}
}

// kind returns the ring of a kind of operations. Where there are too many kinds, those
// that are new go together.
func (r *record) kind(id kindID) *ring {
	k := r.kinds[id]
	if k == nil && len(r.kinds) >= maxKinds {
		id = kindID{name: "others"}
		k = r.kinds[id]
	}
	if k == nil {
		k = newRing(kindStep, kindSteps)
		r.kinds[id] = k
	}
	return k
}

type textKey struct{}

func (r *record) commandStarted(ctx context.Context, e *event.CommandStarted) context.Context {
	r.mu.Lock()
	if o := r.running[e.OperationID]; o != nil {
		o.Command, o.Server = e.CommandName, e.Address
		o.Commands++
	}
	r.mu.Unlock()
	if n := r.config.CommandMaxLength; n > 0 {
		return context.WithValue(ctx, textKey{}, eventlog.FormatWithout(e.Command, n, "lsid", "$db", "$clusterTime", "signature"))
	}
	return nil
}

func (r *record) commandSucceeded(ctx context.Context, e *event.CommandSucceeded) {
	r.command(ctx, &e.CommandInfo, e.Duration, false)
}

func (r *record) commandFailed(ctx context.Context, e *event.CommandFailed) {
	r.command(ctx, &e.CommandInfo, e.Duration, true)
}

func (r *record) command(ctx context.Context, e *event.CommandInfo, took time.Duration, failed bool) {
	if took < r.config.SlowAfter {
		return
	}
	text, _ := ctx.Value(textKey{}).(string)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow.add(Command{
		When: time.Now(), Name: e.CommandName, On: on(e.DatabaseName, e.CollectionName), Server: e.Address, Took: took, Text: text, Failed: failed,
	})
}

// fill adds what is recorded to a snapshot.
func (r *record) fill(s *Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Operations, s.Failed, s.Step = r.operations, r.failed, step
	var all histogram
	s.History, all = r.history.history(s.Now)
	s.Recent = all.slot()
	s.Running = make([]Operation, 0, len(r.running))
	for _, o := range r.running {
		op := o.Operation
		op.Age = s.Now.Sub(o.began)
		s.Running = append(s.Running, op)
	}
	slices.SortFunc(s.Running, func(a, b Operation) int { return cmp.Or(cmp.Compare(b.Age, a.Age), cmp.Compare(a.Name, b.Name)) })
	s.Kinds = make([]Kind, 0, len(r.kinds))
	for id, k := range r.kinds {
		_, all := k.history(s.Now)
		if all.count == 0 {
			delete(r.kinds, id)
			continue
		}
		s.Kinds = append(s.Kinds, Kind{Name: id.name, On: id.on, All: all.slot(), Took: all.total})
	}
	slices.SortFunc(s.Kinds, func(a, b Kind) int { return cmp.Or(cmp.Compare(b.Took, a.Took), cmp.Compare(a.On, b.On)) })
	s.Slow, s.Errors, s.Events = r.slow.latest(), r.errors.latest(), r.events.latest()
}

// server puts together what is known of a server.
func (r *record) server(d *event.ServerDescription, pools map[string]mgx.PoolStats, written time.Time) Server {
	s := Server{Address: d.Address, Kind: d.Kind, Tags: d.Tags, RTT: d.RTT}
	if d.Err != nil {
		s.Error = d.Err.Error()
	}
	if d.Kind == "RSSecondary" && !written.IsZero() && !d.LastWrite.IsZero() {
		s.Lag = max(written.Sub(d.LastWrite), 0)
	}
	if p, ok := pools[d.Address]; ok {
		s.Pool = Pool{InUse: p.InUse, Idle: p.Idle, Pending: p.Pending, Draining: p.Draining, Waiting: p.Waiting}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.servers[d.Address]; known != nil {
		s.RTTs, s.Pool.Max, s.Pool.Cleared, s.Fails = slices.Clone(known.rtts), known.max, known.cleared, known.fails
	}
	return s
}
