// Package mgxdebug has a page that shows what an mgx client is doing: its deployment, its
// connection pools, the operations in progress, slow and failed ones, cursors, sessions
// and latencies of the last five minutes. It is to a client what net/http/pprof is to a
// program.
//
//	page := mgxdebug.Instrument(options, mgxdebug.Config{})
//	client, err := mgx.Open(ctx, options)
//	…
//	page.Watch(client)
//	http.Handle("/debug/mgx", page)
//
// The page needs nothing from elsewhere and works without JavaScript; with it, it is live.
// ?format=json is the same as a [Snapshot], which the tool's command "mgx top" shows in a
// terminal.
//
// There is no password and no token on it, and nothing of documents and filters unless
// [Config.CommandMaxLength] asks for that, but for what servers say in errors. As with
// pprof, it is for those who run the program: listen on localhost, or put something in
// front that asks who is there.
package mgxdebug
