package failover

import (
	"errors"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// A cursor that holds a connection and is not being read keeps neither Close nor
// Disconnect waiting.
func TestIdleCursorHoldsUpNobody(t *testing.T) {
	for _, how := range []string{"Close", "Disconnect"} {
		t.Run(how, func(t *testing.T) {
			client := connect(t, mgxtest.LoadBalanced(t).URI())
			coll := client.Database("idle").Collection("c")
			_, err := coll.InsertMany(bounded(t), []any{bson.D{}, bson.D{}, bson.D{}, bson.D{}})
			check(t, err)
			cur := coll.Find(bounded(t), nil, mgx.BatchSize(2))
			if !cur.Next() {
				t.Fatal(cur.Err())
			}
			end := client.Disconnect
			if how == "Close" {
				end = client.Close
			}
			began := time.Now()
			check(t, end(bounded(t)))
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			for cur.Next() {
			}
			if !errors.Is(cur.Err(), mgx.ErrClosed) {
				t.Errorf("the cursor ended with %v", cur.Err())
			}
			_ = cur.Close() // the error again
		})
	}
}
