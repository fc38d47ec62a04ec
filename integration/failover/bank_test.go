package failover

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/consumer"
	"github.com/mgxdb/mgx/internal/banktest"
	"github.com/mgxdb/mgx/mgxtest"
)

// bank is money that moves between accounts in transactions while servers fail.
type bank struct {
	banktest.Book
	t      *testing.T
	dep    *mgxtest.Deployment
	client *mgx.Client
	db     *mgx.Database
}

// TestBank moves money between accounts in transactions while primaries step down, die
// and are cut off, and routers die. The sum never changes, no transfer that was
// acknowledged is lost or doubled, a change stream sees each that took place once, those
// of a writer in order, and so does a consumer that keeps its place in the database and
// is started again and again. With MGX_SOAK=2m each goes on for so long.
func TestBank(t *testing.T) {
	options := []mgxtest.Option{mgxtest.ElectionTimeout(40 * time.Millisecond), mgxtest.StalePrimary(120 * time.Millisecond)}
	routed := append([]mgxtest.Option{mgxtest.Mongoses(3)}, options...)
	for _, kind := range []struct {
		name  string
		start func() (*mgxtest.Deployment, error)
	}{
		{"replica set", func() (*mgxtest.Deployment, error) { return mgxtest.NewReplicaSet(5, options...) }},
		{"sharded", func() (*mgxtest.Deployment, error) { return mgxtest.NewSharded(routed...) }},
		{"load-balanced", func() (*mgxtest.Deployment, error) { return mgxtest.NewLoadBalanced(routed...) }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			dep, err := kind.start()
			check(t, err)
			t.Cleanup(dep.Close)
			client := connect(t, dep.URI(), func(o *mgx.Options) {
				o.WriteConcern, o.ReadConcern = mgx.Majority(), mgx.ReadConcernMajority
				o.ServerSelectionTimeout = 3 * time.Second
			})
			b := &bank{t: t, dep: dep, client: client, db: client.Database("bank")}
			b.run(soak(t, 3*time.Second))
		})
	}
}

func (b *bank) run(lasts time.Duration) {
	t := b.t
	for i := range banktest.Accounts {
		_, err := b.db.Collection("accounts").InsertOne(bounded(t), bson.D{{Key: "_id", Value: i}, {Key: "balance", Value: banktest.Opening}})
		check(t, err)
	}
	for _, name := range []string{"ledger", "seen"} {
		check(t, b.db.CreateCollection(bounded(t), name))
	}
	life, end := context.WithTimeout(t.Context(), 2*lasts+2*patience)
	defer end()
	stream, err := b.db.Collection("ledger").Watch(life, nil)
	check(t, err)
	watched, consumed := make(chan []string, 1), make(chan int, 1)
	go func() { watched <- b.follow(life, stream) }()
	positioned := make(chan struct{})
	go func() { consumed <- b.consume(life, positioned) }()
	<-positioned

	ctx, stop := context.WithTimeout(t.Context(), lasts)
	defer stop()
	var wg sync.WaitGroup
	for w := range banktest.Writers {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				b.transfer(banktest.Transfer(w, i))
				time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // or the consumer would be far behind
			}
		})
	}
	check(t, banktest.Havoc(ctx, b.dep, 200*time.Millisecond))
	wg.Wait()
	b.settle()
	ledger := b.audit()
	b.report("the change stream", banktest.Once(<-watched, ledger))
	starts := <-consumed
	b.report("the consumer", banktest.Once(b.seen(), ledger))
	done, given := b.Counts()
	t.Logf("%d transfers done and %d given up in %v, %d in the ledger; the consumer was started %d times", done, given, lasts, len(ledger), starts)
	if done == 0 {
		t.Error("nothing was done")
	}
}

// transfer moves money and notes it, all or nothing.
func (b *bank) transfer(e banktest.Entry) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	add := func(account int, n int64) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := b.db.Collection("accounts").UpdateOne(ctx, bson.D{{Key: "_id", Value: account}},
				bson.D{{Key: "$inc", Value: bson.D{{Key: "balance", Value: n}}}})
			return err
		}
	}
	note := func(ctx context.Context) error {
		_, err := b.db.Collection("ledger").InsertOne(ctx, e)
		return err
	}
	err := b.client.WithTransaction(ctx, func(ctx context.Context) error {
		for _, step := range []func(context.Context) error{add(e.From, -e.Amount), note, add(e.To, e.Amount)} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil:
		b.Done(e.ID)
	case errors.Is(err, mgx.ErrDuplicateKey):
		b.t.Errorf("%s was done twice: %v", e.ID, err)
	default:
		b.GivenUp()
	}
}

// last is the id of the ledger's last entry, which is no transfer.
const last = "end"

// follow returns what a change stream sees of the ledger, until the last entry.
func (b *bank) follow(ctx context.Context, stream *mgx.ChangeStream) (ids []string) {
	for e, err := range mgx.Changes[banktest.Entry](ctx, stream) {
		if err != nil {
			b.t.Errorf("the change stream ended: %v", err)
			return ids
		}
		if e.Operation != "insert" {
			continue
		}
		if e.FullDocument.ID == last {
			return ids
		}
		ids = append(ids, e.FullDocument.ID)
	}
	return ids
}

// sighting is what the consumer writes down of an entry. A second one of it would be
// refused.
type sighting struct {
	ID string `bson:"_id"`
	N  int    `bson:"n"`
}

// consume has a consumer write down what it sees, in transactions with its position,
// until the last entry. Now and then it ends, and another one goes on. It returns how
// many there were.
func (b *bank) consume(ctx context.Context, positioned chan<- struct{}) (starts int) {
	n := 0
	ended := errors.New("the last entry was seen")
	handle := func(ctx context.Context, e *mgx.ChangeEvent[banktest.Entry]) error {
		if e.Operation != "insert" {
			return nil
		}
		if e.FullDocument.ID == last {
			return ended
		}
		n++ // grows, also where the transaction is repeated
		_, err := b.db.Collection("seen").InsertOne(ctx, sighting{e.FullDocument.ID, n})
		return err
	}
	options := consumer.Options{
		Store: consumer.InCollection(b.db.Collection("consumers")), Lease: 2 * time.Second, Transactional: b.client,
		Watch: []mgx.WatchOption{mgx.MaxAwaitTime(50 * time.Millisecond)},
	}
	go func() {
		defer close(positioned)
		for ctx.Err() == nil {
			if _, version, err := options.Store.Load(ctx, "audit/position"); err == nil && version > 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	for ctx.Err() == nil {
		starts++
		turn, end := context.WithTimeout(ctx, time.Second+time.Duration(rand.IntN(2000))*time.Millisecond)
		err := consumer.Run(turn, b.db.Collection("ledger"), "audit", handle, options)
		end()
		switch {
		case errors.Is(err, ended):
			return starts
		case !errors.Is(err, context.DeadlineExceeded):
			b.t.Errorf("the consumer ended: %v", err)
			return starts
		}
	}
	b.t.Error("the consumer did not come to the last entry")
	return starts
}

// seen returns what the consumer wrote down, in the order in which it did.
func (b *bank) seen() (ids []string) {
	list, err := mgx.Collect[sighting](b.db.Collection("seen").Find(bounded(b.t), nil, mgx.Sort("n")))
	check(b.t, err)
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// settle waits for a primary. What a majority has after that is final.
func (b *bank) settle() {
	b.dep.Heal()
	_, err := b.dep.WaitPrimary(bounded(b.t))
	check(b.t, err)
	_, err = b.db.Collection("ledger").InsertOne(bounded(b.t), bson.D{{Key: "_id", Value: last}})
	check(b.t, err)
}

// audit holds accounts, ledger and acknowledgements against each other, and returns the
// ledger.
func (b *bank) audit() []banktest.Entry {
	ledger, err := mgx.Collect[banktest.Entry](b.db.Collection("ledger").Find(bounded(b.t), bson.D{{Key: "amount", Value: bson.D{{Key: "$gt", Value: 0}}}}))
	check(b.t, err)
	accounts, err := mgx.Collect[struct {
		ID      int   `bson:"_id"`
		Balance int64 `bson:"balance"`
	}](b.db.Collection("accounts").Find(bounded(b.t), nil))
	check(b.t, err)
	balances := map[int]int64{}
	for _, a := range accounts {
		balances[a.ID] = a.Balance
	}
	b.report("the books", b.Audit(ledger, balances))
	return ledger
}

// report reports what is wrong, or the first of it.
func (b *bank) report(who string, wrong []string) {
	const most = 10
	for _, what := range wrong[:min(len(wrong), most)] {
		b.t.Errorf("%s: %s", who, what)
	}
	if n := len(wrong) - most; n > 0 {
		b.t.Errorf("%s: and %d more", who, n)
	}
}
