package mgxtest_test

import (
	"io"
	"net"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/internal/wire"
	"github.com/mgxdb/mgx/mgxtest"
)

// plain is a connection that sends commands as they are, which no driver does.
type plain struct {
	t  testing.TB
	nc net.Conn
}

func dial(t testing.TB, m *mgxtest.Member) *plain {
	t.Helper()
	nc, err := net.Dial("tcp", m.Addr())
	must(t, err)
	t.Cleanup(func() { nc.Close() })
	return &plain{t, nc}
}

// run sends a command to a database and returns the reply.
func (p *plain) run(db string, command bson.D) bson.Raw {
	p.t.Helper()
	reply, err := p.try(db, command)
	must(p.t, err)
	return reply
}

// try is run for a connection that may break.
func (p *plain) try(db string, command bson.D) (bson.Raw, error) {
	body, err := bson.Marshal(append(append(bson.D{}, command...), bson.E{Key: "$db", Value: db}))
	if err != nil {
		return nil, err
	}
	out, start := wire.BeginMsg(nil, wire.NextRequestID(), 0, 0)
	out = wire.End(append(wire.BeginBody(out), body...), start)
	_ = p.nc.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := p.nc.Write(out); err != nil {
		return nil, err
	}
	head := make([]byte, wire.HeaderLen)
	if _, err := io.ReadFull(p.nc, head); err != nil {
		return nil, err
	}
	h, err := wire.ParseHeader(head, wire.DefaultMaxMessageSize)
	if err != nil {
		return nil, err
	}
	frame := append(head, make([]byte, int(h.Length)-wire.HeaderLen)...)
	if _, err := io.ReadFull(p.nc, frame[wire.HeaderLen:]); err != nil {
		return nil, err
	}
	msg, err := wire.ParseMsg(frame)
	if err != nil {
		return nil, err
	}
	return bson.Raw(msg.Body), nil
}

// ok runs a command that has to succeed.
func (p *plain) ok(db string, command bson.D) bson.Raw {
	p.t.Helper()
	reply := p.run(db, command)
	if code := codeOf(reply); code != 0 {
		p.t.Fatalf("%v: %v", command, reply)
	}
	return reply
}

// fails runs a command that has to fail with a code.
func (p *plain) fails(db string, command bson.D, code int32, labels ...string) bson.Raw {
	p.t.Helper()
	reply := p.run(db, command)
	if got := codeOf(reply); got != code {
		p.t.Errorf("%v: want code %d, got %v", command, code, reply)
	}
	for _, l := range labels {
		if !hasLabel(reply, l) {
			p.t.Errorf("%v: no label %s: %v", command, l, reply)
		}
	}
	return reply
}

// codeOf is the code of a command's, a write's or a write concern's error, 0 for none.
func codeOf(reply bson.Raw) int32 {
	for _, path := range [][]string{{"code"}, {"writeErrors", "0", "code"}, {"writeConcernError", "code"}} {
		if code, ok := reply.Lookup(path...).Int32OK(); ok {
			return code
		}
	}
	return 0
}

func hasLabel(reply bson.Raw, label string) bool {
	list, _ := reply.Lookup("errorLabels").ArrayOK()
	values, _ := list.Values()
	for _, v := range values {
		if v.StringValue() == label {
			return true
		}
	}
	return false
}

// session makes the fields of statements in one session.
type session struct {
	id     bson.D
	number int64
}

func newSession(n byte) *session {
	id := make([]byte, 16)
	id[15] = n
	return &session{id: kv("id", bson.Binary{Subtype: 4, Data: id})}
}

// begin is a statement that starts a transaction, in one that goes on with it.
func (s *session) begin(command bson.D) bson.D {
	s.number++
	return append(s.in(command), kv("startTransaction", true)...)
}

func (s *session) in(command bson.D) bson.D {
	return append(append(bson.D{}, command...), kv("lsid", s.id, "txnNumber", s.number, "autocommit", false)...)
}

func (s *session) commit() bson.D { return s.in(kv("commitTransaction", 1)) }
func (s *session) abort() bson.D  { return s.in(kv("abortTransaction", 1)) }

func insert(coll string, docs ...any) bson.D { return kv("insert", coll, "documents", bson.A(docs)) }
func find(coll string, filter bson.D) bson.D { return kv("find", coll, "filter", filter) }

func found(reply bson.Raw) int {
	list, _ := reply.Lookup("cursor", "firstBatch").ArrayOK()
	values, _ := list.Values()
	return len(values)
}
