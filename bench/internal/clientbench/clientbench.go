// Package clientbench measures mgx beside the official driver and a bare socket
// that exchanges the same bytes, against a server in another process that answers
// at once and stores nothing: what is left is the client's own work.
package clientbench

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bench/internal/benchdata"
	"github.com/mgxdb/mgx/bench/internal/measure"
)

// The names of what is compared.
const (
	MGX      = "mgx"
	Official = "official"
	Bare     = "bare"
)

// Result is what a case cost: mgx, the official driver and, where there is one, the
// bare socket, in this order.
type Result struct {
	Name      string
	Results   []measure.Result
	Latencies []Latency // of one operation, in the same order
}

// Latency is what one operation waited, in nanoseconds.
type Latency struct{ P50, P99 float64 }

// Run measures the cases whose names match, nil being all, and hands each result
// over as soon as it is there. nFiles is how many files are moved side by side.
func Run(settings measure.Settings, dir string, nFiles int, match *regexp.Regexp, done func(Result) error) error {
	r := runner{settings: settings, match: match, done: done}
	docs, err := benchdata.Load(dir, "small", "large", "tweet")
	if err != nil {
		return err
	}
	canned, err := operations(docs)
	if err != nil {
		return err
	}
	large, err := files(dir, nFiles, r.wants)
	if err != nil {
		return err
	}
	if err := r.set("", ServerCommand, append(canned, large...)); err != nil {
		return err
	}
	storing, err := stored(docs)
	if err != nil {
		return err
	}
	return r.set("embedded/", EmbeddedCommand, storing)
}

// runner measures the cases that are wanted.
type runner struct {
	settings measure.Settings
	match    *regexp.Regexp // nil: all
	done     func(Result) error
}

// wants reports whether a case of an operation may be wanted.
func (r *runner) wants(operation string) bool {
	return r.match == nil || r.match.MatchString(caseName(operation, 1, false))
}

// set measures operations against one server, which is started when a case needs it.
func (r *runner) set(prefix, server string, list []operation) error {
	var address string
	for i := range list {
		for _, deadline := range []bool{false, true} {
			counts := list[i].goroutines
			if deadline {
				counts = list[i].deadlines
			}
			for _, n := range counts {
				name := prefix + caseName(list[i].name, n, deadline)
				if r.match != nil && !r.match.MatchString(name) {
					continue
				}
				if address == "" {
					var stop func()
					var err error
					if address, stop, err = startServer(server); err != nil {
						return err
					}
					defer stop()
				}
				result, err := runCase(r.settings, address, &list[i], n, deadline)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				result.Name = name
				if err := r.done(result); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func runCase(settings measure.Settings, address string, op *operation, goroutines int, deadline bool) (Result, error) {
	ctx := context.Background()
	c, err := connect(ctx, address)
	if err != nil {
		return Result{}, err
	}
	defer c.close(ctx)
	m, o := c.mgx.Database(database), c.official.Database(database)
	loads := []*load{
		newLoad(goroutines, deadline, func(ctx context.Context) error { return op.mgx(ctx, m) }),
		newLoad(goroutines, deadline, func(ctx context.Context) error { return op.official(ctx, o) }),
	}
	subjects := []measure.Subject{{Name: MGX, Run: loads[0].run}, {Name: Official, Run: loads[1].run}}
	if !op.noBare {
		frames, err := c.framesOf(ctx, address, op)
		if err != nil {
			return Result{}, err
		}
		sockets, err := dialBare(address, goroutines)
		if err != nil {
			return Result{}, err
		}
		defer sockets.close()
		loads = append(loads, newLoad(goroutines, deadline, func(ctx context.Context) error { return sockets.exchange(ctx, frames) }))
		subjects = append(subjects, measure.Subject{Name: Bare, Run: loads[2].run})
	}
	// Connections open in the background while others are used: let that be over.
	for _, l := range loads {
		if err := l.run(4 * (goroutines - 1)); err != nil {
			return Result{}, err
		}
		clear(l.seen)
	}
	results, err := measure.Compare(settings, subjects...)
	if err != nil {
		return Result{}, err
	}
	r := Result{Results: results}
	for _, l := range loads {
		r.Latencies = append(r.Latencies, l.latency())
	}
	return r, nil
}

// load is an operation that a number of goroutines do again and again.
type load struct {
	do         func(ctx context.Context) error
	goroutines int
	deadline   bool
	seen       []latencies // of the goroutines, which share them when they are many
}

const mostLatencies = 64

func newLoad(goroutines int, deadline bool, do func(ctx context.Context) error) *load {
	return &load{do: do, goroutines: goroutines, deadline: deadline, seen: make([]latencies, min(goroutines, mostLatencies))}
}

// run does the operation n times in all.
func (l *load) run(n int) error {
	if l.goroutines == 1 {
		return l.repeat(0, n)
	}
	errs := make([]error, l.goroutines)
	var wg sync.WaitGroup
	for i := range errs {
		share := n / l.goroutines
		if i < n%l.goroutines {
			share++
		}
		wg.Go(func() { errs[i] = l.repeat(i, share) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *load) repeat(i, n int) error {
	for range n {
		began := time.Now()
		if err := l.once(); err != nil {
			return err
		}
		l.seen[i%len(l.seen)].add(time.Since(began))
	}
	return nil
}

// once does it once, with a context of its own if there is to be a deadline, as
// a request that is being served has.
func (l *load) once() error {
	ctx := context.Background()
	if l.deadline {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
	}
	return l.do(ctx)
}

func (l *load) latency() Latency {
	var all latencies
	for i := range l.seen {
		all.merge(&l.seen[i])
	}
	return Latency{all.percentile(50), all.percentile(99)}
}
