package mgx

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/scripted"
)

// masking is an encryption that puts "secret" as "SECRET" on the wire, and back.
type masking struct {
	fields bson.Raw

	mu       sync.Mutex
	commands []string // that went through it
	sizes    []int
	ended    []string
}

func (m *masking) Attach(_ *Client, options *Options) (CommandCipher, error) {
	if options.AppName == "refused" {
		return nil, errors.New("not with this name")
	}
	return m, nil
}

func (m *masking) Encrypts(command string) bool { return command != "ping" && command != "getMore" }

var errUnsafe = errors.New("cannot be analysed")

func (m *masking) Encrypt(_ context.Context, database string, command bson.Raw) (bson.Raw, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := command.IndexErr(0)
	if err != nil {
		return nil, err
	}
	m.commands, m.sizes = append(m.commands, database+"."+e.Key()), append(m.sizes, len(command))
	if bytes.Contains(command, []byte("unsafe")) {
		return nil, errUnsafe
	}
	return bytes.ReplaceAll(command, []byte("secret"), []byte("SECRET")), nil
}

func (m *masking) Decrypt(_ context.Context, reply bson.Raw) (bson.Raw, error) {
	switch {
	case bytes.Contains(reply, []byte("damaged")):
		return nil, errUnsafe
	case bytes.Contains(reply, []byte("SECRET")):
		return bytes.ReplaceAll(reply, []byte("SECRET"), []byte("secret")), nil
	}
	return reply, nil
}

func (m *masking) EncryptedFields(_, _ string) bson.Raw { return m.fields }

func (m *masking) Disconnect(context.Context) error { m.end("disconnect"); return nil }
func (m *masking) Close(context.Context) error      { m.end("close"); return nil }

func (m *masking) end(how string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = append(m.ended, how)
}

// keeping keeps the requests that it answers as if all went well.
type keeping struct {
	mu       sync.Mutex
	requests []scripted.Request
	answer   func(n int, r scripted.Request) any
}

func (k *keeping) serve(p *scripted.Peer, r scripted.Request) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.Name == "ping" || r.Name == "endSessions" {
		return scripted.Ping(p, r)
	}
	k.requests = append(k.requests, r)
	if k.answer != nil {
		if doc := k.answer(len(k.requests), r); doc != nil {
			return p.Answer(r, doc) == nil
		}
	}
	return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}}) == nil
}

func openMasking(t *testing.T, k *keeping, m *masking, change ...func(*Options)) *Client {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30}, bson.E{Key: "msg", Value: "isdbgrid"}), k.serve))
	return openClient(t, s, append([]func(*Options){func(o *Options) { o.Encryption = m }}, change...)...)
}

// What is sent, and what observers see, is what the cipher made of the command: one
// document with the sequences' documents as arrays.
func TestEncryptedCommands(t *testing.T) {
	one := bson.D{{"_id", 1}, {"a", "secret"}}
	batch := func(key string, id int64) bson.D {
		return bson.D{{"ok", 1}, {"cursor", bson.D{{"id", id}, {"ns", "db.c"}, {key, bson.A{bson.D{{"a", "SECRET"}}}}}}}
	}
	answer := func(_ int, r scripted.Request) any {
		switch r.Name {
		case "find", "aggregate":
			return batch("firstBatch", 7)
		case "getMore":
			return batch("nextBatch", 0)
		case "findAndModify":
			return bson.D{{"ok", 1}, {"value", bson.D{{"a", "SECRET"}}}}
		case "distinct":
			return bson.D{{"ok", 1}, {"values", bson.A{"SECRET"}}}
		case "bulkWrite":
			return bulkReply(0, 1, nil)
		}
		return nil
	}
	decrypted := func(list []bson.D, err error) error {
		for _, d := range list {
			if d[len(d)-1].Value != "secret" {
				t.Errorf("%v was not decrypted", d)
			}
		}
		return err
	}
	for name, call := range map[string]func(context.Context, *Collection) error{
		"insert": func(ctx context.Context, c *Collection) error { return second(c.InsertOne(ctx, one)) },
		"update": func(ctx context.Context, c *Collection) error {
			return second(c.UpdateOne(ctx, one, bson.D{{"$set", one}}))
		},
		"delete": func(ctx context.Context, c *Collection) error { return second(c.DeleteMany(ctx, one)) },
		"bulkWrite": func(ctx context.Context, c *Collection) error {
			return second(c.db.client.BulkWrite(ctx, []ClientWrite{{Collection: c, Model: InsertOneModel(one)}}))
		},
		"find": func(ctx context.Context, c *Collection) error { return decrypted(Collect[bson.D](c.Find(ctx, one))) },
		"aggregate": func(ctx context.Context, c *Collection) error {
			return decrypted(Collect[bson.D](c.Aggregate(ctx, bson.A{bson.D{{"$match", one}}})))
		},
		"findAndModify": func(ctx context.Context, c *Collection) error {
			var d bson.D
			err := c.FindOneAndDelete(ctx, one).Decode(&d)
			return decrypted([]bson.D{d}, err)
		},
		"distinct": func(ctx context.Context, c *Collection) error {
			list, err := Distinct[string](ctx, c, "a", one)
			if len(list) != 1 || list[0] != "secret" {
				t.Errorf("%v was not decrypted", list)
			}
			return err
		},
		"count": func(ctx context.Context, c *Collection) error {
			err := c.db.RunCommand(ctx, bson.D{{"count", "c"}, {"query", one}}).Err()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			k, m := &keeping{answer: answer}, &masking{}
			var mu sync.Mutex
			var started []bson.Raw
			watch := func(o *Options) {
				o.CommandMonitors = []*event.CommandMonitor{{Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
					mu.Lock()
					defer mu.Unlock()
					started = append(started, bytes.Clone(e.Command))
					return ctx
				}, Succeeded: func(_ context.Context, e *event.CommandSucceeded) {
					if bytes.Contains(e.Reply, []byte("secret")) {
						t.Errorf("an event shows what was decrypted: %v", e.Reply)
					}
				}}}
			}
			client := openMasking(t, k, m, watch)
			if err := call(t.Context(), client.Database("db").Collection("c")); err != nil {
				t.Fatal(err)
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			r := k.requests[0]
			if r.Name != name || len(r.Sequences) > 0 || bytes.Contains(r.Frame, []byte("secret")) || !bytes.Contains(r.Frame, []byte("SECRET")) {
				t.Errorf("sent %v with %d sequences", r.Document, len(r.Sequences))
			}
			database := "db"
			if name == "bulkWrite" {
				database = "admin"
			}
			if r.Document.Lookup("$db").StringValue() != database || r.Document.Lookup("lsid").Type != bson.TypeEmbeddedDocument {
				t.Errorf("without what every command carries: %v", r.Document)
			}
			mu.Lock()
			defer mu.Unlock()
			shown := false
			for _, doc := range started {
				shown = shown || bytes.Equal(doc, r.Document)
				if bytes.Contains(doc, []byte("secret")) {
					t.Errorf("an event shows %v", doc)
				}
			}
			if !shown {
				t.Errorf("no event shows what was sent")
			}
			if m.commands[len(m.commands)-1] != database+"."+name {
				t.Errorf("encrypted %v", m.commands)
			}
		})
	}
}

// What cannot be encrypted is not sent; what cannot be decrypted is not returned.
func TestEncryptionErrors(t *testing.T) {
	k, m := &keeping{answer: func(_ int, r scripted.Request) any {
		return bson.D{{"ok", 1}, {"values", bson.A{"damaged"}}}
	}}, &masking{}
	client := openMasking(t, k, m)
	c := client.Database("db").Collection("c")
	_, err := c.InsertOne(t.Context(), bson.D{{"a", "unsafe"}})
	is(t, err, []error{ErrEncryption, errUnsafe}, "insert", "cannot be analysed", "not sent")
	_, err = c.InsertMany(t.Context(), []bson.D{{{"a", "unsafe"}}})
	is(t, err, []error{ErrEncryption, errUnsafe}, "insert", "not sent")
	if len(k.requests) > 0 {
		t.Errorf("sent %v", k.requests[0].Document)
	}
	_, err = Distinct[string](t.Context(), c, "a", nil)
	is(t, err, []error{ErrEncryption, errUnsafe}, "distinct", "decrypt the reply")
	if _, err := New(&Options{Encryption: m, AppName: "refused"}); !errors.Is(err, ErrConfiguration) {
		t.Error(err)
	}
}

// Writes are split at 2 MiB, because they grow; a single one may be larger.
func TestEncryptedWritesAreSplit(t *testing.T) {
	k, m := &keeping{answer: func(_ int, r scripted.Request) any {
		if r.Name == "bulkWrite" {
			return bulkReply(0, 1, nil)
		}
		return nil
	}}, &masking{}
	client := openMasking(t, k, m)
	c := client.Database("db").Collection("c")
	sized := func(n int) bson.D { return bson.D{{"_id", n}, {"a", strings.Repeat("x", n)}} }
	for name, tt := range map[string]struct {
		sizes []int
		want  int
	}{
		"together":           {[]int{1 << 19, 1 << 19, 1 << 19}, 1},
		"above":              {[]int{1 << 20, 1 << 20}, 2},
		"large ones":         {[]int{2<<20 + 1, 2<<20 + 2}, 2},
		"one almost maximal": {[]int{16<<20 - 100}, 1},
	} {
		var docs []bson.D
		var models []WriteModel
		var writes []ClientWrite
		for _, n := range tt.sizes {
			docs, models = append(docs, sized(n)), append(models, InsertOneModel(sized(n)))
			writes = append(writes, ClientWrite{Collection: c, Model: models[len(models)-1]})
		}
		for call, run := range map[string]func() error{
			"InsertMany": func() error { return second(c.InsertMany(t.Context(), docs)) },
			"BulkWrite":  func() error { return second(c.BulkWrite(t.Context(), models)) },
			"client's":   func() error { return second(client.BulkWrite(t.Context(), writes, Unordered())) },
		} {
			m.sizes = nil
			if err := run(); err != nil {
				t.Errorf("%s, %s: %v", name, call, err)
			}
			if len(m.sizes) != tt.want {
				t.Errorf("%s, %s: %d messages of %v bytes, want %d", name, call, len(m.sizes), m.sizes, tt.want)
			}
		}
	}
}

// A retry sends the same bytes.
func TestEncryptedRetry(t *testing.T) {
	k, m := &keeping{answer: func(n int, r scripted.Request) any {
		if n == 1 {
			return bson.D{{"ok", 0}, {"code", 91}, {"errmsg", "going down"}, {"errorLabels", bson.A{"RetryableWriteError"}}}
		}
		return nil
	}}, &masking{}
	client := openMasking(t, k, m)
	if _, err := client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{{"a", "secret"}}); err != nil {
		t.Fatal(err)
	}
	if len(k.requests) != 2 || len(m.commands) != 1 {
		t.Fatalf("%d attempts, encrypted %d times", len(k.requests), len(m.commands))
	}
	for _, r := range k.requests {
		if r.Document.Lookup("documents", "0", "a").StringValue() != "SECRET" || r.Document.Lookup("txnNumber").Type == 0 {
			t.Errorf("sent %v", r.Document)
		}
	}
}

// What an encryption holds ends with the client.
func TestEncryptionEnds(t *testing.T) {
	m := &masking{}
	client := openMasking(t, &keeping{}, m)
	for _, end := range []func(context.Context) error{client.Disconnect, client.Close, client.Close} {
		if err := end(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if strings.Join(m.ended, " ") != "disconnect close" {
		t.Error(m.ended)
	}
}
