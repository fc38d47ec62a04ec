package embedded_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/mgxdb/mgx/embedded"
)

// A server for a test or a demonstration: on a free port, in a temporary folder.
func Example() {
	server, err := embedded.Start(context.Background(), embedded.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			log.Print(err)
		}
	}()

	// mgx.Connect(ctx, server.URI()), or any other client that speaks MongoDB.
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("connected:", conn.Close() == nil)
	// Output: connected: true
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
