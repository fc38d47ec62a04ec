package embedded_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded"
)

// A server for a test or a demonstration: on a free port, in a temporary folder.
func Example() {
	ctx := context.Background()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			log.Print(err)
		}
	}()

	client, err := mgx.Connect(ctx, server.URI())
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close(ctx) }()

	orders := client.Database("shop").Collection("orders")
	if _, err := orders.InsertOne(ctx, bson.D{{Key: "item", Value: "tea"}}); err != nil {
		log.Fatal(err)
	}
	n, err := orders.CountDocuments(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("documents:", n)
	// Output: documents: 1
}

// A development database: its data is there again after a restart.
func ExampleStart_folder() {
	dir := filepath.Join(os.TempDir(), "mgx-example")
	defer func() { _ = os.RemoveAll(dir) }()

	for range 2 {
		server, err := embedded.Start(context.Background(), embedded.Options{Dir: dir})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("serves", filepath.Base(server.Dir()))
		if err := server.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// serves mgx-example
	// serves mgx-example
}

// With TLS and no certificate at hand, one is made; the URI names its authority.
func ExampleStart_tls() {
	server, err := embedded.Start(context.Background(), embedded.Options{TLS: &embedded.TLS{}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	fmt.Println("authority:", filepath.Base(server.CAFile()))
	// Output: authority: ca.pem
}
