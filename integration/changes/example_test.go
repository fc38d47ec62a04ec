package changes

import (
	"context"
	"fmt"
	"log"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// A change stream goes on when its server dies, and misses nothing.
func Example_changeStream() {
	d, err := mgxtest.NewReplicaSet(3)
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	ctx := context.Background()
	client, err := mgx.Connect(ctx, d.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	items := client.Database("shop").Collection("items")

	stream, err := items.Watch(ctx, []bson.D{{{"$match", bson.D{{"operationType", "insert"}}}}})
	if err != nil {
		log.Fatal(err)
	}
	for id := range 3 {
		if _, err := items.InsertOne(ctx, item{id}); err != nil {
			log.Fatal(err)
		}
	}
	for e, err := range mgx.Changes[item](ctx, stream) { // which closes the stream
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Operation, e.FullDocument.ID)
		switch e.FullDocument.ID {
		case 0:
			d.Primary().Kill()
		case 2:
			if _, err := items.InsertOne(ctx, item{3}); err != nil { // by the new primary
				log.Fatal(err)
			}
		case 3:
			return
		}
	}
	// Output:
	// insert 0
	// insert 1
	// insert 2
	// insert 3
}
