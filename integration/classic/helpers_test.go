package classic

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// commands are what a deployment was sent.
type commands struct {
	mu   sync.Mutex
	list []mgxtest.Command
}

// watch records commands of these names; of all but handshakes, if there are none.
func watch(t *testing.T, dep *mgxtest.Deployment, names ...string) *commands {
	t.Helper()
	var c commands
	t.Cleanup(dep.OnCommand(func(cmd mgxtest.Command) {
		if len(names) == 0 && slices.Contains([]string{"hello", "isMaster", "ismaster"}, cmd.Name) ||
			len(names) > 0 && !slices.Contains(names, cmd.Name) {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, cmd)
	}))
	return &c
}

// take returns what came since the last time.
func (c *commands) take() []mgxtest.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

// count is how many there are to take.
func (c *commands) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.list)
}

// one returns the only command that came.
func (c *commands) one(t *testing.T) mgxtest.Command {
	t.Helper()
	list := c.take()
	if len(list) != 1 {
		t.Fatalf("%d commands were sent, want one", len(list))
	}
	return list[0]
}

// connections are the connections that the commands came over.
func connections(list []mgxtest.Command) map[int64]bool {
	used := map[int64]bool{}
	for _, cmd := range list {
		used[cmd.ConnectionID] = true
	}
	return used
}

// addresses are the members that the commands came to, with their number.
func addresses(list []mgxtest.Command) map[string]int {
	seen := map[string]int{}
	for _, cmd := range list {
		seen[cmd.Member.Addr()]++
	}
	return seen
}

// pools counts what the pools of a client do.
type pools struct {
	mu                 sync.Mutex
	created, returned  int
	checkOuts, waiting int
}

func (p *pools) observe(o *mgx.Options) {
	o.PoolMonitors = append(o.PoolMonitors, func(e event.PoolEvent) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e.(type) {
		case event.ConnectionCreated:
			p.created++
		case event.ConnectionCheckedIn:
			p.returned++
		case event.ConnectionCheckOutStarted:
			p.waiting++
		case event.ConnectionCheckedOut:
			p.waiting--
			p.checkOuts++
		case event.ConnectionCheckOutFailed:
			p.waiting--
		}
	})
}

// read returns a number once all events before it were seen: they are delivered by
// the goroutine that makes them.
func (p *pools) read(number *int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *number
}

// eventually waits until something holds that another goroutine brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about: %s", what)
		}
	}
}

// tenDocuments have _ids from 0 to 9.
func tenDocuments() []bson.D {
	docs := make([]bson.D, 10)
	for i := range docs {
		docs[i] = bson.D{{"_id", i}}
	}
	return docs
}
