package mgxtest_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// Encrypted collections are compacted by whoever has tokens (manual:
// compactStructuredEncryptionData, cleanupStructuredEncryptionData).
func TestCompaction(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", kv("create", "plain"))
	p.ok("shop", kv("create", "secret", "encryptedFields", kv("fields", bson.A{})))
	for name, tokens := range map[string]string{"compactStructuredEncryptionData": "compactionTokens", "cleanupStructuredEncryptionData": "cleanupTokens"} {
		if r := p.ok("shop", kv(name, "secret", tokens, bson.D{})); r.Lookup("stats", "esc", "deleted").Type == 0 {
			t.Error(r)
		}
		p.fails("shop", kv(name, "secret"), 40414)
		p.fails("shop", kv(name, "plain", tokens, bson.D{}), 6346807)
		p.fails("shop", kv(name, "none", tokens, bson.D{}), 26)
	}
}
