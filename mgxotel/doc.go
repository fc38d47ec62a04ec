// Package mgxotel reports the operations and commands of an mgx client to OpenTelemetry:
// traces as MongoDB's specification "OpenTelemetry" has them, and metrics as the semantic
// conventions for database clients do.
//
//	options, err := mgx.ParseURI(uri)
//	…
//	mgxotel.Instrument(options, mgxotel.Config{})
//	client, err := mgx.Open(ctx, options)
//
// A span stands for each operation, as a child of the span in the operation's context, with
// a span below it for each command that was sent, retries included. A transaction has a
// span of its own, which its operations are below, its commit or abort among them.
//
// Commands that carry secrets have no spans. What a command says is left out unless
// [Config.QueryTextMaxLength] asks for it; the texts of errors can hold values of
// documents, such as a duplicate key.
//
// The package uses OpenTelemetry's API alone: what becomes of spans and metrics is up to
// the providers of the program.
package mgxotel
