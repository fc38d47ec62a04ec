// Package embedded runs a MongoDB-compatible server inside the process: a real
// server on a real socket, with nothing to install. It is meant for
// development, demonstrations and tests.
//
//	server, err := embedded.Start(ctx, embedded.Options{})
//	if err != nil { … }
//	defer server.Close()
//	client, err := mgx.Connect(ctx, server.URI())
//
// The server is FerretDB v1.24.2 on SQLite. It answers reads and writes,
// cursors, indexes, a useful part of the aggregation stages and most of the
// administration commands. It has no replication, no transactions, no change
// streams, no retryable writes, no fail points and, embedded, no users: whoever
// reaches the address may do everything. So it listens on the loopback
// interface unless it is told otherwise.
//
// Most of what FerretDB lacks it refuses, mostly as NotImplemented (code 238):
// $lookup, $facet and $sample, pipelines as updates, array filters,
// partial indexes and those that expire documents, collMod and fsync. But it
// ignores hints, min and max, read concerns and the strict Stable API, and it
// notices an unknown operator of a query only once there is a document to look at.
//
// # Several servers
//
// Any number of servers may run in one process, each in a folder of its own. A
// folder belongs to one server at a time: where the platform has flock, a second
// Start on it fails with [ErrDirInUse], in this process or in another.
//
// # What it leaves behind
//
// A server in a temporary folder removes it in [Server.Close]. A server in a
// given folder leaves its databases there, one SQLite file each, and nothing
// else. Telemetry is off and no state file is written.
//
// # What cannot be had
//
// FerretDB's embedded package lets clients that are still connected finish for
// three seconds when it stops, and offers no way to cut them off: close the
// clients before the server and Close is immediate. Its build reports its own
// version as "unknown" (ferretdbVersion in buildInfo). With -race it builds
// itself in its debug mode, which is slower and turns some internal errors into
// panics.
package embedded
