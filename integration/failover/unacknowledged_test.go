package failover

import (
	"errors"
	"sync"
	"testing"
	"time"

	driverbson "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// An unacknowledged write is not sent to a server that is known to refuse it: nobody
// would hear of that.
func TestUnacknowledgedWriteToANonPrimary(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.Arbiter(2))
	seen := record(t, dep, "insert", "update", "delete", "findAndModify")
	direct := func(o *mgx.Options) {
		o.ReplicaSet, o.DirectConnection = "", new(true)
		o.WriteConcern = mgx.Unacknowledged()
	}
	for _, m := range dep.Members() {
		primary := m == dep.Primary()
		client := connect(t, m.URI(), direct)
		coll := client.Database("retry").Collection("c")
		ctx := bounded(t)
		doc := bson.D{{Key: "a", Value: 1}}
		set := bson.D{{Key: "$set", Value: doc}}
		_, insert := coll.InsertOne(ctx, doc)
		_, many := coll.InsertMany(ctx, []any{doc, doc})
		_, update := coll.UpdateMany(ctx, doc, set)
		_, remove := coll.DeleteOne(ctx, doc)
		_, bulk := coll.BulkWrite(ctx, []mgx.WriteModel{mgx.InsertOneModel(doc), mgx.DeleteManyModel(doc)})
		inRequest, request := client.StartRequest(ctx)
		_, bound := coll.InsertOne(inRequest, doc)
		request.End()
		for name, err := range map[string]error{
			"insert": insert, "insert of many": many, "update": update, "delete": remove, "bulk": bulk, "in a request": bound,
		} {
			if primary && err != nil || !primary && !errors.Is(err, mgx.ErrNotPrimary) {
				t.Errorf("%v, %s: %s: %v", m, m.State(), name, err)
			}
		}
		time.Sleep(50 * time.Millisecond) // nothing tells of their arrival
		if n := len(seen.take()); primary != (n > 0) {
			t.Errorf("%s: %d commands arrived", m.State(), n)
		}
	}
}

// One that waits for a connection while its primary steps down goes to the new one.
func TestUnacknowledgedWriteFollowsThePrimary(t *testing.T) {
	dep := three(t)
	client := connect(t, dep.URI(), onePool, func(o *mgx.Options) { o.WriteConcern = mgx.Unacknowledged() })
	entered, step := make(chan struct{}), make(chan struct{})
	dep.Handle("distinct", func(*mgxtest.Command) (driverbson.D, error) {
		close(entered)
		<-step
		return driverbson.D{{Key: "values", Value: driverbson.A{}}, {Key: "ok", Value: 1}}, nil
	})
	coll := client.Database("retry").Collection("c")
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = coll.Distinct(bounded(t), "x", nil) })
	<-entered
	old := dep.Primary()
	seen := record(t, dep, "insert")
	wg.Go(func() {
		if _, err := coll.InsertOne(bounded(t), bson.D{}); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(50 * time.Millisecond) // it waits for the connection
	check(t, dep.StepDown())
	now, err := dep.WaitPrimary(bounded(t))
	check(t, err)
	time.Sleep(200 * time.Millisecond) // the client streams what happens
	close(step)
	wg.Wait()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if list := seen.take(); len(list) > 0 {
			if list[0].Member != now {
				t.Errorf("it went to %v, but %v is primary now, no longer %v", list[0].Member, now, old)
			}
			return
		}
		if time.Since(began) > patience {
			t.Fatal("the write has vanished")
		}
	}
}
