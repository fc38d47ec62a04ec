package mgxtest_test

import (
	"net"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// setParameter answers with the value before, and refuses what is no parameter
// (manual: setParameter; server: parameters.cpp). So does the option.
func TestParameters(t *testing.T) {
	dep := mgxtest.Sharded(t, mgxtest.Parameter("transactionLifetimeLimitSeconds", 90))
	for _, p := range []*plain{dial(t, dep.Primary()), dial(t, dep.Mongoses()[0])} {
		if was := p.ok("admin", kv("setParameter", 1, "transactionLifetimeLimitSeconds", 30)).Lookup("was").AsInt64(); was != 90 {
			t.Errorf("was %d", was)
		}
		if now := p.ok("admin", kv("getParameter", 1, "transactionLifetimeLimitSeconds", 1)).Lookup("transactionLifetimeLimitSeconds").AsInt64(); now != 30 {
			t.Errorf("now %d", now)
		}
		p.fails("admin", kv("setParameter", 1, "transactionLifetimeLimitSecond", 30), 72)
		p.fails("admin", kv("setParameter", 1), 72)
		p.fails("admin", kv("setParameter", 1, "enableTestCommands", false), 20)
		p.fails("admin", kv("setParameter", 1, "transactionLifetimeLimitSeconds", "x"), 2)
		p.fails("admin", kv("getParameter", 1, "nothing", 1), 72)
		if all := p.ok("admin", kv("getParameter", "*")); all.Lookup("featureCompatibilityVersion", "version").StringValue() != "8.0" {
			t.Error(all)
		}
	}
	if d, err := mgxtest.NewStandalone(mgxtest.Parameter("transactionLifetimeLimitSecond", 1)); err == nil {
		d.Close()
		t.Error("a parameter that servers do not have was taken")
	}
	// A new process begins with the parameters that it was started with.
	m := dep.Primary()
	m.Kill()
	must(t, m.Restart())
	if now := dial(t, m).ok("admin", kv("getParameter", 1, "transactionLifetimeLimitSeconds", 1)).Lookup("transactionLifetimeLimitSeconds").AsInt64(); now != 90 {
		t.Errorf("after a restart %d", now)
	}
}

// Fail points that servers do not have are refused (server: fail_point.cpp).
func TestUnknownFailPoint(t *testing.T) {
	dep := mgxtest.Sharded(t)
	for _, p := range []*plain{dial(t, dep.Primary()), dial(t, dep.Mongoses()[0])} {
		for _, name := range []string{"failComand", "", "waitInFindBeforeMakingBatches"} {
			p.fails("admin", kv("configureFailPoint", name, "mode", "alwaysOn"), 266)
		}
	}
}

func TestFailPointsThatWait(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p, q := dial(t, dep.Primary()), dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 1), kv("_id", 2)))
	mode := func(name, mode string) { p.ok("admin", kv("configureFailPoint", name, "mode", mode)) }

	mode("waitInFindBeforeMakingBatch", "alwaysOn")
	q.fails("shop", append(find("a", kv()), kv("maxTimeMS", 20)...), 50)
	done := make(chan bson.Raw, 1)
	go func() { reply, _ := q.try("shop", find("a", kv())); done <- reply }()
	time.Sleep(20 * time.Millisecond)
	select {
	case reply := <-done:
		t.Fatalf("it did not wait: %v", reply)
	default:
	}
	mode("waitInFindBeforeMakingBatch", "off")
	if reply := <-done; found(reply) != 2 {
		t.Error(reply)
	}

	mode("maxTimeAlwaysTimeOut", "alwaysOn")
	p.fails("shop", append(find("a", kv()), kv("maxTimeMS", 60_000)...), 50)
	p.ok("shop", find("a", kv()))
	mode("maxTimeAlwaysTimeOut", "off")

	// Conflicts that a transaction sees, and other writes do not.
	p.ok("admin", kv("configureFailPoint", "WTWriteConflictException", "mode", kv("times", 2)))
	p.ok("shop", insert("a", kv("_id", 3)))
	mode("WTWriteConflictException", "alwaysOn")
	s := newSession(1)
	p.fails("shop", s.begin(insert("a", kv("_id", 4))), 112, "TransientTransactionError")
	p.fails("shop", append(insert("a", kv("_id", 4)), kv("maxTimeMS", 20)...), 50)
}

// stopReplProducer and rsSyncApplyStop hold a secondary's replication up.
func TestFailPointsOfReplication(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 2)
	p, other := dial(t, dep.Primary()), dial(t, dep.Secondaries()[0])
	for _, name := range []string{"stopReplProducer", "rsSyncApplyStop"} {
		other.ok("admin", kv("configureFailPoint", name, "mode", "alwaysOn"))
		p.fails("shop", append(insert("a", kv("x", 1)), kv("writeConcern", kv("w", 2, "wtimeout", 20))...), 64)
		other.ok("admin", kv("configureFailPoint", name, "mode", "off"))
		p.ok("shop", append(insert("a", kv("x", 1)), kv("writeConcern", kv("w", 2, "wtimeout", 5000))...))
	}
}

// Connections beyond the rate wait, those beyond the queue are closed (manual:
// ingressConnectionEstablishmentRateLimiterEnabled).
func TestRateOfConnections(t *testing.T) {
	dep := mgxtest.Standalone(t)
	m := dep.Primary()
	p := dial(t, m)
	p.ok("admin", kv("setParameter", 1, "ingressConnectionEstablishmentRatePerSec", 10, "ingressConnectionEstablishmentBurstCapacitySecs", 0.1,
		"ingressConnectionEstablishmentMaxQueueDepth", 1, "ingressConnectionEstablishmentRateLimiterEnabled", true))
	served, closed := 0, 0
	results := make(chan error, 5)
	for range 5 {
		nc, err := net.Dial("tcp", m.Addr())
		must(t, err)
		t.Cleanup(func() { nc.Close() })
		go func() { _, err := (&plain{t, nc}).try("admin", kv("ping", 1)); results <- err }()
	}
	for range 5 {
		if <-results == nil {
			served++
		} else {
			closed++
		}
	}
	if served == 0 || closed == 0 {
		t.Errorf("%d served, %d closed", served, closed)
	}
}
