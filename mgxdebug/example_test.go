package mgxdebug_test

import (
	"context"
	"log"
	"net/http"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mgxdebug"
)

func ExampleInstrument() {
	ctx := context.Background()
	options, err := mgx.ParseURI("mongodb://localhost:27017/shop")
	if err != nil {
		log.Fatal(err)
	}
	page := mgxdebug.Instrument(options, mgxdebug.Config{Name: "checkout"})
	client, err := mgx.Open(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	page.Watch(client)

	// Beside net/http/pprof, where nobody else gets at it.
	http.Handle("/debug/mgx", page)
	log.Fatal(http.ListenAndServe("localhost:6060", nil))
}
