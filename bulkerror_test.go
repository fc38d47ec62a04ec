package mgx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/write"
)

// Outcomes are converted, not looked up.
func TestOutcomesAreThoseOfTheAccount(t *testing.T) {
	for public, internal := range map[WriteOutcome]write.Outcome{
		WriteNotAttempted: write.NotAttempted, WriteUnknown: write.Unknown, WriteSent: write.Sent, WriteRefused: write.Refused, WriteDone: write.Done,
	} {
		if write.Outcome(public) != internal {
			t.Errorf("%v is not %v", public, internal)
		}
	}
}

// writeServer does all writes, and keeps the number n of each one that it was sent.
type writeServer struct {
	*scripted.Server
	mu   sync.Mutex
	done []int32
}

func startWriteServer(t *testing.T, hello ...bson.E) *writeServer {
	w := &writeServer{}
	w.Server = scripted.Listen(t, scripted.Greet(scripted.Hello(hello...), w.serve))
	return w
}

func (w *writeServer) serve(p *scripted.Peer, r scripted.Request) bool {
	n := w.keep(r)
	switch {
	case unacknowledged(r):
		return true
	case r.Name == "bulkWrite":
		return p.Answer(r, bulkReply(0, n, nil)) == nil
	}
	return p.Answer(r, bson.D{{"ok", 1}, {"n", n}}) == nil
}

func (w *writeServer) keep(r scripted.Request) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range r.Sequences {
		for doc, ok := s.Next(); ok; doc, ok = s.Next() {
			for _, path := range [][]string{{"n"}, {"q", "n"}, {"document", "n"}, {"filter", "n"}} {
				if v, err := bson.Raw(doc).LookupErr(path...); err == nil {
					w.done = append(w.done, v.Int32())
					n++
				}
			}
		}
	}
	return n
}

// numbers returns what was sent until now, sorted: unordered writes go in any order.
func (w *writeServer) numbers(t *testing.T, c *Client) []int32 {
	t.Helper()
	if err := c.Ping(t.Context()); err != nil { // what was sent without asking for an answer has been read
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.done)
	return w.done
}

// unfit are documents that cannot be sent, to a server with small limits.
var unfit = map[string]struct {
	doc  func(n int32) bson.D
	kind error
}{
	"unencodable": {func(n int32) bson.D { return bson.D{{"n", n}, {"x", make(chan int)}} }, ErrInvalidArgument},
	"too large":   {func(n int32) bson.D { return bson.D{{"n", n}, {"x", strings.Repeat("x", 60_000)}} }, ErrDocumentTooLarge},
}

// severalKinds are the ways to send several writes.
var severalKinds = map[string]func(c *Client, docs []bson.D, unordered, unacknowledged bool) error{
	"InsertMany": func(c *Client, docs []bson.D, unordered, unacknowledged bool) error {
		var o []InsertManyOption
		if unordered {
			o = append(o, Unordered())
		}
		if unacknowledged {
			o = append(o, WithWriteConcern(Unacknowledged()))
		}
		res, err := c.Database("d").Collection("c").InsertMany(context.Background(), docs, o...)
		return errors.Join(err, checkIDs(err, func(i int) bool { return res.InsertedIDs[i] != nil }))
	},
	"BulkWrite": func(c *Client, docs []bson.D, unordered, unacknowledged bool) error {
		var o []BulkOption
		if unordered {
			o = append(o, Unordered())
		}
		if unacknowledged {
			o = append(o, WithWriteConcern(Unacknowledged()))
		}
		_, err := c.Database("d").Collection("c").BulkWrite(context.Background(), mixedModels(docs), o...)
		return err
	},
	"BulkWrite of inserts": func(c *Client, docs []bson.D, unordered, unacknowledged bool) error {
		var o []BulkOption
		if unordered {
			o = append(o, Unordered())
		}
		if unacknowledged {
			o = append(o, WithWriteConcern(Unacknowledged()))
		}
		var models []WriteModel
		for _, d := range docs {
			models = append(models, InsertOneModel(d))
		}
		res, err := c.Database("d").Collection("c").BulkWrite(context.Background(), models, o...)
		return errors.Join(err, checkIDs(err, func(i int) bool { return res.InsertedIDs[i] != nil }))
	},
	"Client.BulkWrite": func(c *Client, docs []bson.D, unordered, unacknowledged bool) error {
		var o []ClientBulkOption
		if unordered {
			o = append(o, Unordered())
		}
		if unacknowledged {
			o = append(o, WithWriteConcern(Unacknowledged()))
		}
		var writes []ClientWrite
		for i, m := range mixedModels(docs) {
			writes = append(writes, ClientWrite{c.Database("d").Collection(fmt.Sprint("c", i%2)), m})
		}
		_, err := c.BulkWrite(context.Background(), writes, o...)
		return err
	},
}

func mixedModels(docs []bson.D) (models []WriteModel) {
	for i, d := range docs {
		switch i % 3 {
		case 0:
			models = append(models, InsertOneModel(d))
		case 1:
			models = append(models, DeleteOneModel(d))
		default:
			models = append(models, UpdateOneModel(d, bson.D{{"$set", bson.D{{"a", 1}}}}))
		}
	}
	return models
}

// checkIDs compares _ids with outcomes.
func checkIDs(err error, has func(i int) bool) error {
	e, ok := errors.AsType[*BulkWriteError](err)
	for i := 0; ok && i < len(e.outcomes); i++ {
		if o := e.Outcome(i); has(i) != (o >= WriteSent && o != WriteRefused) {
			return fmt.Errorf("write %d is %v: an _id is %v", i, o, has(i))
		}
	}
	return nil
}

func bulkErrorIn(err error) *BulkWriteError {
	if e, ok := errors.AsType[*ClientBulkWriteError](err); ok {
		return &e.BulkWriteError
	}
	e, _ := errors.AsType[*BulkWriteError](err)
	return e
}

// A document that cannot be sent takes no other with it: those before it are sent, and,
// if the writes are not ordered, those behind it, too. The error says which were.
func TestOneUnfitDocumentAmongGoodOnes(t *testing.T) {
	const total = 7
	for kind, send := range severalKinds {
		for name, bad := range unfit {
			for mode := range 8 {
				unordered, unacked, batch := mode&1 != 0, mode&2 != 0, 100
				if mode&4 != 0 {
					batch = 2
				}
				if kind == "Client.BulkWrite" && unacked && !unordered {
					continue // refused before: see TestClientBulkWriteRefusals
				}
				for _, at := range []int{0, 3, total - 1} {
					t.Run(fmt.Sprintf("%s/%s at %d/unordered %v w=0 %v batch %d", kind, name, at, unordered, unacked, batch), func(t *testing.T) {
						s := startWriteServer(t,
							bson.E{Key: "maxBsonObjectSize", Value: 20_000}, bson.E{Key: "maxMessageSizeBytes", Value: 50_000},
							bson.E{Key: "maxWriteBatchSize", Value: batch})
						c := openClient(t, s.Server, func(o *Options) { o.MaxPoolSize = ptr(1) })
						var docs []bson.D
						var want []int32
						for i := range int32(total) {
							if int(i) == at {
								docs = append(docs, bad.doc(i))
								continue
							}
							docs = append(docs, bson.D{{"n", i}})
							if unordered || int(i) < at {
								want = append(want, i)
							}
						}
						err := send(c, docs, unordered, unacked)
						is(t, err, []error{bad.kind}, fmt.Sprintf("write %d: ", at))
						if got := s.numbers(t, c); !slices.Equal(got, want) {
							t.Errorf("sent %v, want %v", got, want)
						}
						checkOutcomes(t, err, at, want, unacked)
					})
				}
			}
		}
	}
}

func checkOutcomes(t *testing.T, err error, bad int, sent []int32, unacked bool) {
	t.Helper()
	e := bulkErrorIn(err)
	if e == nil {
		t.Fatalf("%T", err)
	}
	if len(e.WriteErrors) != 1 || e.WriteErrors[0].Index != bad || e.WriteErrors[0].Err == nil || e.Err != nil {
		t.Errorf("%+v", e)
	}
	if strings.Contains(err.Error(), "nothing was sent") {
		t.Error(err)
	}
	unsent := len(e.outcomes)
	for i := range e.outcomes {
		want := WriteNotAttempted
		switch {
		case i == bad:
			want = WriteRefused
		case slices.Contains(sent, int32(i)) && unacked:
			want = WriteSent
		case slices.Contains(sent, int32(i)):
			want = WriteDone
		default:
			unsent = min(unsent, i)
		}
		if got := e.Outcome(i); got != want {
			t.Errorf("write %d is %v, want %v", i, got, want)
		}
	}
	if e.Unsent != unsent {
		t.Errorf("Unsent is %d, want %d", e.Unsent, unsent)
	}
	if e.Outcome(-1) != WriteNotAttempted || e.Outcome(len(e.outcomes)) != WriteNotAttempted {
		t.Error("there are outcomes of writes that are none")
	}
}

// The indexes in a server's errors count what was sent: they become those of the
// documents, though some were left out.
func TestRefusalsBehindAnUnfitDocument(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "insert" {
			return p.Answer(r, bson.D{{"ok", 1}, {"n", 2}, {"writeErrors", bson.A{bson.D{{"index", 1}, {"code", 11000}, {"errmsg", "E11000"}}}}}) == nil
		}
		return p.Answer(r, bson.D{{"ok", 1}}) == nil
	}))
	c := openClient(t, s).Database("d").Collection("c")
	docs := []any{make(chan int), bson.D{{"_id", 1}}, nil, bson.D{{"_id", 3}}, bson.D{{"_id", 4}}}
	res, err := c.InsertMany(t.Context(), docs, Unordered())
	e := bulkErrorIn(err)
	if e == nil || !errors.Is(err, ErrDuplicateKey) || !errors.Is(err, ErrInvalidArgument) || len(e.WriteErrors) != 3 {
		t.Fatal(err)
	}
	for i, want := range []int{0, 2, 3} {
		if we := e.WriteErrors[i]; we.Index != want || (we.Err == nil) != (want == 3) {
			t.Errorf("%+v", we)
		}
	}
	if !slices.Equal(res.InsertedIDs, []any{nil, int32(1), nil, nil, int32(4)}) || res.InsertedCount != 2 || e.Unsent != 5 {
		t.Errorf("%+v", res)
	}
}

// A connection that is lost with the second message leaves its writes unknown, those
// before done, those behind not attempted; and where all are alike, the error alone
// says so.
func TestOutcomesOfALostConnection(t *testing.T) {
	for lose, want := range map[int]string{0: "", 1: "done done unknown unknown not attempted"} {
		for kind, send := range severalKinds {
			messages := 0
			s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "maxWriteBatchSize", Value: 2}), func(p *scripted.Peer, r scripted.Request) bool {
				if r.Name == "bulkWrite" || r.Name == "insert" || r.Name == "update" || r.Name == "delete" {
					messages++
					if messages > lose {
						return false
					}
				}
				return p.Answer(r, bulkReply(0, 2, nil, bson.E{Key: "n", Value: 2})) == nil
			}))
			if kind == "BulkWrite" {
				continue // each write has a message of its own
			}
			c := openClient(t, s, func(o *Options) { no := false; o.RetryWrites = &no })
			docs := make([]bson.D, 5)
			for i := range docs {
				docs[i] = bson.D{{"n", i}}
			}
			err := send(c, docs, false, false)
			is(t, err, []error{ErrAutoReconnect})
			var got []string
			e := bulkErrorIn(err)
			if e == nil {
				t.Errorf("%s: %T", kind, err)
				continue
			}
			for i := range e.outcomes {
				got = append(got, e.Outcome(i).String())
			}
			if lose == 0 {
				want = "unknown unknown not attempted not attempted not attempted"
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %q, want %q", kind, got, want)
			}
		}
	}
}

// Whether a message may be sent twice is decided by what is in it, not by what the
// whole bulk has: the one with a write of many documents has no transaction number and
// is not repeated, those before and behind it are.
func TestRetriesOfEachMessage(t *testing.T) {
	set := bson.D{{"$set", bson.D{{"a", 1}}}}
	one, many := UpdateOneModel(bson.D{{"n", 1}}, set), UpdateManyModel(bson.D{{"n", 1}}, set)
	for kind, send := range map[string]func(c *Client, models []WriteModel) error{
		"BulkWrite": func(c *Client, models []WriteModel) error {
			return second(c.Database("d").Collection("c").BulkWrite(t.Context(), models))
		},
		"Client.BulkWrite": func(c *Client, models []WriteModel) error {
			var writes []ClientWrite
			for _, m := range models {
				writes = append(writes, ClientWrite{c.Database("d").Collection("c"), m})
			}
			return second(c.BulkWrite(t.Context(), writes))
		},
	} {
		for _, c := range []struct {
			name   string
			models []WriteModel
			lose   int // which command is lost
			sent   string
			fails  bool
		}{
			{"the first", []WriteModel{one, one, one, many, one}, 0, "2+ 2+ 2 1+", false},
			{"the one with many", []WriteModel{one, one, one, many, one}, 1, "2+ 2", true},
			{"the last", []WriteModel{one, one, many, one, one}, 2, "2+ 2 1+ 1+", false},
		} {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				var mu sync.Mutex
				var sent []string
				s := scripted.Listen(t, scripted.Greet(scripted.Hello(
					bson.E{Key: "setName", Value: "rs"}, bson.E{Key: "hosts", Value: bson.A{}}, bson.E{Key: "secondary", Value: false},
					bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30}, bson.E{Key: "maxWriteBatchSize", Value: 2},
				), func(p *scripted.Peer, r scripted.Request) bool {
					if r.Name != "update" && r.Name != "bulkWrite" {
						return scripted.Ping(p, r)
					}
					n := 0
					for doc, ok := r.Sequences[0].Next(); ok; doc, ok = r.Sequences[0].Next() {
						n++
						_ = doc
					}
					mu.Lock()
					defer mu.Unlock()
					text := fmt.Sprint(n)
					if _, err := r.Document.LookupErr("txnNumber"); err == nil {
						text += "+"
					}
					if db, ok := r.Document.Lookup("$db").StringValueOK(); !ok || db == "" {
						t.Errorf("%s is no command", r.Document)
					}
					sent = append(sent, text)
					if len(sent)-1 == c.lose {
						return false
					}
					return p.Answer(r, bulkReply(0, 0, nil, bson.E{Key: "n", Value: n})) == nil
				}))
				client := openClient(t, s, func(o *Options) { o.DirectConnection = ptr(true) })
				err := send(client, c.models)
				mu.Lock()
				defer mu.Unlock()
				if got := strings.Join(sent, " "); got != c.sent || (err != nil) != c.fails {
					t.Errorf("sent %q, want %q; %v", got, c.sent, err)
				}
				if c.fails {
					is(t, err, []error{ErrAutoReconnect})
				}
			})
		}
	}
}
