package mgx

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/changestream"
	"github.com/mgxdb/mgx/internal/cursor"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
)

// ChangeStream follows the changes of a collection, a database or a whole deployment,
// as Watch opens it. It lasts: when its connection, its server or its cursor is lost,
// it goes on by itself after the last event, and misses none. (A raw aggregation with
// $changeStream does not, so prefer Watch.)
//
//	stream, err := orders.Watch(ctx, nil)
//	…
//	defer stream.Close(ctx)
//	for stream.Next(ctx) {
//		var e mgx.ChangeEvent[Order]
//		if err := stream.Decode(&e); err != nil { … }
//	}
//	err = stream.Err()
//
// Changes does the same in a range loop. Needs a replica set or a sharded cluster; a
// read concern other than majority, or none, the server refuses.
//
// A stream is used by one goroutine at a time, Close included. See docs/change-streams.md
// and the specification "Change Streams".
type ChangeStream struct {
	client *Client
	life   context.Context // the stream's: that of Watch, without its end
	end    context.CancelFunc
	dec    *bson.DecodeOptions
	watch  watched

	batches   *cursor.Batches
	position  changestream.Position
	fragments changestream.Fragments
	doc       []byte

	// timeout is the timeoutMS of each call, 0 or less: none.
	timeout time.Duration

	lost    bool // the cursor is, and has to be opened again
	closed  bool
	err     error
	passing bool // err is of the last call, and the stream goes on
}

// watched is what a stream watches, and how.
type watched struct {
	database, collection string // no collection: the database
	cluster              bool
	stages               []byte // the user's, an array
	options              callOptions
}

// Watch opens a change stream on the collection. pipeline is a slice of stages that
// the events go through ($match, $project and the like), nil for none; they must leave
// _id as it is, which is the resume token. The context bounds the opening, and its
// values, such as a request, are the stream's; its end is not the stream's.
//
// Changes are those that happen once Watch has returned, unless an option says where to
// begin.
func (c *Collection) Watch(ctx context.Context, pipeline any, options ...WatchOption) (*ChangeStream, error) {
	w := watched{database: c.db.name, collection: c.name, options: collect(c.base, options)}
	return c.db.client.watch(ctx, w, pipeline, c.err)
}

// Watch opens a change stream on all collections of the database but the system's.
// It is like Collection.Watch otherwise.
func (db *Database) Watch(ctx context.Context, pipeline any, options ...WatchOption) (*ChangeStream, error) {
	w := watched{database: db.name, options: collect(db.base, options)}
	return db.client.watch(ctx, w, pipeline, db.err)
}

// Watch opens a change stream on all databases of the deployment but admin, config and
// local. It is like Collection.Watch otherwise.
func (c *Client) Watch(ctx context.Context, pipeline any, options ...WatchOption) (*ChangeStream, error) {
	w := watched{database: "admin", cluster: true, options: collect(c.base, options)}
	return c.watch(ctx, w, pipeline, nil)
}

func (c *Client) watch(ctx context.Context, w watched, pipeline any, err error) (*ChangeStream, error) {
	switch {
	case err != nil:
		return nil, err
	case ctx == nil:
		return nil, nilContext("aggregate")
	}
	if w.stages, err = appendPipeline(nil, "pipeline", pipeline); err != nil {
		return nil, err
	}
	timeout := cmp.Or(w.options.timeout.Limit, c.options.Timeout)
	if err := checkTimeouts(&w.options, timeout); err != nil {
		return nil, err
	}
	start, err := w.options.changeStream().start()
	if err != nil {
		return nil, err
	}
	s := &ChangeStream{client: c, dec: c.decode(&w.options), watch: w, position: changestream.NewPosition(start), timeout: timeout}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.open(ctx, exec.Binding{Cursor: true}); err != nil {
		_ = s.Close(ctx)
		return nil, c.unwatchable(err)
	}
	return s, nil
}

// unwatchable says of a standalone server that refuses a change stream what is missing.
func (c *Client) unwatchable(err error) error {
	var refused *ServerError
	if !errors.As(err, &refused) {
		return err
	}
	if d := c.exec.Topology.Description().Server(refused.Address); d == nil || d.Kind != sdam.Standalone {
		return err
	}
	return failure(ErrUnsupported, "change streams need a replica set or a sharded cluster, and %s is a standalone server: %w", refused.Address, err)
}

// open sends the command that opens the stream, for the first time or again.
func (s *ChangeStream) open(ctx context.Context, b exec.Binding) error {
	set := &s.watch.options
	var wire int32
	if s.batches != nil {
		wire = s.batches.MaxWireVersion()
	}
	next := &cursor.Batches{Config: cursor.Config{
		Runner: cursorRunner{s.client}, Open: &s.client.cursors, Context: s.life, Binding: b,
		BatchSize: set.batchSize, AwaitMS: set.awaitMS(), Timeout: set.timeout.Limit, Collection: "$cmd.aggregate",
		Command: exec.Op{
			Name: "aggregate", Database: s.watch.database, Access: exec.Read, Retryable: true, ReadPreference: set.readPreference, Timeout: set.timeout,
			Body: func(dst []byte) ([]byte, error) { return s.append(dst, wire) },
		},
	}}
	if set.readConcern != nil {
		next.Command.ReadConcern = *set.readConcern
	}
	if set.comment != nil {
		next.Comment = func(dst []byte) ([]byte, error) { return appendAny(dst, "comment", set.comment) }
	}
	s.batches = next
	if err := next.Start(s.during(ctx)); err != nil {
		return s.public(err)
	}
	var at *changestream.Time
	if v, ok := bsonwire.Lookup(next.Reply(), "operationTime"); ok {
		if t, i, ok := v.AsTimestamp(); ok {
			at = &changestream.Time{T: t, I: i}
		}
	}
	s.position.Opened(next.AtLast(), next.ResumeToken(), at, next.MaxWireVersion())
	return nil
}

// append appends the command that opens the stream. wire is the wire version of the
// server that it was on.
func (s *ChangeStream) append(dst []byte, wire int32) ([]byte, error) {
	set := &s.watch.options
	if s.watch.collection == "" {
		dst = bsonwire.AppendInt32(dst, "aggregate", 1)
	} else {
		dst = bsonwire.AppendString(dst, "aggregate", s.watch.collection)
	}
	dst, array := bsonwire.BeginArray(dst, "pipeline")
	dst, outer := bsonwire.BeginDocument(dst, "0")
	dst, stage := bsonwire.BeginDocument(dst, "$changeStream")
	if s.watch.cluster {
		dst = bsonwire.AppendBoolean(dst, "allChangesForCluster", true)
	}
	dst = set.changeStream().append(dst)
	dst = s.position.Append(dst, wire)
	dst = bsonwire.End(bsonwire.End(dst, stage), outer)
	stages, _ := bsonwire.Lookup(wrapElement(s.watch.stages), "pipeline")
	list, _ := stages.AsArray()
	n := 1
	for r := bsonwire.NewReader(list); r.Next(); n++ {
		dst = bsonwire.AppendValue(dst, bsonwire.Index(n), r.Value())
	}
	if set.changeStream().split {
		dst, outer = bsonwire.BeginDocument(dst, bsonwire.Index(n))
		dst = bsonwire.End(bsonwire.AppendDocument(dst, "$changeStreamSplitLargeEvent", emptyDocument), outer)
	}
	dst = bsonwire.End(dst, array)
	dst = appendCursorOption(dst, set.batchSize)
	return appendAll(dst, field{"collation", set.collation}, field{"comment", set.comment})
}

// during returns the context of a call, with the values of the stream's.
func (s *ChangeStream) during(ctx context.Context) context.Context { return callContext{ctx, s.life} }

// Next waits for the next event and moves to it. It returns false when the stream has
// ended (after an invalidate event, or when its collection is gone), after an error, and
// when the context ends: Err tells which. After the context's end the stream goes on
// with the next call, and no event is lost.
//
// Where there is a timeout (the option Timeout, or that of the handle or client), it
// bounds each call, and what is sent to open the stream again within it. After it the
// next call opens the stream again. If no event has come before that, the server may
// not have been through its oplog in the time: close the stream, and open one with a
// higher timeout.
func (s *ChangeStream) Next(ctx context.Context) bool {
	ctx, done := s.bounded(ctx)
	defer done()
	for {
		asked := time.Now()
		if s.tryNext(ctx) {
			return true
		}
		if s.err != nil || s.closed {
			return false
		}
		if !s.client.exec.Pause(ctx, time.Until(asked.Add(tailPause))) {
			s.pass(s.public(ctx.Err()))
			return false
		}
	}
}

// TryNext is Next for callers that do not want to wait for an event: it returns false after one
// answer of the server without one, which that gives after MaxAwaitTime. To store every
// resume token there is, call it in a loop and take ResumeToken each time: the token
// moves on also where no event matches.
func (s *ChangeStream) TryNext(ctx context.Context) bool {
	ctx, done := s.bounded(ctx)
	defer done()
	return s.tryNext(ctx)
}

// bounded gives a call the stream's timeout. That of the client is for contexts without
// a deadline.
func (s *ChangeStream) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.timeout <= 0 || ctx == nil || s.closed {
		return ctx, func() {}
	}
	if _, ok := ctx.Deadline(); ok && s.watch.options.timeout.Limit == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.timeout)
}

func (s *ChangeStream) tryNext(ctx context.Context) bool {
	s.doc = nil
	if s.passing {
		s.err, s.passing = nil, false
	}
	switch {
	case s.err != nil || s.closed:
		return false
	case ctx == nil:
		s.pass(nilContext("getMore"))
		return false
	case s.lost:
		if s.resume(ctx); s.err != nil {
			return false
		}
		if s.take(ctx) {
			return true
		}
	case s.take(ctx):
		return true
	case s.err != nil:
		return false
	case s.batches.ID() == 0:
		s.finish(ctx) // as after an invalidation
		return false
	}
	if s.err != nil || s.closed {
		return false
	}
	s.more(ctx)
	return s.err == nil && s.take(ctx)
}

// more asks for the next batch, and opens the stream again where it is lost.
func (s *ChangeStream) more(ctx context.Context) {
	err := s.batches.More(s.during(ctx))
	if err == nil {
		if s.batches.AtLast() {
			s.position.Emptied(s.batches.ResumeToken())
		}
		return
	}
	waiting := s.batches.Waiting()
	err = s.public(err)
	switch {
	case waiting && s.timeout <= 0:
		s.pass(err)
	case !waiting && !s.resumable(err):
		s.fail(ctx, err)
	case waiting, s.timeout > 0 && errors.Is(err, ErrTimeout):
		// timeoutMS is over for this call; the next one goes on.
		s.lost = true
		s.pass(err)
	default:
		s.resume(ctx)
	}
}

// resumable reports whether the stream goes on after an error of a getMore.
func (s *ChangeStream) resumable(err error) bool {
	var server *ServerError
	if errors.As(err, &server) {
		labelled := server.HasLabel(fault.LabelResumableChangeStream)
		return changestream.Resumable(server.Code, labelled, s.batches.MaxWireVersion())
	}
	return !errors.Is(err, ErrClosed)
}

// resume opens the stream again, once, in the same session. The server hears that it
// can drop the cursor; what it says to that does not matter.
func (s *ChangeStream) resume(ctx context.Context) {
	s.fragments.Forget()
	s.lost = true
	err := s.open(ctx, s.batches.Successor(ctx))
	switch {
	case err == nil:
		s.lost = false
	case ctx.Err() != nil || s.timeout > 0 && errors.Is(err, ErrTimeout):
		s.pass(err)
	default:
		s.fail(ctx, err)
	}
}

var errNoResumeToken = failure(ErrInvalidArgument, "cannot provide resume functionality when the resume token is missing: "+
	"the pipeline must leave the field _id of events as it is")

// take moves to the next event of the batch.
func (s *ChangeStream) take(ctx context.Context) bool {
	for {
		ok, err := s.batches.Next()
		if err != nil {
			s.fail(ctx, s.public(err))
		}
		if !ok {
			return false
		}
		doc := []byte(s.batches.Current())
		if s.watch.options.changeStream().split {
			if doc, err = s.fragments.Add(doc); err != nil {
				s.fail(ctx, failure(ErrProtocol, "change stream: %w", err))
				return false
			}
			if doc == nil {
				continue
			}
		}
		v, _ := bsonwire.Lookup(doc, "_id")
		id, isDoc := v.AsDocument()
		if !isDoc {
			s.fail(ctx, errNoResumeToken)
			return false
		}
		s.position.Returned(id, s.batches.AtLast(), s.batches.ResumeToken())
		s.doc = doc
		return true
	}
}

// public makes an error of the stream itself a public one. Those of its commands are.
func (s *ChangeStream) public(err error) error { return publicCursorError("aggregate", err) }

// pass notes an error of a call that leaves the stream as it is.
func (s *ChangeStream) pass(err error) { s.err, s.passing = err, true }

// fail ends the stream with an error.
func (s *ChangeStream) fail(ctx context.Context, err error) {
	s.err, s.closed, s.doc = err, true, nil
	s.batches.Fail(s.during(ctx))
	s.end()
}

func (s *ChangeStream) finish(ctx context.Context) {
	s.closed, s.doc = true, nil
	if s.batches != nil {
		s.batches.Close(s.during(ctx))
	}
	s.end()
}

// Current returns the event that Next moved to, nil if there is none. It is a view,
// valid until the next call of Next, TryNext or Close.
func (s *ChangeStream) Current() bson.Raw { return s.doc }

// Decode decodes the current event into the value that v points to: a ChangeEvent, or
// what the pipeline makes of events.
func (s *ChangeStream) Decode(v any) error {
	if s.doc == nil {
		return failure(ErrInvalidArgument, "decode: there is no current event; call Next first")
	}
	return decodeDocument(s.dec, s.doc, v)
}

// ResumeToken returns what the stream would go on after: with the option ResumeAfter,
// another one does. It is that of the last event, or a later one, of a batch without
// events that follow; nil before the first, unless the server gives one with its answer
// to Watch. It is the caller's to keep.
func (s *ChangeStream) ResumeToken() bson.Raw { return bytes.Clone(s.position.Token()) }

// Err returns what ended the stream; after a call whose context has ended, that
// context's error, and the stream has not ended.
func (s *ChangeStream) Err() error { return s.err }

// Closed reports whether the stream has ended.
func (s *ChangeStream) Closed() bool { return s.closed }

// ID returns the server's identifier of the stream's cursor, 0 when there is none. It
// changes when the stream goes on after a failure.
func (s *ChangeStream) ID() int64 { return s.batches.ID() }

// Remaining returns how many documents of the batch at hand Next has not come to.
func (s *ChangeStream) Remaining() int { return s.batches.Remaining() }

// SetBatchSize changes how many events the server is asked for at most, from the next
// batch on that is not on its way yet; 0 leaves it to the server.
func (s *ChangeStream) SetBatchSize(n int32) {
	s.watch.options.batchSize = max(n, 0)
	s.batches.SetBatchSize(max(n, 0))
}

// Close ends the stream. It may be called any number of times, and returns the stream's
// error, like Err.
func (s *ChangeStream) Close(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	s.finish(ctx)
	if s.passing {
		return nil
	}
	return s.err
}
