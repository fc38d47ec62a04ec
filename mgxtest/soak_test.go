package mgxtest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/mgxdb/mgx/internal/banktest"
	"github.com/mgxdb/mgx/mgxtest"
)

// soakFor is how long each soak goes on: go test -run TestSoak -soak 10m .
var soakFor = flag.Duration("soak", 2*time.Second, "how long writers work while servers fail")

// soak is a bank whose money moves in transactions while its servers fail. The
// official driver is the witness: nothing that it was told to be done is lost, nothing
// is there twice, and a change stream saw all of it in order.
type soak struct {
	t      *testing.T
	dep    *mgxtest.Deployment
	client *mongo.Client
	db     *mongo.Database

	transfers, notes banktest.Book
}

func TestSoakReplicaSet(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 5, mgxtest.ElectionTimeout(40*time.Millisecond), mgxtest.StalePrimary(120*time.Millisecond))
	runSoak(t, dep)
}

func TestSoakSharded(t *testing.T) {
	dep := mgxtest.Sharded(t, mgxtest.Mongoses(3), mgxtest.ElectionTimeout(40*time.Millisecond), mgxtest.StalePrimary(120*time.Millisecond))
	runSoak(t, dep)
}

func TestSoakLoadBalanced(t *testing.T) {
	dep := mgxtest.LoadBalanced(t, mgxtest.Mongoses(3), mgxtest.ElectionTimeout(40*time.Millisecond), mgxtest.StalePrimary(120*time.Millisecond))
	runSoak(t, dep)
}

func runSoak(t *testing.T, dep *mgxtest.Deployment) {
	client := connect(t, dep.URI(), func(o *options.ClientOptions) {
		o.SetWriteConcern(writeconcern.Majority()).SetReadConcern(readconcern.Majority()).SetServerSelectionTimeout(3 * time.Second)
	})
	s := &soak{t: t, dep: dep, client: client, db: client.Database("bank")}
	ctx, stop := context.WithTimeout(t.Context(), *soakFor)
	defer stop()
	for i := range banktest.Accounts {
		_, err := s.db.Collection("accounts").InsertOne(context10(t), kv("_id", i, "balance", banktest.Opening))
		must(t, err)
	}
	stream, err := s.db.Watch(t.Context(), mongo.Pipeline{}, options.ChangeStream().SetMaxAwaitTime(100*time.Millisecond))
	must(t, err)
	watched, quit := make(chan []bson.Raw, 1), make(chan struct{})
	go func() { watched <- s.follow(stream, quit) }()

	var wg sync.WaitGroup
	for w := range banktest.Writers {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if i%4 == 3 {
					s.note(fmt.Sprintf("note %d-%d", w, i))
				} else {
					s.transfer(banktest.Transfer(w, i))
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				s.audit()
			}
		})
	}
	must(t, banktest.Havoc(ctx, s.dep, 60*time.Millisecond))
	wg.Wait()
	s.settle()
	final := s.final()
	s.check(final)
	close(quit)
	s.checkStream(<-watched, final)
	transfers, lost := s.transfers.Counts()
	notes, missing := s.notes.Counts()
	t.Logf("%d transfers and %d notes done, %d and %d given up", transfers, notes, lost, missing)
	if transfers == 0 || notes == 0 {
		t.Error("nothing was done")
	}
}

// note inserts one document outside of transactions.
func (s *soak) note(id string) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	_, err := s.db.Collection("ledger").InsertOne(ctx, kv("_id", id))
	switch {
	case err == nil:
		s.notes.Done(id)
	case mongo.IsDuplicateKeyError(err):
		s.t.Errorf("%s was inserted twice: %v", id, err)
	default:
		s.notes.GivenUp()
	}
}

// transfer moves money and notes it, all or nothing.
func (s *soak) transfer(e banktest.Entry) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	session, err := s.client.StartSession()
	must(s.t, err)
	defer session.EndSession(context.Background())
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		a := s.db.Collection("accounts")
		if _, err := a.UpdateOne(ctx, kv("_id", e.From), kv("$inc", kv("balance", -e.Amount))); err != nil {
			return nil, err
		}
		if _, err := s.db.Collection("ledger").InsertOne(ctx, e); err != nil {
			return nil, err
		}
		return a.UpdateOne(ctx, kv("_id", e.To), kv("$inc", kv("balance", e.Amount)))
	})
	switch {
	case err == nil:
		s.transfers.Done(e.ID)
	case mongo.IsDuplicateKeyError(err):
		s.t.Errorf("%s was done twice: %v", e.ID, err)
	default:
		s.transfers.GivenUp()
	}
}

// audit reads all accounts at one point in time, where the money is all there.
func (s *soak) audit() {
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Second)
	defer stop()
	session, err := s.client.StartSession(options.Session().SetSnapshot(true))
	must(s.t, err)
	defer session.EndSession(context.Background())
	coll := s.db.Collection("accounts", options.Collection().SetReadPreference(readpref.SecondaryPreferred()))
	for range 2 {
		if sum, ok := s.sum(mongo.NewSessionContext(ctx, session), coll); ok && sum != banktest.Accounts*banktest.Opening {
			s.t.Errorf("a snapshot has %d in all accounts", sum)
		}
	}
}

func (s *soak) sum(ctx context.Context, coll *mongo.Collection) (int64, bool) {
	cur, err := coll.Find(ctx, kv())
	if err != nil {
		return 0, false
	}
	var docs []struct{ Balance int64 }
	if err := cur.All(ctx, &docs); err != nil {
		return 0, false
	}
	var sum int64
	for _, d := range docs {
		sum += d.Balance
	}
	return sum, true
}

func (s *soak) settle() {
	s.dep.Heal()
	for _, m := range s.dep.Members() {
		must(s.t, m.Restart())
	}
	_, err := s.dep.WaitPrimary(context10(s.t))
	must(s.t, err)
	// A last write with a majority makes all before it final.
	_, err = s.db.Collection("ledger").InsertOne(context10(s.t), kv("_id", "end"))
	must(s.t, err)
}

func (s *soak) final() []banktest.Entry {
	cur, err := s.db.Collection("ledger").Find(context10(s.t), kv())
	must(s.t, err)
	var out []banktest.Entry
	must(s.t, cur.All(context10(s.t), &out))
	return out
}

// check holds what is stored against what was acknowledged, and the members against
// each other.
func (s *soak) check(final []banktest.Entry) {
	for _, m := range s.dep.Members() {
		direct := connect(s.t, m.URI(), func(o *options.ClientOptions) { o.SetReadPreference(readpref.Nearest()) }).Database("bank")
		cur, err := direct.Collection("accounts").Find(context10(s.t), kv())
		must(s.t, err)
		var docs []struct {
			ID      int `bson:"_id"`
			Balance int64
		}
		must(s.t, cur.All(context10(s.t), &docs))
		balances := map[int]int64{}
		for _, d := range docs {
			balances[d.ID] = d.Balance
		}
		for _, book := range []*banktest.Book{&s.transfers, &s.notes} {
			for _, wrong := range book.Audit(final, balances) {
				s.t.Errorf("%s: %s", m, wrong)
			}
		}
		if n := count(s.t, direct.Collection("ledger"), kv()); n != int64(len(final)) {
			s.t.Errorf("%s has %d ledger entries, the primary %d", m, n, len(final))
		}
	}
}

// follow collects the events until it was told to quit and has seen the last one.
func (s *soak) follow(stream *mongo.ChangeStream, quit <-chan struct{}) []bson.Raw {
	defer func() {
		if stream != nil {
			_ = stream.Close(context.Background())
		}
	}()
	var events []bson.Raw
	ended, late := false, false
	for {
		ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
		ok := stream.TryNext(ctx)
		stop()
		if ok {
			ev := slices.Clone(stream.Current)
			events = append(events, ev)
			id, _ := ev.Lookup("documentKey", "_id").StringValueOK()
			ended = ended || id == "end"
			continue
		}
		if err := stream.Err(); err != nil {
			if stream = s.resume(stream, err); stream == nil {
				return events
			}
			continue
		}
		select {
		case <-quit:
			if ended || late {
				return events
			}
			// What is missing may still come.
			quit, late = closedAfter(5*time.Second), true
		default:
		}
	}
}

// resume goes on where a stream broke off. The driver itself tries that only once,
// which is too little where servers keep failing.
func (s *soak) resume(broken *mongo.ChangeStream, err error) *mongo.ChangeStream {
	token := broken.ResumeToken()
	_ = broken.Close(context.Background())
	for range 50 {
		var se mongo.ServerError
		if errors.As(err, &se) && (se.HasErrorLabel("NonResumableChangeStreamError") || se.HasErrorCode(237)) {
			break
		}
		var next *mongo.ChangeStream
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		next, err = s.db.Watch(ctx, mongo.Pipeline{}, options.ChangeStream().SetMaxAwaitTime(100*time.Millisecond).SetResumeAfter(token))
		stop()
		if err == nil {
			return next
		}
	}
	s.t.Errorf("the stream broke for good: %v", err)
	return nil
}

func closedAfter(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

// checkStream holds the events against what is stored: each insert once, each writer's
// in its order, and the balances that the updates left.
func (s *soak) checkStream(events []bson.Raw, final []banktest.Entry) {
	var seen []string
	last := bson.Timestamp{}
	balance := map[int64]int64{}
	for _, ev := range events {
		t, i, ok := ev.Lookup("clusterTime").TimestampOK()
		if at := (bson.Timestamp{T: t, I: i}); ok && at.Before(last) {
			s.t.Errorf("an event of %v after one of %v", at, last)
		} else {
			last = at
		}
		switch ev.Lookup("operationType").StringValue() {
		case "insert":
			seen = append(seen, ev.Lookup("documentKey", "_id").StringValue())
		case "update":
			balance[ev.Lookup("documentKey", "_id").AsInt64()] = ev.Lookup("updateDescription", "updatedFields", "balance").AsInt64()
		}
	}
	for _, wrong := range banktest.Once(seen, final) {
		s.t.Errorf("the stream: %s", wrong)
	}
	cur, err := s.db.Collection("accounts").Find(context10(s.t), kv())
	must(s.t, err)
	var docs []struct {
		ID      int64 `bson:"_id"`
		Balance int64
	}
	must(s.t, cur.All(context10(s.t), &docs))
	for _, d := range docs {
		if b, ok := balance[d.ID]; ok && b != d.Balance {
			s.t.Errorf("by the last event account %d has %d, in fact %d", d.ID, b, d.Balance)
		}
	}
}
