package mgxtest_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// A commit by recovery token through a router that did not begin the transaction never
// commits what is still open (server: transaction_router.cpp, isRecoveringCommit;
// specification: mongos-recovery-token.yml).
func TestCommitByRecoveryToken(t *testing.T) {
	dep := mgxtest.Sharded(t, mgxtest.Mongoses(2))
	one, two := dial(t, dep.Mongoses()[0]), dial(t, dep.Mongoses()[1])
	one.ok("shop", insert("a", kv("_id", 0)))

	s := newSession(1)
	token := one.ok("shop", s.begin(insert("a", kv("_id", 1)))).Lookup("recoveryToken")
	two.fails("admin", s.commit(), 50940)
	two.fails("admin", append(s.commit(), bson.E{Key: "recoveryToken", Value: token}), 251, "TransientTransactionError")
	one.fails("shop", s.in(find("a", kv())), 251, "TransientTransactionError")
	if n := found(one.ok("shop", find("a", kv()))); n != 1 {
		t.Errorf("an open transaction was committed: %d documents", n)
	}

	// A decision that was taken is recovered, as often as asked.
	token = one.ok("shop", s.begin(insert("a", kv("_id", 2)))).Lookup("recoveryToken")
	one.ok("admin", s.commit())
	for range 2 {
		two.ok("admin", append(s.commit(), bson.E{Key: "recoveryToken", Value: token}))
	}

	// One that only read has an empty token.
	token = one.ok("shop", s.begin(find("a", kv()))).Lookup("recoveryToken")
	if d, _ := token.DocumentOK(); len(d) > 5 {
		t.Errorf("the token of a transaction that only read: %v", d)
	}
	two.fails("admin", append(s.commit(), bson.E{Key: "recoveryToken", Value: token}), 251, "TransientTransactionError")
}

// Changes of definitions wait for the transactions that hold the collection, and
// later statements on it do not wait long behind them (manual: Production
// Considerations, Pending DDL Operations).
func TestDefinitionsWaitForTransactions(t *testing.T) {
	for name, change := range map[string]bson.D{
		"drop":         kv("drop", "a"),
		"createIndex":  kv("createIndexes", "a", "indexes", bson.A{kv("key", kv("x", 1), "name", "x_1")}),
		"collMod":      kv("collMod", "a", "validationLevel", "off"),
		"dropIndexes":  kv("dropIndexes", "a", "index", "*"),
		"dropDatabase": kv("dropDatabase", 1),
	} {
		t.Run(name, func(t *testing.T) {
			dep := mgxtest.ReplicaSet(t, 1)
			p, other := dial(t, dep.Primary()), dial(t, dep.Primary())
			p.ok("shop", insert("a", kv("_id", 0)))
			s, late := newSession(1), newSession(2)
			p.ok("shop", s.begin(find("a", kv())))

			other.fails("shop", append(append(bson.D{}, change...), kv("maxTimeMS", 20)...), 50)
			done := make(chan bson.Raw, 1)
			go func() { reply, _ := other.try("shop", change); done <- reply }()
			for deadline := time.Now().Add(5 * time.Second); ; {
				reply := p.run("shop", late.begin(find("a", kv())))
				if codeOf(reply) == 24 && hasLabel(reply, "TransientTransactionError") {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("a transaction got a collection that a change waits for: %v", reply)
				}
				p.run("admin", late.abort())
			}
			p.ok("shop", s.in(insert("a", kv("_id", 1))))
			select {
			case reply := <-done:
				t.Fatalf("the change did not wait: %v", reply)
			default:
			}
			p.ok("admin", s.commit())
			if reply := <-done; codeOf(reply) != 0 {
				t.Error(reply)
			}
		})
	}
}

// What transactions refuse (manual: Transactions and Operations, Restricted Operations).
func TestTransactionsRefuse(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 0), kv("_id", 1)))
	p.ok("shop", kv("create", "capped", "capped", true, "size", 4096))
	for name, c := range map[string]struct {
		db      string
		command bson.D
		code    int32
	}{
		"admin":       {"admin", find("a", kv()), 263},
		"config":      {"config", find("a", kv()), 263},
		"local":       {"local", insert("a", kv("x", 1)), 263},
		"capped":      {"shop", insert("capped", kv("x", 1)), 263},
		"index":       {"shop", kv("createIndexes", "a", "indexes", bson.A{kv("key", kv("x", 1), "name", "x_1")}), 263},
		"count":       {"shop", kv("count", "a"), 263},
		"collStats":   {"shop", kv("aggregate", "a", "pipeline", bson.A{kv("$collStats", kv())}, "cursor", kv()), 263},
		"indexStats":  {"shop", kv("aggregate", "a", "pipeline", bson.A{kv("$indexStats", kv())}, "cursor", kv()), 263},
		"listIndexes": {"shop", kv("listIndexes", "a"), 263},
		"out":         {"shop", kv("aggregate", "a", "pipeline", bson.A{kv("$out", "b")}, "cursor", kv()), 263},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(1)
			s.number = time.Now().UnixNano()
			p.fails(c.db, s.begin(c.command), c.code)
		})
	}

	// A transaction cannot write to a collection that came after its point in time.
	s := newSession(2)
	p.ok("shop", s.begin(find("a", kv())))
	p.ok("shop", insert("later", kv("_id", 1)))
	p.fails("shop", s.in(insert("later", kv("_id", 2))), 112, "TransientTransactionError")

	// It can give indexes to one that it made itself.
	p.ok("shop", s.begin(kv("create", "own")))
	p.ok("shop", s.in(kv("createIndexes", "own", "indexes", bson.A{kv("key", kv("x", 1), "name", "x_1")})))
	p.ok("admin", s.commit())

	// Cursors stay on their side of a transaction's border.
	open := kv("find", "a", "filter", kv(), "batchSize", 1)
	inside := p.ok("shop", s.begin(open)).Lookup("cursor", "id")
	outside := p.ok("shop", append(open, bson.E{Key: "lsid", Value: s.id})).Lookup("cursor", "id")
	more := func(id bson.RawValue) bson.D { return kv("getMore", id, "collection", "a") }
	p.fails("shop", append(more(inside), bson.E{Key: "lsid", Value: s.id}), 50740)
	p.fails("shop", more(inside), 50737)
	p.fails("shop", s.in(more(outside)), 50741)
}

// transactionLifetimeLimitSeconds is of effect, and a transaction that it ended is gone.
func TestTransactionLifetime(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 0)))
	p.ok("admin", kv("setParameter", 1, "transactionLifetimeLimitSeconds", 1))
	s := newSession(1)
	p.ok("shop", s.begin(find("a", kv())))
	deadline := time.Now().Add(8 * time.Second)
	for codeOf(p.run("shop", s.in(find("a", kv())))) != 251 {
		if time.Now().After(deadline) {
			t.Fatal("the transaction goes on")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A commit that was rolled back is forgotten: the member knows of no such transaction.
func TestCommitIsRolledBack(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.StalePrimary(time.Minute))
	old := dep.Primary()
	p, s := dial(t, old), newSession(1)
	p.ok("shop", insert("a", kv("_id", 0)))
	p.ok("shop", s.begin(insert("a", kv("_id", 1))))
	dep.Partition(old)
	p.ok("admin", append(s.commit(), bson.E{Key: "writeConcern", Value: kv("w", 1)}))
	ctx := context10(t)
	for dep.Primary() == old && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	dep.Heal()
	for old.RolledBack() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	for dep.Primary() != old {
		if ctx.Err() != nil {
			t.Fatal("the member is not elected again")
		}
		_ = dep.StepDown()
		_, _ = dep.WaitPrimary(ctx)
	}
	dial(t, old).fails("admin", s.commit(), 251, "TransientTransactionError")
}
