package demo

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mgxdb/mgx/event"
)

// commands counts what a client sends, by its command monitor.
type commands struct {
	mu     sync.Mutex
	counts map[string]int
	failed int
	total  time.Duration // that servers took
}

func (c *commands) monitor() *event.CommandMonitor {
	c.counts = map[string]int{}
	return &event.CommandMonitor{
		Succeeded: func(_ context.Context, e *event.CommandSucceeded) { c.add(e.CommandName, e.Duration, 0) },
		Failed:    func(_ context.Context, e *event.CommandFailed) { c.add(e.CommandName, e.Duration, 1) },
	}
}

func (c *commands) add(name string, d time.Duration, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
	c.total += d
	c.failed += failed
}

// count is how often a command was sent.
func (c *commands) count(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[name]
}

type sent struct {
	name string
	n    int
}

// summary lists the commands, the most frequent first.
func (c *commands) summary() (list []sent, total time.Duration, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.counts)) {
		list = append(list, sent{name, c.counts[name]})
	}
	slices.SortStableFunc(list, func(a, b sent) int { return cmp.Compare(b.n, a.n) })
	return list, c.total, c.failed
}
