package failover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

const (
	bankWriters  = 32
	bankAccounts = 24
	bankOpening  = 1000
)

// bank is money that moves between accounts in transactions while servers fail.
type bank struct {
	t      *testing.T
	dep    *mgxtest.Deployment
	client *mgx.Client
	db     *mgx.Database

	mu              sync.Mutex
	acknowledged    map[string]bool
	done, abandoned atomic.Int64
}

// TestBank moves money between accounts in transactions while primaries step down, die
// and are cut off. The sum never changes, no transfer that was acknowledged is lost or
// doubled, and a change stream sees
// each that took place once, those of a writer in order. With MGX_SOAK=2m it goes
// on for so long.
func TestBank(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 5, mgxtest.ElectionTimeout(40*time.Millisecond))
	client := connect(t, dep.URI(), func(o *mgx.Options) {
		o.WriteConcern, o.ReadConcern = mgx.Majority(), "majority"
		o.ServerSelectionTimeout = 3 * time.Second
	})
	b := &bank{t: t, dep: dep, client: client, db: client.Database("bank"), acknowledged: map[string]bool{}}
	for i := range bankAccounts {
		_, err := b.db.Collection("accounts").InsertOne(bounded(t), bson.D{{Key: "_id", Value: i}, {Key: "balance", Value: bankOpening}})
		check(t, err)
	}
	lasts := soak(t, 3*time.Second)
	life, end := context.WithTimeout(t.Context(), lasts+2*patience)
	defer end()
	stream, err := b.db.Collection("ledger").Watch(life, nil)
	check(t, err)
	seen := make(chan []string, 1)
	go func() { seen <- b.follow(life, stream) }()

	ctx, stop := context.WithTimeout(t.Context(), lasts)
	defer stop()
	var wg sync.WaitGroup
	for w := range bankWriters {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				b.transfer(fmt.Sprintf("transfer %d-%d", w, i))
			}
		})
	}
	b.havoc(ctx)
	wg.Wait()
	b.settle()
	b.audit(<-seen)
	t.Logf("%d transfers done and %d given up in %v", b.done.Load(), b.abandoned.Load(), lasts)
	if b.done.Load() == 0 {
		t.Error("nothing was done")
	}
}

// transfer moves money and notes it, all or nothing.
func (b *bank) transfer(id string) {
	from, to, amount := rand.IntN(bankAccounts), rand.IntN(bankAccounts), 1+rand.IntN(5)
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	add := func(account, n int) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := b.db.Collection("accounts").UpdateOne(ctx, bson.D{{Key: "_id", Value: account}},
				bson.D{{Key: "$inc", Value: bson.D{{Key: "balance", Value: n}}}})
			return err
		}
	}
	note := func(ctx context.Context) error {
		_, err := b.db.Collection("ledger").InsertOne(ctx, bson.D{
			{Key: "_id", Value: id}, {Key: "from", Value: from}, {Key: "to", Value: to}, {Key: "amount", Value: amount}})
		return err
	}
	err := b.client.WithTransaction(ctx, func(ctx context.Context) error {
		for _, step := range []func(context.Context) error{add(from, -amount), note, add(to, amount)} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil:
		b.done.Add(1)
		b.mu.Lock()
		b.acknowledged[id] = true
		b.mu.Unlock()
	case errors.Is(err, mgx.ErrDuplicateKey):
		b.t.Errorf("%s was done twice: %v", id, err)
	default:
		b.abandoned.Add(1)
	}
}

// follow returns what a consumer of the ledger's changes sees, until the last entry.
func (b *bank) follow(ctx context.Context, stream *mgx.ChangeStream) (ids []string) {
	type entry struct {
		ID string `bson:"_id"`
	}
	for e, err := range mgx.Changes[entry](ctx, stream) {
		if err != nil {
			b.t.Errorf("the change stream ended: %v", err)
			return ids
		}
		if e.Operation != "insert" {
			continue
		}
		if e.FullDocument.ID == "end" {
			return ids
		}
		ids = append(ids, e.FullDocument.ID)
	}
	return ids
}

// havoc makes primaries fail until the time is over.
func (b *bank) havoc(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		p, err := b.dep.WaitPrimary(ctx)
		if err != nil {
			return
		}
		switch i % 4 {
		case 0:
			_ = b.dep.StepDown()
		case 1:
			p.Kill()
			time.Sleep(100 * time.Millisecond)
			check(b.t, p.Restart())
		case 2:
			b.dep.Partition(p)
			time.Sleep(180 * time.Millisecond)
			b.dep.Heal()
		case 3:
			p.CloseConnections()
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// settle waits for a primary. What a majority has after that is final.
func (b *bank) settle() {
	b.dep.Heal()
	_, err := b.dep.WaitPrimary(bounded(b.t))
	check(b.t, err)
	_, err = b.db.Collection("ledger").InsertOne(bounded(b.t), bson.D{{Key: "_id", Value: "end"}})
	check(b.t, err)
}

// audit holds accounts, ledger, acknowledgements and what the consumer saw against
// each other.
func (b *bank) audit(seen []string) {
	t := b.t
	type entry struct {
		ID               string `bson:"_id"`
		From, To, Amount int
	}
	ledger, err := mgx.Collect[entry](b.db.Collection("ledger").Find(bounded(t), bson.D{{Key: "amount", Value: bson.D{{Key: "$gt", Value: 0}}}}))
	check(t, err)
	balances, stored, sum := map[int]int{}, map[string]bool{}, 0
	for _, e := range ledger {
		stored[e.ID] = true
		balances[e.From] -= e.Amount
		balances[e.To] += e.Amount
	}
	for id := range b.acknowledged {
		if !stored[id] {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	accounts, err := mgx.Collect[struct {
		ID      int `bson:"_id"`
		Balance int
	}](b.db.Collection("accounts").Find(bounded(t), nil))
	check(t, err)
	for _, a := range accounts {
		sum += a.Balance
		if want := bankOpening + balances[a.ID]; a.Balance != want {
			t.Errorf("account %d has %d, by the ledger %d", a.ID, a.Balance, want)
		}
	}
	if sum != bankAccounts*bankOpening {
		t.Errorf("all accounts have %d", sum)
	}
	times, latest := map[string]int{}, map[int]int{}
	for _, id := range seen {
		var writer, number int
		if _, err := fmt.Sscanf(id, "transfer %d-%d", &writer, &number); err != nil {
			t.Fatal(err)
		}
		if before, ok := latest[writer]; ok && number <= before {
			t.Errorf("the consumer saw %s after number %d of the same writer", id, before)
		}
		latest[writer] = number
		if times[id]++; times[id] > 1 || !stored[id] {
			t.Errorf("the consumer saw %s %d times; it is in the ledger: %v", id, times[id], stored[id])
		}
	}
	if len(times) != len(ledger) {
		t.Errorf("the consumer saw %d of %d transfers", len(times), len(ledger))
	}
}
