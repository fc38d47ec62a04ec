package mgxtest

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Command is one command that a client sent to a member.
type Command struct {
	Member *Member
	// ConnectionID numbers the member's connections.
	ConnectionID int64
	Name, DB     string
	// Body is the whole command with its document sequences. It may be kept.
	Body bson.Raw
	// Reply and Elapsed are set for OnReply. Reply is nil when the connection
	// was closed instead.
	Reply   bson.D
	Elapsed time.Duration
}

type hook struct {
	before, after func(Command)
}

// OnCommand calls fn for every command before it runs, from the goroutine of
// its connection. The returned function ends that.
func (d *Deployment) OnCommand(fn func(Command)) (remove func()) {
	return d.addHook(hook{before: fn})
}

// OnReply calls fn for every command after it ran, before the reply is sent.
func (d *Deployment) OnReply(fn func(Command)) (remove func()) {
	return d.addHook(hook{after: fn})
}

// Handle replaces what a command does on all members, or adds a command. The
// function returns the whole reply; an error closes the connection.
func (d *Deployment) Handle(name string, fn func(*Command) (bson.D, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if fn == nil {
		delete(d.handlers, name)
	} else {
		d.handlers[name] = fn
	}
}

func (d *Deployment) addHook(h hook) func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nextHook++
	id := d.nextHook
	d.hooks[id] = h
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.hooks, id)
	}
}

func (d *Deployment) handler(name string) func(*Command) (bson.D, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.handlers[name]
}

func (m *Member) event(r *request) *Command {
	c := &Command{Member: m, Name: r.name, DB: r.db, Body: append(bson.Raw(nil), r.merged()...)}
	if r.conn != nil {
		c.ConnectionID = r.conn.id
	}
	return c
}

// observe calls the hooks: those before the command when there is no reply
// and no error yet.
func (d *Deployment) observe(m *Member, r *request, reply bson.D, err error, elapsed time.Duration) {
	d.mu.Lock()
	if len(d.hooks) == 0 {
		d.mu.Unlock()
		return
	}
	before := reply == nil && err == nil
	var fns []func(Command)
	for _, h := range d.hooks {
		switch {
		case before && h.before != nil:
			fns = append(fns, h.before)
		case !before && h.after != nil:
			fns = append(fns, h.after)
		}
	}
	d.mu.Unlock()
	if len(fns) == 0 {
		return
	}
	ev := m.event(r)
	ev.Reply, ev.Elapsed = reply, elapsed
	for _, fn := range fns {
		fn(*ev)
	}
}
