package prose

import (
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// The prose test "Options Inside Transaction" of the specification "Transactions". Those
// of pinning, and of cleared pools, are in package transactions, those of the convenient
// API in the root package, where its clock and its randomness can be set.

func TestTransactions10WriteConcernOfTheCollection(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c := connect(t, dep)
		check(t, c.Database("db").CreateCollection(bounded(t), "coll"))
		ctx, session, err := c.StartSession(bounded(t), nil)
		check(t, err)
		check(t, session.StartTransaction(nil))
		_, err = c.coll().With(mgx.WithWriteConcern(mgx.Unacknowledged())).InsertOne(ctx, bson.D{{Key: "n", Value: 1}})
		check(t, err)
		check(t, session.CommitTransaction(ctx))
		session.End(ctx)
		if n, err := c.coll().CountDocuments(bounded(t), bson.D{{Key: "n", Value: 1}}); n != 1 || err != nil {
			t.Errorf("%d documents: %v", n, err)
		}
	})
}
