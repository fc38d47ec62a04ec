package mgxtest_test

import (
	"net"
	"testing"
	"time"

	"github.com/mgxdb/mgx/mgxtest"
)

// In the quiesce period commands go on and hello says what is coming; new connections
// are refused (manual: shutdown; server: SERVER-9013).
func TestQuiesceMode(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	old := dep.Primary()
	p, hello := dial(t, old), dial(t, old)
	p.ok("shop", insert("a", kv("_id", 1), kv("_id", 2)))
	cursor := p.ok("shop", kv("find", "a", "batchSize", 1)).Lookup("cursor", "id")
	go old.Shutdown(400 * time.Millisecond)
	deadline := time.Now().Add(300 * time.Millisecond)
	var left int64
	for left == 0 && time.Now().Before(deadline) {
		reply := hello.run("admin", kv("hello", 1))
		if codeOf(reply) == 91 {
			left = reply.Lookup("remainingQuiesceTimeMillis").AsInt64()
			if reply.Lookup("topologyVersion").IsZero() {
				t.Error("no topologyVersion")
			}
		}
	}
	if left <= 0 || left > 400 {
		t.Errorf("%d ms of quiescing left", left)
	}
	p.ok("shop", kv("getMore", cursor, "collection", "a"))
	p.ok("shop", append(find("a", kv()), kv("$readPreference", kv("mode", "secondaryPreferred"))...))
	p.fails("shop", insert("a", kv("_id", 3)), 10107)
	time.Sleep(10 * time.Millisecond)
	if nc, err := net.DialTimeout("tcp", old.Addr(), 100*time.Millisecond); err == nil {
		nc.Close()
		t.Error("a new connection was accepted")
	}
	if reply := hello.run("admin", kv("hello", 1)); reply.Lookup("remainingQuiesceTimeMillis").AsInt64() >= left {
		t.Error("the time left does not go down")
	}
	for old.Up() {
		time.Sleep(10 * time.Millisecond)
	}
}
