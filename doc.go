/*
Package mgx is a MongoDB client. It connects to a standalone server, a replica
set, a sharded cluster or a load balancer, discovers the servers, pools the
connections, retries what may be retried, and says what went wrong in words that
help.

# Connecting

A [Client] stands for a deployment. [Connect] opens one for a connection string,
and waits until a server answers:

	client, err := mgx.Connect(ctx, "mongodb://localhost:27017/shop")
	if err != nil {
		return err // errors.Is(err, mgx.ErrConnectionFailure): nobody answered
	}
	defer client.Close(ctx)

A client is safe for concurrent use, and meant to be shared: a program needs one
for each deployment. [Client.Close] is final; [Client.Disconnect] closes all
connections too, but the next operation opens them again.

What a connection string cannot say, or should not, is a field of [Options]:

	options, err := mgx.ParseURI(os.Getenv("MONGODB_URI"))
	options.AppName = "checkout"
	options.ReadPreference = mgx.ReadPreference{Mode: mgx.SecondaryPreferred}
	client, err := mgx.Open(ctx, options)

[New] is Open without the wait: the first operation finds out whether a server is
there. The names of options in connection strings are in the comments of their
fields.

# Databases and collections

Handles cost nothing and do no I/O: they can be made where they are used, or kept.

	orders := client.Database("shop").Collection("orders")

They do not mean that a database or a collection exists. An invalid name is
reported by the first operation, as an [ErrInvalidName]. [Database] runs commands
and looks after collections, [Collection] has everything about documents and
indexes. Read and write concern, read preference and how values are decoded are
set for the client in Options, for a handle where it is made, and for a call; the
innermost that says something counts.

Filters, documents and updates may be a bson.D, bson.M or bson.Raw, a struct, a
map, or anything that implements the bson package's interfaces. A nil filter
matches every document. Package [github.com/mgxdb/mgx/bson] has the types, which
are those of the official driver, and what struct tags mean.

# Options of calls

Options are functions at the end of a call, typed by operation: one that an
operation does not have does not compile. The comment of its type lists them:
[FindOption], [UpdateOption] and so on.

	cur := orders.Find(ctx, bson.D{{"qty", bson.D{{"$gt", 1}}}}, mgx.Sort("-qty", "item"), mgx.Limit(10))
	_, err = orders.UpdateOne(ctx, filter, update, mgx.Upsert(), mgx.Hint("item_1"))

Where options contradict each other, the last one counts. Names are MongoDB's
own, with those of the server manual for what they do.

# Contexts

The context is the deadline: it bounds the wait for a server and for a connection,
and every exchange with the server, retries included. Ending it ends the call at
once, and does not cost the connection: the late reply is read in the background,
and the connection used again. Whether a write that was cut off took effect is not
known.

For a context without a deadline, Options.Timeout bounds each operation, and also
has the server stop in time. [MaxTime] bounds the server's work alone.

# Cursors

[Collection.Find] and [Collection.Aggregate] return a [Cursor] at once, and send
nothing before the first document is asked for; only a pipeline that ends with $out
or $merge runs at once. Errors wait in the cursor. [Collect] and [Each] go through
one to its end, typed:

	list, err := mgx.Collect[Order](orders.Find(ctx, filter))

	for o, err := range mgx.Each[Order](orders.Find(ctx, nil)) {
		if err != nil {
			return err
		}
	}

Leaving the loop closes the cursor, on the server too. [Cursor.Next] and
[Cursor.Decode] do the same by hand, and need a [Cursor.Close] if they stop before
the end. A cursor belongs to one goroutine, and to the context that it was made
with. [FindOne] returns one document, or [ErrNoDocuments].

# Writes

InsertOne, InsertMany, UpdateOne, UpdateMany, ReplaceOne, DeleteOne, DeleteMany and
the three FindOneAnd… are what they are elsewhere. A document without _id gets an
ObjectID, and the value that was passed in is not changed. [Collection.BulkWrite]
runs writes of several kinds; [Client.BulkWrite] runs them on several collections,
on servers from 8.0 on. Both send as few messages as the server's limits allow.

A write waits for what its [WriteConcern] says. [Unacknowledged] waits for nothing:
the result says so in its field Acknowledged, and errors are not reported.

Reads, and writes that change at most one document for each statement, are sent
again after a lost connection or a change of the primary, such that they take effect
once: see the specifications "Retryable Reads" and "Retryable Writes".
Options.RetryReads and Options.RetryWrites turn that off.

# Errors

Errors have categories, for errors.Is: [ErrDuplicateKey], [ErrTimeout],
[ErrNoDocuments], [ErrServerSelection] and the others of its group. Two are about
connections: an [ErrConnectionFailure] is every failure to reach a server; an
[ErrAutoReconnect] is one that the client gets over by itself, so that a later call
can succeed.

Details come by errors.As: [*ServerError] is a command that the server refused, with
its code, labels and reply; [*WriteError] a write that it refused; a
[*WriteConcernError] a write that was applied, but not confirmed as asked for;
[*BulkWriteError] and [*ClientBulkWriteError] what became of several writes. The
last two, and write concern errors, come beside a result that is valid as far as it
goes. A [*bson.DecodeError] is a document that does not fit the Go value that it was
to go into. [HasErrorLabel] looks for an error label.

The text of an ErrServerSelection has a line for each server, with what was wrong
with it last. No error, log or event shows a secret.

# Requests

Operations take whatever connection is free. Those of a request share one to each
server, in order, as the classic client's start_request had it; so what an
unacknowledged write has written can be read at once:

	ctx, req := client.StartRequest(ctx)
	defer req.End()

The context carries the request: see [Client.StartRequest] and [WithAffinity].

# Sessions and transactions

	err = client.WithTransaction(ctx, func(ctx context.Context) error { … })

Sessions travel in the context, too: see [Client.WithTransaction] and
[Client.StartSession]. Operations without one run in sessions of the client's own.

# Events and logs

Options.OperationMonitors, CommandMonitors, PoolMonitors and TopologyMonitors are told
of operations, of their commands, of connections and of what the client knows of the
deployment, in the types of package [github.com/mgxdb/mgx/event]. Those of operations
and commands get the context, and may pass one on: enough for traces. [Client.Stats]
and [Client.Topology] are the present state. Options.Logger gets the same as log/slog records, by
component; without one, the environment's MONGODB_LOG_ variables decide: see
[LogLevels]. Without any, neither costs anything.

# What is where

	options.go, client.go       Options, Client
	database.go, collection.go  Database, Collection
	find.go, cursor.go          queries, Cursor, Collect, Each
	write.go, bulk.go           writes; clientbulk.go: Client.BulkWrite; findandmodify.go
	calloptions.go              the options of calls
	index.go, searchindex.go    indexes, search indexes
	createcollection.go, …      collections: modifycollection.go, collection.go
	session.go, transaction.go  sessions, transactions
	changestream.go             change streams
	concern.go, errors.go       read preference, write concern; errors
	request.go, admin.go        requests, server administration
	copydb.go                   CopyDatabase

Package [github.com/mgxdb/mgx/gridfs] stores files; package
[github.com/mgxdb/mgx/connstring] reads connection strings. For who knows PyMongo's
MongoClient, docs/from-pymongo.md lists each member of it; docs/options.md lists
every option of a client, docs/operations.md those of the operations.
*/
package mgx
