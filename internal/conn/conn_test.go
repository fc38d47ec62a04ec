package conn

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/wire"
)

// quick is long enough for a loopback exchange on a busy machine.
const quick = 10 * time.Second

func connect(t *testing.T, s *scripted.Server, cfg *Config) *Conn {
	t.Helper()
	if cfg == nil {
		cfg = &Config{ConnectTimeout: quick}
	}
	c, err := Dial(t.Context(), s.Address, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// command frames a command.
func command(name string) []byte {
	b, start := wire.BeginMsg(nil, wire.NextRequestID(), 0, 0)
	b, at := bsonwire.Begin(wire.BeginBody(b))
	b = bsonwire.AppendInt32(b, name, 1)
	b = bsonwire.AppendString(b, "$db", "admin")
	return wire.End(bsonwire.End(b, at), start)
}

func kindOf(t *testing.T, err error) Kind {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T) is no *Error", err, err)
	}
	return e.Kind
}

func TestHandshake(t *testing.T) {
	requests := make(chan scripted.Request, 1)
	s := scripted.Listen(t, func(p *scripted.Peer) {
		r, err := p.Read()
		if err != nil {
			return
		}
		requests <- r
		_ = p.Answer(r, scripted.Hello(bson.E{Key: "maxWireVersion", Value: 25}, bson.E{Key: "connectionId", Value: 17},
			bson.E{Key: "serviceId", Value: bson.ObjectID{1}}))
	})
	for name, tt := range map[string]struct {
		cfg   Config
		hello string
	}{
		"legacy":        {Config{}, "isMaster"},
		"api":           {Config{API: &API{Version: "1"}}, "hello"},
		"load balancer": {Config{LoadBalanced: true}, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.Metadata = func() []byte { return Metadata("app", "1.2", nil) }
			c := connect(t, s, &tt.cfg)
			r := <-requests
			if r.OpCode != wire.OpMsg || r.Name != tt.hello {
				t.Errorf("the first message is %v %s", r.OpCode, r.Name)
			}
			// Test 9 of the specification "MongoDB Handshake": a string, no number.
			if v, _ := r.Document.Lookup("backpressure").StringValueOK(); v != "2" {
				t.Errorf("the hello is %v", r.Document)
			}
			if ok, _ := r.Document.Lookup("helloOk").BooleanOK(); !ok {
				t.Errorf("the hello is %v", r.Document)
			}
			if app, _ := r.Document.Lookup("client", "application", "name").StringValueOK(); app != "app" {
				t.Errorf("the hello is %v", r.Document)
			}
			if d := c.Description(); d.MaxWireVersion != 25 || d.ConnectionID != 17 {
				t.Errorf("description %+v", d)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	s := scripted.ListenUnix(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	roundTrip(t, connect(t, s, nil))
	// An IPv6 literal, where the machine has the protocol.
	if _, err := Dial(t.Context(), scripted.RefusingIPv6(t), &Config{}, nil); kindOf(t, err) != Network {
		t.Errorf("a closed IPv6 port: %v", err)
	}
}

func roundTrip(t *testing.T, c *Conn) {
	t.Helper()
	r, err := c.RoundTrip(t.Context(), command("ping"), false)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := bsonwire.Lookup(r.Body, "ok"); ok.IsZero() {
		t.Errorf("reply %v", bson.Raw(r.Body))
	}
	r.Release()
}

// A server that does not do what it should gets an error of the right kind, in
// time.
func TestBadServers(t *testing.T) {
	silent := func(p *scripted.Peer) { _, _ = p.Read(); _, _ = p.Conn.Read(make([]byte, 1)) }
	say := func(b []byte) func(*scripted.Peer) {
		return func(p *scripted.Peer) { _, _ = p.Read(); _, _ = p.Write(b); _, _ = p.Conn.Read(make([]byte, 1)) }
	}
	answer := func(change func([]byte) []byte) func(*scripted.Peer) {
		return func(p *scripted.Peer) {
			r, err := p.Read()
			if err != nil {
				return
			}
			_, _ = p.Write(change(p.Reply(r, scripted.Hello())))
			_, _ = p.Conn.Read(make([]byte, 1))
		}
	}
	tests := []struct {
		name   string
		script func(*scripted.Peer)
		kind   Kind
		want   string
	}{
		{"says nothing", silent, SocketTimeout, "no answer within connectTimeoutMS"},
		{"closes at once", func(*scripted.Peer) {}, Network, ""},
		{"speaks HTTP", say([]byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n")), Protocol, "a web server answers"},
		{"announces 2 GB", say([]byte("\xff\xff\xff\x7f00000000\xdd\x07\x00\x00")), Protocol, "states a length"},
		{"reads, then closes", func(p *scripted.Peer) { _, _ = p.Read() }, Network, "asks for TLS"},
		{"half a frame", answer(func(b []byte) []byte { return b[:len(b)/2] }), SocketTimeout, "no answer within"},
		{"half a frame, then closes", func(p *scripted.Peer) {
			if r, err := p.Read(); err == nil {
				b := p.Reply(r, scripted.Hello())
				_, _ = p.Write(b[:len(b)-3])
			}
		}, Network, "the server closed the connection"},
		{"answers another request", answer(func(b []byte) []byte { b[8] ^= 0x55; return b }), Protocol, "reply to request"},
		{"garbage document", answer(func(b []byte) []byte { b[len(b)-1] = 7; return b }), Protocol, "no terminator"},
		{"refuses", func(p *scripted.Peer) {
			if r, err := p.Read(); err == nil {
				_ = p.Answer(r, bson.D{{Key: "ok", Value: 0}, {Key: "errmsg", Value: "go away"}, {Key: "code", Value: 8000}})
			}
		}, Handshake, "go away (code 8000)"},
		{"hello of wrong types", func(p *scripted.Peer) {
			if r, err := p.Read(); err == nil {
				_ = p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "maxWireVersion", Value: "many"}})
			}
		}, Protocol, "maxWireVersion"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := scripted.Listen(t, tt.script)
			began := time.Now()
			_, err := Dial(t.Context(), s.Address, &Config{ConnectTimeout: 300 * time.Millisecond}, nil)
			if err == nil {
				t.Fatal("no error")
			}
			if took := time.Since(began); took > quick {
				t.Errorf("it took %v", took)
			}
			if k := kindOf(t, err); k != tt.kind || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), s.Address) {
				t.Errorf("kind %d: %v", k, err)
			}
		})
	}
}

func TestDialRefused(t *testing.T) {
	_, err := Dial(t.Context(), scripted.Refusing(t), &Config{}, nil)
	if kindOf(t, err) != Network || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}

func TestDialContext(t *testing.T) {
	s := scripted.Listen(t, func(p *scripted.Peer) { _, _ = p.Conn.Read(make([]byte, 1<<20)); _, _ = p.Conn.Read(make([]byte, 1)) })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := Dial(ctx, s.Address, &Config{ConnectTimeout: quick}, nil)
	if kindOf(t, err) != Context || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = Dial(ctx, s.Address, &Config{ConnectTimeout: quick}, nil)
	if kindOf(t, err) != Context || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// slow answers each request when the test says so.
func slow(t *testing.T) (*scripted.Server, chan struct{}) {
	gate := make(chan struct{}, 100)
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		<-gate
		return scripted.Ping(p, r)
	}))
	t.Cleanup(func() { close(gate) })
	return s, gate
}

// A call that its context cuts off leaves a connection that works again once the
// late reply was drained.
func TestCutOffAndDrain(t *testing.T) {
	s, gate := slow(t)
	c := connect(t, s, nil)
	for name, cut := range map[string]func() (context.Context, context.CancelFunc){
		"cancelled": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			return ctx, cancel
		},
		"deadline": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 10*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := cut()
			defer cancel()
			_, err := c.RoundTrip(ctx, command("ping"), false)
			if kindOf(t, err) != Context {
				t.Fatal(err)
			}
			if !c.Pending() || c.Broken() != nil {
				t.Fatalf("pending %v, broken %v", c.Pending(), c.Broken())
			}
			if _, err := c.RoundTrip(t.Context(), command("ping"), false); !errors.Is(err, errBusy) {
				t.Errorf("a call before the late reply: %v", err)
			}
			gate <- struct{}{}
			if err := c.Drain(t.Context()); err != nil || c.Pending() {
				t.Fatalf("drain: %v, pending %v", err, c.Pending())
			}
			gate <- struct{}{}
			roundTrip(t, c)
		})
	}
	if s.Accepted() != 1 {
		t.Errorf("%d connections", s.Accepted())
	}
}

func TestContextBefore(t *testing.T) {
	s, _ := slow(t)
	c := connect(t, s, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user went home")
	cancel(why)
	_, err := c.RoundTrip(ctx, command("ping"), false)
	if kindOf(t, err) != Context || !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Error(err)
	}
	if c.Pending() || c.Broken() != nil {
		t.Error("a call that did not start left something behind")
	}
}

// lateContext has a deadline in the past and has not noticed yet.
type lateContext struct{ context.Context }

func (lateContext) Deadline() (time.Time, bool) { return time.Now().Add(-time.Millisecond), true }

// A call whose time is over before it has sent anything leaves the connection as
// it was.
func TestDeadlineBeforeTheWrite(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	c := connect(t, s, nil)
	sound := func(err error) {
		t.Helper()
		var ce *Error
		if kindOf(t, err) != Context || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &ce) || ce.Sent {
			t.Errorf("got %v, want the context's error before anything was sent", err)
		}
		if c.Pending() || c.Broken() != nil {
			t.Fatalf("pending %v, broken %v", c.Pending(), c.Broken())
		}
		roundTrip(t, c)
	}
	_, err := c.RoundTrip(lateContext{t.Context()}, command("ping"), false)
	sound(err)
	// The same, but noticed by the socket only.
	c.setDeadline(longAgo)
	err = c.write(t.Context(), true, command("ping"), false)
	sound(err)
}

func TestSocketTimeout(t *testing.T) {
	s, _ := slow(t)
	c := connect(t, s, &Config{SocketTimeout: 20 * time.Millisecond})
	_, err := c.RoundTrip(t.Context(), command("ping"), false)
	if kindOf(t, err) != SocketTimeout || c.Broken() == nil {
		t.Errorf("%v, broken %v", err, c.Broken())
	}
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
}

func TestCloseDuringCall(t *testing.T) {
	s, _ := slow(t)
	c := connect(t, s, nil)
	time.AfterFunc(10*time.Millisecond, func() { _ = c.Close() })
	_, err := c.RoundTrip(t.Context(), command("ping"), false)
	if kindOf(t, err) != Network || c.Broken() == nil {
		t.Errorf("%v, broken %v", err, c.Broken())
	}
}

func TestSendWaitsForNothing(t *testing.T) {
	got := make(chan string, 2)
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		got <- r.Name
		if r.Flags&wire.MoreToCome != 0 {
			return true
		}
		return scripted.Ping(p, r)
	}))
	c := connect(t, s, nil)
	frame := command("insert")
	frame[16] |= byte(wire.MoreToCome)
	if err := c.Send(t.Context(), frame, false); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c)
	if a, b := <-got, <-got; a != "insert" || b != "ping" {
		t.Errorf("the server got %s, %s", a, b)
	}
}

// A server that answers what asks for no answer does not confuse the connection.
func TestUnaskedAnswers(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "to", Value: r.Name}}) == nil
	}))
	c := connect(t, s, nil)
	for range 3 {
		for _, name := range []string{"insert", "update"} {
			frame := command(name)
			frame[16] |= byte(wire.MoreToCome)
			if err := c.Send(t.Context(), frame, false); err != nil {
				t.Fatal(err)
			}
			// Once the server is known for it, the reply is outstanding like any other.
			if c.Pending() {
				if err := c.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else if !c.Alive() {
				t.Error("unread answers count as a dead peer")
			}
		}
		r, err := c.RoundTrip(t.Context(), command("ping"), false)
		if err != nil {
			t.Fatal(err)
		}
		if to, _ := bsonwire.Lookup(r.Body, "to"); !bytes.Contains(to.Data, []byte("ping")) {
			t.Errorf("got the reply %v", bson.Raw(r.Body))
		}
	}
	if !c.unasked.learned {
		t.Error("nothing was learned")
	}
}

func TestExhaust(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Flags&wire.ExhaustAllowed == 0 {
			return scripted.Ping(p, r)
		}
		// All three replies in one write: the client must tell them apart.
		a, id := p.More(r.ID, bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}})
		b, id := p.More(id, bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 2}})
		last := p.Reply(scripted.Request{ID: id, OpCode: wire.OpMsg}, bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 3}})
		_, err := p.Write(append(append(a, b...), last...))
		return err == nil
	}))
	c := connect(t, s, nil)
	frame := command("hello1")
	frame[18] |= 1
	r, err := c.RoundTrip(t.Context(), frame, false)
	for want := int64(1); ; want++ {
		if err != nil {
			t.Fatal(err)
		}
		v, _ := bsonwire.Lookup(r.Body, "n")
		if n, _ := v.AsInt64(); n != want || r.More != (want < 3) {
			t.Fatalf("reply %d, more %v", n, r.More)
		}
		if !r.More {
			break
		}
		r, err = c.Receive(t.Context())
	}
	roundTrip(t, c)
}

func TestAlive(t *testing.T) {
	closing := make(chan *scripted.Peer, 1)
	s := scripted.Listen(t, func(p *scripted.Peer) {
		if r, err := p.Read(); err == nil {
			_ = p.Answer(r, scripted.Hello())
		}
		closing <- p
		_, _ = p.Conn.Read(make([]byte, 1))
	})
	c := connect(t, s, nil)
	if !c.Alive() {
		t.Error("an idle connection is not alive")
	}
	_ = (<-closing).Close()
	for i := 0; c.Alive(); i++ {
		if i > 1000 {
			t.Fatal("a connection that its peer closed counts as alive")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRoundTripAllocations(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool { return scripted.Ping(p, r) }))
	c := connect(t, s, nil)
	frame := command("ping")
	ctx := context.Background()
	// The server runs in this process and allocates too: count what the client's
	// side of an exchange does by replaying one reply.
	reply := (&scripted.Peer{}).Reply(scripted.Request{ID: int32(frame[4]) | int32(frame[5])<<8 | int32(frame[6])<<16 | int32(frame[7])<<24, OpCode: wire.OpMsg}, bson.D{{Key: "ok", Value: 1}})
	c.nc = &replay{reply: reply}
	if n := testing.AllocsPerRun(200, func() {
		r, err := c.RoundTrip(ctx, frame, false)
		if err != nil {
			t.Fatal(err)
		}
		r.Release()
	}); n > 0 {
		t.Errorf("a round trip takes %v allocations, want none", n)
	}
}

// replay is a socket that always reads the same.
type replay struct {
	net.Conn
	reply []byte
}

func (r *replay) Read(b []byte) (int, error)  { return copy(b, r.reply), nil }
func (r *replay) Write(b []byte) (int, error) { return len(b), nil }
func (r *replay) SetDeadline(time.Time) error { return nil }
func (r *replay) Close() error                { return nil }

// What a server says of its largest message does not buy it any amount of the
// client's memory.
func TestAnnouncedSizesAreBounded(t *testing.T) {
	hello := scripted.Hello(bson.E{Key: "maxMessageSizeBytes", Value: 1<<31 - 1})
	s := scripted.Listen(t, scripted.Greet(hello, func(p *scripted.Peer, r scripted.Request) bool {
		b := p.Reply(r, bson.D{{Key: "ok", Value: 1}})
		binary.LittleEndian.PutUint32(b, 1<<30)
		_, err := p.Write(b)
		return err == nil
	}))
	c := connect(t, s, nil)
	ctx, cancel := context.WithTimeout(t.Context(), quick)
	defer cancel()
	if _, err := c.RoundTrip(ctx, command("ping"), false); kindOf(t, err) != Protocol {
		t.Errorf("got %v", err)
	}
	// More than is usual is no mistake.
	if c.maxMessage < 2*wire.DefaultMaxMessageSize {
		t.Errorf("the connection takes %d bytes at most", c.maxMessage)
	}
}
