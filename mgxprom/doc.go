// Package mgxprom has a Prometheus collector of what an mgx client does: operations,
// commands, connection pools, servers.
//
//	options, err := mgx.ParseURI(uri)
//	…
//	collector := mgxprom.Instrument(options, mgxprom.Config{})
//	client, err := mgx.Open(ctx, options)
//	…
//	collector.Watch(client)
//	prometheus.MustRegister(collector)
//
// docs/observability.md lists the metrics. No label has anything of a document, a filter
// or a credential.
package mgxprom
