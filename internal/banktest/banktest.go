// Package banktest is what soak tests share in which money moves between accounts in
// transactions while servers fail: how they fail, and the books that all must agree with
// afterwards.
package banktest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// How large the bank is.
const (
	Writers  = 32
	Accounts = 24
	Opening  = 1000 // of each account
)

// Entry is a document of the ledger: a transfer, or, without an amount, a note.
type Entry struct {
	ID     string `bson:"_id"`
	From   int    `bson:"from"`
	To     int    `bson:"to"`
	Amount int64  `bson:"amount"`
}

// Transfer returns a random transfer, a writer's with a number.
func Transfer(writer, number int) Entry {
	return Entry{fmt.Sprintf("transfer %d-%d", writer, number), rand.IntN(Accounts), rand.IntN(Accounts), 1 + rand.Int64N(5)}
}

// Book has what clients were told to be done.
type Book struct {
	mu    sync.Mutex
	acked map[string]bool
	given int
}

// Done notes a document whose write or transaction was acknowledged.
func (b *Book) Done(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.acked == nil {
		b.acked = map[string]bool{}
	}
	b.acked[id] = true
}

// GivenUp notes that one came to an error.
func (b *Book) GivenUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given++
}

// Counts returns how many of each there are.
func (b *Book) Counts() (done, given int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.acked), b.given
}

// Audit holds the balances and the acknowledgements against the ledger.
func (b *Book) Audit(ledger []Entry, balances map[int]int64) (wrong []string) {
	stored, want, sum := map[string]bool{}, map[int]int64{}, int64(0)
	for account := range Accounts {
		want[account] = Opening
	}
	for _, e := range ledger {
		if stored[e.ID] {
			wrong = append(wrong, e.ID+" is in the ledger twice")
		}
		stored[e.ID] = true
		want[e.From] -= e.Amount
		want[e.To] += e.Amount
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.acked {
		if !stored[id] {
			wrong = append(wrong, id+" was acknowledged and is gone")
		}
	}
	for account, balance := range balances {
		sum += balance
		if balance != want[account] {
			wrong = append(wrong, fmt.Sprintf("account %d has %d, by the ledger %d", account, balance, want[account]))
		}
	}
	if sum != Accounts*Opening {
		wrong = append(wrong, fmt.Sprintf("all accounts have %d", sum))
	}
	return wrong
}

// Once holds what somebody saw of the ledger's inserts against it: each is there once,
// and those of a writer are in their order.
func Once(seen []string, ledger []Entry) (wrong []string) {
	stored, times, latest := map[string]bool{}, map[string]int{}, map[int]int{}
	for _, e := range ledger {
		stored[e.ID] = true
	}
	for _, id := range seen {
		var kind string
		var writer, number int
		if _, err := fmt.Sscanf(id, "%s %d-%d", &kind, &writer, &number); err == nil {
			if before, ok := latest[writer]; ok && number <= before {
				wrong = append(wrong, fmt.Sprintf("%s was seen after number %d of the same writer", id, before))
			}
			latest[writer] = number
		}
		if times[id]++; times[id] == 2 {
			wrong = append(wrong, id+" was seen twice")
		}
		if !stored[id] {
			wrong = append(wrong, id+" was seen, and is not in the ledger")
		}
	}
	for id := range stored {
		if times[id] == 0 {
			wrong = append(wrong, id+" was not seen")
		}
	}
	return wrong
}

// Server is one that can fail.
type Server interface {
	Kill()
	Restart() error
	CloseConnections()
	PauseReplication()
	ResumeReplication()
}

// Deployment is one whose servers can fail. A sharded cluster, and one behind a load
// balancer, has Mongoses.
type Deployment[S Server] interface {
	WaitPrimary(context.Context) (S, error)
	Secondaries() []S
	Mongoses() []S
	StepDown() error
	Partition(...S)
	Isolate(...S)
	Heal()
}

// Havoc makes primaries step down, die and be cut off, and routers die, until the context
// ends, with a rest after each.
func Havoc[S Server](ctx context.Context, d Deployment[S], rest time.Duration) error {
	for i := 0; ctx.Err() == nil; i++ {
		p, err := d.WaitPrimary(ctx)
		if err != nil {
			return nil //nolint:nilerr // the context has ended
		}
		switch i % 6 {
		case 0:
			_ = d.StepDown()
		case 1:
			err = restart(p, 100*time.Millisecond)
		case 2:
			d.Partition(p)
			time.Sleep(180 * time.Millisecond)
			d.Heal()
		case 3:
			if others := d.Secondaries(); len(others) > 0 {
				others[0].PauseReplication()
				time.Sleep(50 * time.Millisecond)
				_ = d.StepDown()
				others[0].ResumeReplication()
			}
		case 4:
			d.Isolate(p)
			time.Sleep(150 * time.Millisecond)
			d.Heal()
		case 5:
			if routers := d.Mongoses(); len(routers) > 0 {
				err = restart(routers[rand.IntN(len(routers))], 50*time.Millisecond)
			} else {
				p.CloseConnections()
			}
		}
		if err != nil {
			return err
		}
		time.Sleep(rest)
	}
	return nil
}

func restart[S Server](s S, after time.Duration) error {
	s.Kill()
	time.Sleep(after)
	return s.Restart()
}
