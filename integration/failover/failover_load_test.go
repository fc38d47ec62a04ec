package failover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// writers is how many goroutines write at a time.
const writers = 64

// longest is how long one write may take: far more than any fault lasts, so
// that no write fails for want of time.
const longest = 20 * time.Second

// ledger is what the writers know.
type ledger struct {
	mu           sync.Mutex
	acknowledged []string
	failed       map[string]error
	increments   [writers]int64 // acknowledged ones
	unknown      [writers]int64 // increments that failed

	last    atomic.Int64 // when a write was last acknowledged, in Unix nanoseconds
	longest atomic.Int64 // time without any acknowledged write
}

// succeeded notes an acknowledged write.
func (l *ledger) succeeded() {
	now := time.Now().UnixNano()
	gap := now - l.last.Swap(now)
	for {
		old := l.longest.Load()
		if gap <= old || l.longest.CompareAndSwap(old, gap) {
			return
		}
	}
}

// promised reports whether a write may not fail in this way. Retryable writes
// promise one retry, so that a write fails that runs into two faults one after
// the other: each time it lost its connection, or met a member that was no
// primary any more, or a pool that was cleared. Then it must say that it may be
// tried again, and that its connection is being replaced. No other failure is
// excused: not for want of a primary, for want of time, nor because a retry was
// taken for a second write.
func promised(err error) string {
	switch {
	case errors.Is(err, mgx.ErrDuplicateKey):
		return "a retry was applied twice"
	case errors.Is(err, mgx.ErrServerSelection):
		return "no server was found in time"
	case errors.Is(err, mgx.ErrTimeout):
		return "it took too long"
	case !mgx.HasErrorLabel(err, "RetryableWriteError"):
		return "it is not one that may be tried again"
	case !errors.Is(err, mgx.ErrAutoReconnect) && !errors.Is(err, mgx.ErrNotPrimary):
		return "it is no lost connection and no lost primary"
	}
	return ""
}

// work writes until ctx is done: documents with unique names, and increments of
// a counter of its own.
func (l *ledger) work(ctx context.Context, g int, docs, counters *mgx.Collection) {
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("%d-%d", g, i)
		opCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
		var err error
		if i%4 != 0 {
			_, err = docs.InsertOne(opCtx, bson.D{{Key: "name", Value: name}})
		} else {
			_, err = counters.UpdateOne(opCtx, bson.D{{Key: "_id", Value: g}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}})
		}
		cancel()
		if err == nil {
			l.succeeded()
		}
		l.note(g, i, name, err)
	}
}

func (l *ledger) note(g, i int, name string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.failed[name] = err
		if i%4 == 0 {
			l.unknown[g]++
		}
	case i%4 == 0:
		l.increments[g]++
	default:
		l.acknowledged = append(l.acknowledged, name)
	}
}

// fault is something that happens to a deployment.
type fault struct {
	name string
	do   func(dep *mgxtest.Deployment, primary *mgxtest.Member) error
}

// brief is how long a fault lasts, around 150 ms.
func brief() { time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond) }

var faults = []fault{
	{"the primary steps down", func(dep *mgxtest.Deployment, _ *mgxtest.Member) error { return dep.StepDown() }},
	{"the primary dies and comes back", func(_ *mgxtest.Deployment, p *mgxtest.Member) error {
		p.Kill()
		brief()
		return p.Restart()
	}},
	{"the primary is shut down and started", func(_ *mgxtest.Deployment, p *mgxtest.Member) error {
		p.Shutdown(50 * time.Millisecond)
		brief()
		return p.Restart()
	}},
	{"a secondary dies and comes back", func(dep *mgxtest.Deployment, _ *mgxtest.Member) error {
		secondaries := dep.Secondaries()
		if len(secondaries) == 0 {
			return nil
		}
		s := secondaries[rand.IntN(len(secondaries))]
		s.Kill()
		brief()
		return s.Restart()
	}},
	{"the primary loses sight of the others", func(dep *mgxtest.Deployment, p *mgxtest.Member) error {
		dep.Partition(p)
		brief()
		dep.Heal()
		return nil
	}},
	{"nobody reaches the primary", func(dep *mgxtest.Deployment, p *mgxtest.Member) error {
		dep.Isolate(p)
		brief()
		dep.Heal()
		return nil
	}},
	{"the primary's connections break", func(_ *mgxtest.Deployment, p *mgxtest.Member) error {
		p.CloseConnections()
		return nil
	}},
	{"inserts and updates find a primary that goes", func(dep *mgxtest.Deployment, p *mgxtest.Member) error {
		p.FailCommand(mgxtest.FailCommand{Commands: []string{"insert", "update"}, Times: 8, ErrorCode: 91})
		return nil
	}},
	{"writes are not confirmed because the primary goes", func(dep *mgxtest.Deployment, p *mgxtest.Member) error {
		p.FailCommand(mgxtest.FailCommand{
			Commands: []string{"insert", "update"}, Times: 8,
			WriteConcernError: &mgxtest.WriteConcernError{Code: 91, Message: "going away", Labels: []string{"RetryableWriteError"}},
		})
		return nil
	}},
}

// mischief makes faults until ctx is done, each when the set has a primary, and
// returns how often each happened and how long no write was acknowledged after
// it.
func mischief(ctx context.Context, t *testing.T, dep *mgxtest.Deployment, l *ledger) (counts map[string]int, outages []time.Duration) {
	counts = map[string]int{}
	for i := 0; ctx.Err() == nil; i++ {
		p, err := dep.WaitPrimary(ctx)
		if err != nil {
			break
		}
		f := faults[i%len(faults)]
		if i >= len(faults) {
			f = faults[rand.IntN(len(faults))]
		}
		l.longest.Store(0)
		if err := f.do(dep, p); err != nil {
			// A step-down finds that the primary has gone by itself.
			if !strings.Contains(err.Error(), "no primary") {
				t.Errorf("%s: %v", f.name, err)
			}
			continue
		}
		counts[f.name]++
		time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
		outages = append(outages, max(time.Duration(l.longest.Load()), time.Duration(time.Now().UnixNano()-l.last.Load())))
	}
	return counts, outages
}

// TestFailOverUnderLoad lets goroutines write while primaries step down, die and
// come back, and partitions come and go: all that was acknowledged is there
// exactly once, and only what retryability does not promise fails.
func TestFailOverUnderLoad(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	client := connect(t, dep.URI()+"&w=majority")
	db := client.Database("load")
	docs, counters := db.Collection("docs"), db.Collection("counters")
	for g := range writers {
		_, err := counters.InsertOne(bounded(t), bson.D{{Key: "_id", Value: g}, {Key: "n", Value: int64(0)}})
		check(t, err)
	}
	l := &ledger{failed: map[string]error{}}
	l.last.Store(time.Now().UnixNano())
	ctx, cancel := context.WithTimeout(t.Context(), soak(t, 5*time.Second))
	defer cancel()
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() { l.work(ctx, g, docs, counters) })
	}
	counts, outages := mischief(ctx, t, dep, l)
	dep.Heal()
	wg.Wait()
	_, err := dep.WaitPrimary(bounded(t))
	check(t, err)

	l.report(t, counts, outages)
	l.verify(t, docs, counters)
}

// report logs what happened.
func (l *ledger) report(t *testing.T, counts map[string]int, outages []time.Duration) {
	t.Helper()
	var total time.Duration
	for _, d := range outages {
		total += d
	}
	slices.Sort(outages)
	increments := int64(0)
	for _, n := range l.increments {
		increments += n
	}
	t.Logf("%d inserts and %d increments acknowledged, %d failed", len(l.acknowledged), increments, len(l.failed))
	t.Logf("%d faults: %v", len(outages), counts)
	kinds := map[string]int{}
	for _, err := range l.failed {
		kinds[kind(err)]++
	}
	for k, n := range kinds {
		t.Logf("%d writes met a second fault when they were tried again: %s", n, k)
	}
	if n := len(outages); n > 0 {
		t.Logf("longest time without an acknowledged write after a fault: median %v, 90 %% %v, most %v", outages[n/2], outages[n*9/10], outages[n-1])
	}
}

// kind is an error without what differs from one to the next.
func kind(err error) string {
	return regexp.MustCompile(`[0-9.:]*[0-9]`).ReplaceAllString(err.Error(), "#")
}

// verify compares what the writers know with what the deployment has.
func (l *ledger) verify(t *testing.T, docs, counters *mgx.Collection) {
	t.Helper()
	reasons := map[string]int{}
	for name, err := range l.failed {
		if reason := promised(err); reason != "" {
			reasons[reason]++
			if reasons[reason] <= 3 {
				t.Errorf("write %s failed although %s: %v", name, reason, err)
			}
		}
	}
	times := map[string]int{}
	for doc, err := range mgx.Each[struct{ Name string }](docs.Find(bounded(t), nil)) {
		check(t, err)
		times[doc.Name]++
	}
	for _, name := range l.acknowledged {
		if times[name] != 1 {
			t.Errorf("the acknowledged write %s is there %d times", name, times[name])
		}
	}
	for name, n := range times {
		if n > 1 {
			t.Errorf("the write %s is there %d times", name, n)
		}
	}
	for doc, err := range mgx.Each[struct {
		ID int `bson:"_id"`
		N  int64
	}](counters.Find(bounded(t), nil)) {
		check(t, err)
		if least, most := l.increments[doc.ID], l.increments[doc.ID]+l.unknown[doc.ID]; doc.N < least || doc.N > most {
			t.Errorf("counter %d is %d, acknowledged %d, %d of them unknown", doc.ID, doc.N, least, most-least)
		}
	}
}
