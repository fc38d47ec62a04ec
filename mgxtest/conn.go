package mgxtest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/internal/wire"
)

// conn is one client connection.
type conn struct {
	m      *Member
	id     int64
	nc     net.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	out    []byte

	mu      sync.Mutex
	appName string
	// balanced marks a connection that came through the load balancer,
	// greeted one that has said hello.
	balanced, greeted bool
	// user is who logged in, conversation how one does at the moment.
	user         *account
	conversation *conversation
}

var errClientGone = errors.New("the client went away")

// serve reads and answers until either side ends the connection.
func (c *conn) serve() {
	defer c.m.forget(c)
	frames := make(chan []byte)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(frames)
		c.read(frames)
	})
	for frame := range frames {
		if err := c.handle(frame); err != nil {
			break
		}
	}
	c.cancel(errClientGone)
	c.nc.Close()
	for range frames {
	}
	wg.Wait()
}

// read hands over one frame after the other. That the client is gone is
// noticed here, even while a command runs.
func (c *conn) read(frames chan<- []byte) {
	defer c.cancel(errClientGone)
	r := bufio.NewReaderSize(c.nc, 16<<10)
	for {
		var head [wire.HeaderLen]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		h, err := wire.ParseHeader(head[:], wire.DefaultMaxMessageSize)
		if err != nil {
			return
		}
		frame := make([]byte, h.Length)
		copy(frame, head[:])
		if _, err := io.ReadFull(r, frame[wire.HeaderLen:]); err != nil {
			return
		}
		select {
		case frames <- frame:
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *conn) handle(frame []byte) error {
	h, err := wire.ParseHeader(frame, wire.DefaultMaxMessageSize)
	if err != nil {
		return err
	}
	if err := c.m.passGate(c.ctx); err != nil {
		return err
	}
	switch h.OpCode {
	case wire.OpMsg:
		return c.handleMsg(frame)
	case wire.OpQuery:
		return c.handleQuery(frame)
	}
	return errors.New("unsupported message " + h.OpCode.String())
}

func (c *conn) handleQuery(frame []byte) error {
	q, err := wire.ParseQuery(frame)
	if err != nil {
		return err
	}
	db, isCommand := cutSuffix(q.Collection, ".$cmd")
	r := &request{ctx: c.ctx, conn: c, body: q.Document, legacy: true}
	var reply bson.D
	switch {
	case !isCommand || !isHello(firstKey(q.Document)):
		reply = doc("ok", 0.0, "errmsg", "Unsupported OP_QUERY command: "+firstKey(q.Document)+". The client driver may require an upgrade.",
			"code", int32(352), "codeName", "UnsupportedOpQueryCommand")
	default:
		r.body = withDB(q.Document, db)
		if reply, err = c.m.answer(r); err != nil {
			return err
		}
	}
	raw, err := bson.Marshal(reply)
	if err != nil {
		return err
	}
	return c.write(wire.AppendReply(c.out[:0], wire.NextRequestID(), q.RequestID, raw), r.name)
}

func (c *conn) handleMsg(frame []byte) error {
	msg, err := wire.ParseMsg(frame)
	if err != nil {
		return err
	}
	r := &request{ctx: c.ctx, conn: c, body: msg.Body, exhaust: msg.Flags&wire.ExhaustAllowed != 0}
	for _, s := range msg.Sequences {
		var list []bson.Raw
		for d, ok := s.Next(); ok; d, ok = s.Next() {
			list = append(list, d)
		}
		if r.seqs == nil {
			r.seqs = map[string][]bson.Raw{}
		}
		r.seqs[s.Identifier] = list
	}
	respondTo := msg.RequestID
	for {
		reply, err := c.m.answer(r)
		if err != nil {
			return err
		}
		if msg.Flags&wire.MoreToCome != 0 {
			return nil
		}
		next := r.following(reply)
		var flags wire.Flags
		if next != nil {
			flags = wire.MoreToCome
		}
		id := wire.NextRequestID()
		if err := c.reply(reply, id, respondTo, flags, r.name); err != nil || next == nil {
			return err
		}
		respondTo, r = id, next
	}
}

// following returns the request that continues a stream of replies.
func (r *request) following(reply bson.D) *request {
	if !r.exhaust || lookup(reply, "ok") != 1.0 {
		return nil
	}
	body := r.body
	switch {
	case isHello(r.name):
		version, ok := lookup(reply, "topologyVersion").(bson.D)
		if _, streams := r.get("topologyVersion"); !ok || !streams {
			return nil
		}
		body = replaced(body, "topologyVersion", version)
	case r.name == "getMore":
		cur, _ := lookup(reply, "cursor").(bson.D)
		if id, _ := lookup(cur, "id").(int64); id == 0 {
			return nil
		}
	default:
		return nil
	}
	return &request{ctx: r.ctx, conn: r.conn, body: body, exhaust: true}
}

func (c *conn) reply(d bson.D, id, to int32, flags wire.Flags, name string) error {
	raw, err := bson.Marshal(d)
	if err != nil {
		// A reply that cannot be encoded is a bug here or in a handler.
		if raw, err = bson.Marshal(errorReply(&request{}, failf(codeInternalError, "cannot encode the reply: %v", err))); err != nil {
			return err
		}
	}
	out, start := wire.BeginMsg(c.out[:0], id, to, flags)
	out = wire.BeginBody(out)
	out = append(out, raw...)
	return c.write(wire.End(out, start), name)
}

func (c *conn) write(out []byte, name string) error {
	if d := c.m.delayOf(name); d > 0 {
		if err := sleep(c.ctx, d); err != nil {
			return err
		}
	}
	if err := c.m.passGate(c.ctx); err != nil {
		return err
	}
	if cap(out) <= 1<<20 {
		c.out = out
	}
	_, err := c.nc.Write(out)
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func firstKey(raw bson.Raw) string {
	e, err := raw.IndexErr(0)
	if err != nil {
		return ""
	}
	return e.Key()
}

func lookup(d bson.D, key string) any {
	for _, e := range d {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

func withDB(raw bson.Raw, db string) bson.Raw { return replaced(raw, "$db", db) }

// replaced returns the document with one field set.
func replaced(raw bson.Raw, key string, value any) bson.Raw {
	var d bson.D
	elems, err := raw.Elements()
	if err != nil {
		return raw
	}
	found := false
	for _, e := range elems {
		var v any = e.Value()
		if e.Key() == key {
			v, found = value, true
		}
		d = append(d, bson.E{Key: e.Key(), Value: v})
	}
	if !found {
		d = append(d, bson.E{Key: key, Value: value})
	}
	out, err := bson.Marshal(d)
	if err != nil {
		return raw
	}
	return out
}

func cutSuffix(s, suffix string) (string, bool) {
	if len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix {
		return s[:len(s)-len(suffix)], true
	}
	return s, false
}
