package unified

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// observed is an event as tests see it: its name and what can be asserted of it.
type observed struct {
	kind, name string
	data       bson.D
}

// observer collects the events of a client.
type observer struct {
	wanted    map[string]bool // the names
	ignored   map[string]bool // commands, in lower case
	sensitive bool

	mu         sync.Mutex
	changed    chan struct{} // closed with each new event
	events     []observed
	secret     map[int32]bool // requests with redacted commands
	lsids      []bson.D       // of the commands, nil where there was none
	checkedOut int
	ready      map[string]int // connections, by server
	topology   event.TopologyDescription
	stopped    bool
}

func newObserver(spec bson.D) *observer {
	o := &observer{
		wanted: map[string]bool{}, ready: map[string]int{}, ignored: map[string]bool{"configurefailpoint": true}, secret: map[int32]bool{},
		sensitive: get[bool](spec, "observeSensitiveCommands"), changed: make(chan struct{}),
	}
	for _, name := range get[bson.A](spec, "observeEvents") {
		o.wanted[name.(string)] = true
	}
	for _, name := range get[bson.A](spec, "ignoreCommandMonitoringEvents") {
		o.ignored[strings.ToLower(name.(string))] = true
	}
	return o
}

// add keeps an event. The caller holds the lock.
func (o *observer) add(kind, name string, data ...bson.E) {
	if !o.wanted[name] || o.stopped {
		return
	}
	o.events = append(o.events, observed{kind, name, data})
	o.wake()
}

func (o *observer) wake() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// stop makes further events count no more, and returns those until now.
func (o *observer) stop() []observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	return slices.Clone(o.events)
}

// wait waits until ok holds.
func (o *observer) wait(ctx context.Context, limit time.Duration, ok func() bool) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		o.mu.Lock()
		done, changed := ok(), o.changed
		o.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return fmt.Errorf("not within %v", limit)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// secretCommands are the commands that carry secrets, in lower case.
var secretCommands = map[string]bool{
	"authenticate": true, "saslstart": true, "saslcontinue": true, "getnonce": true, "createuser": true, "updateuser": true,
	"copydbgetnonce": true, "copydbsaslstart": true, "copydb": true,
}

// hidden reports whether a command is not the tests' business. empty tells that
// its document was redacted.
func (o *observer) hidden(info *event.CommandInfo, empty bool) bool {
	name := strings.ToLower(info.CommandName)
	if o.ignored[name] {
		return true
	}
	if o.sensitive {
		return false
	}
	if empty && (name == "hello" || name == "ismaster") {
		o.secret[info.RequestID] = true
	}
	return secretCommands[name] || o.secret[info.RequestID]
}

func isEmpty(raw bson.Raw) bool { return len(raw) <= 5 }

func commandData(info *event.CommandInfo, more ...bson.E) []bson.E {
	return append(bson.D{
		{Key: "commandName", Value: info.CommandName},
		{Key: "databaseName", Value: info.DatabaseName},
		{Key: "hasServiceId", Value: info.ServiceID != nil && !info.ServiceID.IsZero()},
		{Key: "hasServerConnectionId", Value: info.ServerConnectionID > 0},
	}, more...)
}

// commands is the client's command monitor.
func (o *observer) commands() *event.CommandMonitor {
	return &event.CommandMonitor{
		Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.hidden(&e.CommandInfo, isEmpty(e.Command)) {
				return ctx
			}
			d := documentOf(e.Command)
			o.lsids = append(o.lsids, get[bson.D](d, "lsid"))
			o.add("command", "commandStartedEvent", commandData(&e.CommandInfo, bson.E{Key: "command", Value: d})...)
			return ctx
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceeded) {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.hidden(&e.CommandInfo, isEmpty(e.Reply)) {
				return
			}
			o.add("command", "commandSucceededEvent", commandData(&e.CommandInfo, bson.E{Key: "reply", Value: documentOf(e.Reply)})...)
		},
		Failed: func(_ context.Context, e *event.CommandFailed) {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.hidden(&e.CommandInfo, false) {
				return
			}
			o.add("command", "commandFailedEvent", commandData(&e.CommandInfo)...)
		},
	}
}

// documentOf decodes a document of an event. One that cannot be decoded becomes
// one that no test expects.
func documentOf(raw bson.Raw) bson.D {
	d, err := toD(raw)
	if err != nil {
		return bson.D{{Key: "undecodable", Value: err.Error()}}
	}
	return d
}

// pool is the client's pool monitor.
func (o *observer) pool(e event.PoolEvent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := e.(type) {
	case event.PoolCreated:
		o.add("cmap", "poolCreatedEvent")
	case event.PoolReady:
		o.add("cmap", "poolReadyEvent")
	case event.PoolCleared:
		o.add("cmap", "poolClearedEvent", bson.E{Key: "hasServiceId", Value: !e.ServiceID.IsZero()},
			bson.E{Key: "interruptInUseConnections", Value: e.InterruptInUseConnections})
	case event.PoolClosed:
		o.add("cmap", "poolClosedEvent")
	case event.ConnectionCreated:
		o.add("cmap", "connectionCreatedEvent")
	case event.ConnectionReady:
		o.ready[e.Address]++
		o.add("cmap", "connectionReadyEvent")
		o.wake()
	case event.ConnectionClosed:
		o.add("cmap", "connectionClosedEvent", bson.E{Key: "reason", Value: string(e.Reason)})
	case event.ConnectionCheckOutStarted:
		o.add("cmap", "connectionCheckOutStartedEvent")
	case event.ConnectionCheckOutFailed:
		o.add("cmap", "connectionCheckOutFailedEvent", bson.E{Key: "reason", Value: string(e.Reason)})
	case event.ConnectionCheckedOut:
		o.checkedOut++
		o.add("cmap", "connectionCheckedOutEvent")
	case event.ConnectionCheckedIn:
		o.checkedOut--
		o.add("cmap", "connectionCheckedInEvent")
	case event.ConnectionPendingResponseStarted:
		o.add("cmap", "connectionPendingResponseStarted")
	case event.ConnectionPendingResponseSucceeded:
		o.add("cmap", "connectionPendingResponseSucceeded")
	case event.ConnectionPendingResponseFailed:
		reason := "error"
		if isTimeout(e.Err) {
			reason = "timeout"
		}
		o.add("cmap", "connectionPendingResponseFailed", bson.E{Key: "reason", Value: reason})
	}
}

// discovery is the client's topology monitor.
func (o *observer) discovery(e event.TopologyEvent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := e.(type) {
	case event.TopologyOpening:
		o.add("sdam", "topologyOpeningEvent")
	case event.TopologyClosed:
		o.add("sdam", "topologyClosedEvent")
	case event.TopologyDescriptionChanged:
		o.topology = e.New
		o.add("sdam", "topologyDescriptionChangedEvent", kindsOf(e.Previous.Kind, e.New.Kind)...)
		o.wake()
	case event.ServerDescriptionChanged:
		o.add("sdam", "serverDescriptionChangedEvent", kindsOf(e.Previous.Kind, e.New.Kind)...)
	case event.ServerHeartbeatStarted:
		o.add("sdam", "serverHeartbeatStartedEvent", bson.E{Key: "awaited", Value: e.Awaited})
	case event.ServerHeartbeatSucceeded:
		o.add("sdam", "serverHeartbeatSucceededEvent", bson.E{Key: "awaited", Value: e.Awaited})
	case event.ServerHeartbeatFailed:
		o.add("sdam", "serverHeartbeatFailedEvent", bson.E{Key: "awaited", Value: e.Awaited})
	}
}

func kindsOf(before, after string) []bson.E {
	return bson.D{
		{Key: "previousDescription", Value: bson.D{{Key: "type", Value: before}}},
		{Key: "newDescription", Value: bson.D{{Key: "type", Value: after}}},
	}
}

// matchEvent compares an event with what is expected.
func (m *matcher) matchEvent(path string, expected bson.D, got observed) error {
	name, wanted := expected[0].Key, expected[0].Value.(bson.D)
	if name != got.name {
		return fmt.Errorf("%s: got a %s %s, expected a %s", path, got.name, show(got.data), name)
	}
	for _, e := range wanted {
		v, found := lookup(got.data, e.Key)
		if err := m.match(path+"."+name+"."+e.Key, e.Value, actual{v, found}, true); err != nil {
			return err
		}
	}
	return nil
}

// matchEvents compares the events of one kind with all that are expected.
func (m *matcher) matchEvents(want *ExpectedEvents, events []observed) error {
	kind := want.Kind
	if kind == "" {
		kind = "command"
	}
	events = slices.DeleteFunc(slices.Clone(events), func(e observed) bool { return e.kind != kind })
	for i, expected := range want.Events {
		path := fmt.Sprintf("%s event %d of %s", kind, i, want.Client)
		if i >= len(events) {
			return fmt.Errorf("%s: there is none, expected %s%s", path, show(expected), history(events))
		}
		if err := m.matchEvent(path, expected, events[i]); err != nil {
			return fmt.Errorf("%w%s", err, history(events))
		}
	}
	if len(events) > len(want.Events) && !want.IgnoreExtra {
		return fmt.Errorf("%s saw %d %s events, %d were expected%s", want.Client, len(events), kind, len(want.Events), history(events))
	}
	return nil
}

// history lists events for a message.
func history(events []observed) string {
	var b strings.Builder
	for i, e := range events {
		fmt.Fprintf(&b, "\n\t%d %s %s", i, e.name, show(e.data))
	}
	return b.String()
}
