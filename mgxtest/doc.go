// Package mgxtest simulates MongoDB deployments in the process, so that
// programs can test how they behave when servers fail.
//
// A deployment is a standalone, a replica set, a sharded cluster or a
// load-balanced cluster. Its servers listen on loopback ports and speak the
// wire protocol, so any driver connects to them through Deployment.URI. What
// happens to them is up to the test: members step down, die and restart, lose
// sight of each other, lag behind, answer late or not at all, and commands fail
// as the server's failCommand fail point makes them.
//
//	dep := mgxtest.ReplicaSet(t, 3)
//	client, err := mgx.Connect(ctx, dep.URI())
//	…
//	dep.Primary().Kill()
//
// # What is simulated
//
// Members answer hello in all its forms, streaming included. They hold
// elections with terms, replicate an oplog, and roll back what never reached a
// majority. Reads, writes, cursors (tailable ones too), indexes with
// uniqueness, sessions, retryable writes, transactions with snapshot isolation
// and write conflicts, and change streams work as on a server of version 8.0
// as far as a client can see. The documents live in memory, on lungo's
// mongokit.
//
// Elections are decided by who is up to date, then by priority, then by
// position, so a test that does the same things sees the same primaries. They
// take place after ElectionTimeout, or after HandoffTime when the primary
// stepped down in order. Both are far shorter than a real server's.
//
// A write is acknowledged by majority unless its write concern or
// setDefaultRWConcern says otherwise, and such a write is never lost, whatever
// happens to the members. A write that only a primary without a majority took is
// rolled back when that primary meets a newer one. A killed member keeps its data,
// as on a disk, and loses its cursors, transactions, fail points and changed
// parameters.
//
// All read concerns are what they say: majority shows what cannot be rolled back,
// linearizable waits for a majority to confirm the primary, snapshot reads any point
// of the last five minutes, and afterClusterTime waits. Changes of definitions wait
// for open transactions. Change streams tell updates by their operators, have images
// of documents where the collection keeps them, split large events, and give errors
// the labels that servers do.
//
// Of the server's fail points there are failCommand, onPrimaryTransactionalWrite,
// failGetMoreAfterCursorCheckout, WTWriteConflictException, maxTimeAlwaysTimeOut,
// stopReplProducer, rsSyncApplyStop, waitInFindBeforeMakingBatch and
// waitAfterPinningCursorBeforeGetMoreBatch. Others are answered as a server answers
// unknown ones, and so are unknown parameters: see Parameter.
//
// With the option Users, servers want credentials: SCRAM-SHA-1 and SCRAM-SHA-256,
// begun in hello or not, on every kind of deployment. Commands before that fail with
// Unauthorized (code 13), wrong passwords with AuthenticationFailed (code 18), and
// createUser, updateUser, dropUser and usersInfo work. All servers know all users at
// once; their roles are kept, not enforced. MONGODB-OIDC takes the access tokens that
// a test says, from callbacks for machines.
//
// # What is not
//
// There are no other ways to log in, no encryption and no compression. Data is not
// distributed over shards: a sharded deployment has one shard, sharding a collection
// is noted in the config database, and what matters to clients happens in the
// routers. Members cannot be added or removed. Documents do not expire.
//
// Queries scan: collections of test size are fast, large ones are not; explain says
// which index a server could use. Of the languages there is no text or geo query, no
// JavaScript, no collation beyond case, no $setWindowFields, no granularity of
// $bucketAuto, and none of the operators $median, $percentile, $accumulator,
// $function, $meta, $sampleRate and $toHashedIndexKey. What is not there answers as a
// server answers unknown names.
package mgxtest
