package mgxtest_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mgxtest"
)

// Servers that want credentials: URI logs the first user in, URIFor any other.
func ExampleUsers() {
	dep, err := mgxtest.NewReplicaSet(3, mgxtest.Users(mgxtest.User{Name: "app", Password: "secret"}))
	if err != nil {
		log.Fatal(err)
	}
	defer dep.Close()
	ctx := context.Background()

	client, err := mgx.Connect(ctx, dep.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	_, err = client.Database("shop").Collection("orders").InsertOne(ctx, map[string]any{"item": "tea"})
	fmt.Println("as app:", err)

	_, err = mgx.Connect(ctx, dep.URIFor(mgxtest.User{Name: "app", Password: "guess"}))
	fmt.Println("with a wrong password:", errors.Is(err, mgx.ErrAuthentication))

	// Output:
	// as app: <nil>
	// with a wrong password: true
}
