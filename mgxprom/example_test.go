package mgxprom_test

import (
	"context"
	"log"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mgxprom"
)

func ExampleInstrument() {
	ctx := context.Background()
	options, err := mgx.ParseURI("mongodb://localhost:27017/shop")
	if err != nil {
		log.Fatal(err)
	}
	collector := mgxprom.Instrument(options, mgxprom.Config{})
	client, err := mgx.Open(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	collector.Watch(client)
	prometheus.MustRegister(collector)

	http.Handle("/metrics", promhttp.Handler())
	log.Fatal(http.ListenAndServe("localhost:9100", nil))
}
