package prose

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// The prose tests of the specification "Change Streams". What a server has to say at a
// certain moment is in the root package's tests, of a server that says it.

// watch opens a stream on the collection, which is there.
func watch(t *testing.T, c *client, options ...mgx.WatchOption) *mgx.ChangeStream {
	t.Helper()
	stream, err := c.coll().Watch(bounded(t), nil, append(options, mgx.MaxAwaitTime(20*time.Millisecond))...)
	check(t, err)
	t.Cleanup(func() { _ = stream.Close(context.Background()) })
	return stream
}

// changed inserts documents, and takes the commands away.
func changed(t *testing.T, c *client, ids ...int) {
	t.Helper()
	for _, id := range ids {
		_, err := c.coll().InsertOne(bounded(t), bson.D{{Key: "_id", Value: id}})
		check(t, err)
	}
}

func next(t *testing.T, s *mgx.ChangeStream) bson.Raw {
	t.Helper()
	if !s.Next(bounded(t)) {
		t.Fatalf("no event: %v", s.Err())
	}
	return s.Current()
}

// token is the resume token of an event, or of a batch, as text.
func token(e bson.Raw) string { return text(e, "_id") }

// streams runs a test where there are change streams, on a collection that is there. The
// second client is for what is not to be seen in the first one's commands.
func streams(t *testing.T, kinds []string, test func(t *testing.T, dep *mgxtest.Deployment, c, other *client)) {
	on(t, kinds, func(t *testing.T, dep *mgxtest.Deployment) {
		other := connect(t, dep)
		check(t, other.Database("db").CreateCollection(bounded(t), "coll", mgx.PreAndPostImages(true)))
		test(t, dep, connect(t, dep), other)
	})
}

// resumable is an error of a getMore, and of other commands, after which streams go on.
func resumable(dep *mgxtest.Deployment, times int, also ...string) (off func()) {
	return dep.FailCommand(mgxtest.FailCommand{Commands: append(also, "getMore"), Times: times, ErrorCode: 6, ErrorLabels: []string{"ResumableChangeStreamError"}})
}

// opened are the $changeStream stages of the commands that opened a stream.
func opened(c *client) (stages []bson.Raw) {
	for _, e := range c.take() {
		if e.CommandName == "aggregate" {
			stages = append(stages, e.Command.Lookup("pipeline", "0", "$changeStream").Document())
		}
	}
	return stages
}

func TestChangeStreams01TracksTheToken(t *testing.T) {
	streams(t, clustered, func(t *testing.T, _ *mgxtest.Deployment, c, other *client) {
		s := watch(t, c)
		changed(t, other, 1, 2, 3)
		seen := map[string]bool{}
		for range 3 {
			e := next(t, s)
			if seen[token(e)] || s.ResumeToken() == nil {
				t.Errorf("the token of %s is %s", e, s.ResumeToken())
			}
			seen[token(e)] = true
		}
	})
}

func TestChangeStreams02MissingToken(t *testing.T) {
	streams(t, clustered, func(t *testing.T, _ *mgxtest.Deployment, c, other *client) {
		s, err := c.coll().Watch(bounded(t), []bson.D{{{Key: "$project", Value: bson.D{{Key: "_id", Value: 0}}}}})
		check(t, err)
		defer func() { _ = s.Close(context.Background()) }()
		changed(t, other, 1)
		var refused *mgx.ServerError
		if s.Next(bounded(t)) || !errors.As(s.Err(), &refused) {
			t.Errorf("the error is %v", s.Err())
		}
	})
}

func TestChangeStreams03ResumesOnce(t *testing.T) {
	streams(t, clustered, func(t *testing.T, dep *mgxtest.Deployment, c, other *client) {
		s := watch(t, c, mgx.FullDocument("updateLookup"), mgx.BatchSize(7), mgx.Comment("why"))
		changed(t, other, 1)
		first := next(t, s)
		want := token(first)
		defer resumable(dep, 1)()
		changed(t, other, 2)
		if e := next(t, s); e.Lookup("documentKey", "_id").AsInt64() != 2 {
			t.Errorf("the event is %s", e)
		}
		var list []*event.CommandStarted
		for _, e := range c.take() {
			if e.CommandName == "aggregate" {
				list = append(list, e)
			}
		}
		if len(list) != 2 {
			t.Fatalf("opened %d times", len(list))
		}
		before, after := list[0].Command, list[1].Command
		stage := after.Lookup("pipeline", "0", "$changeStream").Document()
		if got := text(stage, "resumeAfter"); got == "" || got != want && text(stage, "startAfter") != "" {
			t.Errorf("it goes on by %s, after %s", stage, want)
		}
		for _, key := range []string{"cursor", "comment", "lsid"} {
			if text(before, key) != text(after, key) {
				t.Errorf("%s was %s and is %s", key, text(before, key), text(after, key))
			}
		}
		if text(stage, "fullDocument") != `"updateLookup"` {
			t.Errorf("it goes on by %s", stage)
		}
		// A second failure in a row, of the attempt to go on and its retry, ends it.
		defer resumable(dep, 3, "aggregate")()
		if s.Next(bounded(t)) || !s.Closed() || s.Err() == nil {
			t.Errorf("the stream goes on: %v", s.Err())
		}
	})
}

func TestChangeStreams04AggregateIsNotResumed(t *testing.T) {
	streams(t, clustered, func(t *testing.T, dep *mgxtest.Deployment, c, _ *client) {
		defer dep.FailCommand(mgxtest.FailCommand{Commands: []string{"aggregate"}, ErrorCode: 5, ErrorLabels: []string{"ResumableChangeStreamError"}})()
		if _, err := c.coll().Watch(bounded(t), nil); err == nil {
			t.Error("there is a stream")
		}
		if n := len(opened(c)); n != 1 {
			t.Errorf("tried %d times", n)
		}
	})
}

func TestChangeStreams06SelectsAServerToResume(t *testing.T) {
	streams(t, []string{replicaSet, sharded}, func(t *testing.T, dep *mgxtest.Deployment, c, other *client) {
		s := watch(t, c, mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Secondary}))
		changed(t, other, 1)
		next(t, s)
		first := c.take()[0]
		servers := dep.Mongoses()
		if len(servers) == 0 {
			servers = dep.Members()
		}
		for _, m := range servers {
			if m.Addr() == first.Address {
				m.Kill()
				defer func() { check(t, m.Restart()) }()
			}
		}
		changed(t, connect(t, dep), 2)
		if e := next(t, s); e.Lookup("documentKey", "_id").AsInt64() != 2 {
			t.Errorf("the event is %s", e)
		}
		last := new(event.CommandStarted)
		for _, e := range c.take() {
			if e.CommandName == "aggregate" {
				last = e
			}
		}
		if last.Address == first.Address || last.Address == "" {
			t.Errorf("it goes on at %q", last.Address)
		}
		if p := dep.Primary(); len(dep.Mongoses()) == 0 && p != nil && p.Addr() == last.Address {
			t.Error("it goes on at the primary")
		}
		if mode := text(last.Command, "$readPreference", "mode"); mode != `"secondary"` {
			t.Errorf("it goes on with the read preference %s", mode)
		}
	})
}

func TestChangeStreams07EmptyBatchIsNoEnd(t *testing.T) {
	streams(t, clustered, func(t *testing.T, _ *mgxtest.Deployment, c, _ *client) {
		s := watch(t, c)
		if s.TryNext(bounded(t)) || s.Closed() || s.ID() == 0 {
			t.Errorf("closed %v, cursor %d: %v", s.Closed(), s.ID(), s.Err())
		}
		if names := c.names(); slices.Contains(names, "killCursors") {
			t.Errorf("sent: %v", names)
		}
	})
}

func TestChangeStreams08FailedKillCursors(t *testing.T) {
	streams(t, clustered, func(t *testing.T, dep *mgxtest.Deployment, c, other *client) {
		s := watch(t, c)
		defer resumable(dep, 2, "killCursors")()
		changed(t, other, 1)
		next(t, s)
		if failed := c.failures(); !slices.Equal(failed, []string{"getMore", "killCursors"}) {
			t.Errorf("failed: %v", failed)
		}
		if n := len(opened(c)); n != 2 {
			t.Errorf("opened %d times", n)
		}
	})
}

func TestChangeStreams11TokenOfTheBatch(t *testing.T) {
	streams(t, clustered, func(t *testing.T, _ *mgxtest.Deployment, c, other *client) {
		s := watch(t, c)
		ofBatch := func() string { return text(c.reply(), "cursor", "postBatchResumeToken") }
		if s.TryNext(bounded(t)) || s.ResumeToken().String() != ofBatch() { // empty
			t.Errorf("the token is %s, the batch's %s: %v", s.ResumeToken(), ofBatch(), s.Err())
		}
		changed(t, other, 1)
		next(t, s)
		for s.Remaining() > 0 {
			next(t, s)
		}
		if s.ResumeToken().String() != ofBatch() { // iterated to the last
			t.Errorf("the token is %s, the batch's %s", s.ResumeToken(), ofBatch())
		}
	})
}

func TestChangeStreams13TokenOfTheEvent(t *testing.T) {
	streams(t, clustered, func(t *testing.T, dep *mgxtest.Deployment, c, other *client) {
		s := watch(t, c)
		changed(t, other, 1, 2, 3)
		tested := false
		for range 3 {
			e := next(t, s)
			if s.Remaining() == 0 {
				continue
			}
			tested = true
			if got := s.ResumeToken().String(); got != token(e) {
				t.Errorf("the token is %s, the event's %s", got, token(e))
			}
		}
		if !tested {
			t.Error("every batch had one event")
		}
	})
}

// Behind mongos the first batch is always empty.
func TestChangeStreams14TokenBeforeTheFirstEvent(t *testing.T) {
	streams(t, []string{replicaSet}, func(t *testing.T, _ *mgxtest.Deployment, c, other *client) {
		s := watch(t, c)
		seconds, i := c.reply().Lookup("operationTime").Timestamp()
		changed(t, other, 1, 2)
		given := slices.Clone(next(t, s).Lookup("_id").Document())
		for name, option := range map[string]mgx.WatchOption{"startAfter": mgx.StartAfter(given), "resumeAfter": mgx.ResumeAfter(given)} {
			s := watch(t, c, option)
			if s.Remaining() == 0 {
				t.Fatalf("%s: the first batch is empty", name)
			}
			if got := s.ResumeToken().String(); got != given.String() {
				t.Errorf("%s: the token is %s", name, got)
			}
		}
		if s := watch(t, c, mgx.StartAtOperationTime(bson.Timestamp{T: seconds, I: i})); s.Remaining() == 0 || s.ResumeToken() != nil {
			t.Errorf("of neither: %d events, the token %s", s.Remaining(), s.ResumeToken())
		}
	})
}

func TestChangeStreams17StartedAfterWithoutAnEvent(t *testing.T) {
	streams(t, clustered, func(t *testing.T, dep *mgxtest.Deployment, c, other *client) {
		first := watch(t, other)
		changed(t, other, 1)
		given := slices.Clone(next(t, first).Lookup("_id").Document())
		s := watch(t, c, mgx.StartAfter(given))
		defer resumable(dep, 1)()
		changed(t, other, 2)
		if e := next(t, s); e.Lookup("documentKey", "_id").AsInt64() != 2 {
			t.Errorf("the event is %s", e)
		}
		for _, stage := range opened(c) {
			if text(stage, "startAfter") == "" || text(stage, "resumeAfter") != "" {
				t.Errorf("opened by %s", stage)
			}
		}
	})
}

func TestChangeStreams18StartedAfterWithAnEvent(t *testing.T) {
	streams(t, clustered, func(t *testing.T, dep *mgxtest.Deployment, c, other *client) {
		first := watch(t, other)
		changed(t, other, 1)
		given := slices.Clone(next(t, first).Lookup("_id").Document())
		s := watch(t, c, mgx.StartAfter(given))
		changed(t, other, 2)
		next(t, s)
		defer resumable(dep, 1)()
		changed(t, other, 3)
		next(t, s)
		stages := opened(c)
		if last := stages[len(stages)-1]; len(stages) != 2 || text(last, "resumeAfter") == "" || text(last, "startAfter") != "" {
			t.Errorf("opened by %s", stages)
		}
	})
}

func TestChangeStreams19LargeEventsAreSplit(t *testing.T) {
	if slow {
		t.Skip("under the race detector, simulated servers take minutes for events of 20 MiB")
	}
	streams(t, clustered, func(t *testing.T, _ *mgxtest.Deployment, c, other *client) {
		_, err := other.coll().InsertOne(bounded(t), bson.D{{Key: "value", Value: strings.Repeat("q", 10<<20)}})
		check(t, err)
		s, err := c.coll().Watch(bounded(t), []bson.D{{{Key: "$changeStreamSplitLargeEvent", Value: bson.D{}}}}, mgx.FullDocumentBeforeChange("required"))
		check(t, err)
		defer func() { _ = s.Close(context.Background()) }()
		_, err = other.coll().UpdateOne(bounded(t), nil, bson.D{{Key: "$set", Value: bson.D{{Key: "value", Value: strings.Repeat("z", 10<<20)}}}})
		check(t, err)
		for fragment := range int32(2) {
			var e mgx.ChangeEvent[bson.Raw]
			next(t, s)
			check(t, s.Decode(&e))
			if e.Split == nil || *e.Split != (mgx.SplitEvent{Fragment: fragment + 1, Of: 2}) {
				t.Errorf("fragment %d: %+v", fragment+1, e.Split)
			}
		}
		// With SplitLargeEvents, the fragments become one event again.
		whole, err := c.coll().Watch(bounded(t), nil, mgx.SplitLargeEvents(), mgx.FullDocumentBeforeChange("required"))
		check(t, err)
		defer func() { _ = whole.Close(context.Background()) }()
		_, err = other.coll().UpdateOne(bounded(t), nil, bson.D{{Key: "$set", Value: bson.D{{Key: "value", Value: strings.Repeat("y", 10<<20)}}}})
		check(t, err)
		var e mgx.ChangeEvent[struct{ Value string }]
		next(t, whole)
		check(t, whole.Decode(&e))
		updated := e.Update.UpdatedFields.Lookup("value").StringValue()
		if e.Split != nil || !strings.HasPrefix(updated, "yy") || e.FullDocumentBeforeChange.Value[:2] != "zz" {
			t.Errorf("split %v, %d bytes updated", e.Split, len(updated))
		}
	})
}
