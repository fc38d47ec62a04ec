// Package scripted is a server for tests that does just what a test says, good
// or bad, byte by byte.
package scripted

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/wire"
)

// Server accepts connections and hands each to a script.
type Server struct {
	// Address is where it listens.
	Address string

	l       net.Listener
	wg      sync.WaitGroup
	mu      sync.Mutex
	peers   map[*Peer]struct{}
	accepts int
}

// Listen starts a server on a loopback port. The script runs for each
// connection, in a goroutine of its own; the connection is closed when it
// returns. All ends with the test.
func Listen(t testing.TB, script func(*Peer)) *Server {
	t.Helper()
	return listen(t, "tcp", "127.0.0.1:0", script)
}

// ListenUnix is Listen on a Unix socket.
func ListenUnix(t testing.TB, script func(*Peer)) *Server {
	t.Helper()
	return listen(t, "unix", filepath.Join(t.TempDir(), "m.sock"), script)
}

func listen(t testing.TB, network, address string, script func(*Peer)) *Server {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, l, script)
}

func start(t testing.TB, l net.Listener, script func(*Peer)) *Server {
	s := &Server{Address: l.Addr().String(), l: l, peers: map[*Peer]struct{}{}}
	s.wg.Go(func() { s.serve(script) })
	t.Cleanup(s.Close)
	return s
}

func (s *Server) serve(script func(*Peer)) {
	for {
		nc, err := s.l.Accept()
		if err != nil {
			return
		}
		p := &Peer{Conn: nc}
		s.mu.Lock()
		s.peers[p] = struct{}{}
		s.accepts++
		s.mu.Unlock()
		s.wg.Go(func() {
			defer func() {
				_ = nc.Close()
				s.mu.Lock()
				delete(s.peers, p)
				s.mu.Unlock()
			}()
			script(p)
		})
	}
}

// Close stops listening and closes all connections.
func (s *Server) Close() {
	_ = s.l.Close()
	s.mu.Lock()
	for p := range s.peers {
		_ = p.Conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Accepted is how many connections there were.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepts
}

// Open is how many connections there are.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers)
}

// Peer is the server's end of a connection.
type Peer struct {
	net.Conn
	lastID int32
}

// Request is a message from the client.
type Request struct {
	ID        int32
	OpCode    wire.OpCode
	Flags     wire.Flags
	Name      string // of the command
	Document  bson.Raw
	Sequences []wire.Sequence
	Frame     []byte
	// Compressor is how the message was compressed, "" if it was not.
	Compressor string
}

// Read reads the next message.
func (p *Peer) Read() (Request, error) {
	header := make([]byte, wire.HeaderLen)
	if _, err := io.ReadFull(p.Conn, header); err != nil {
		return Request{}, err
	}
	h, err := wire.ParseHeader(header, wire.DefaultMaxMessageSize)
	if err != nil {
		return Request{}, err
	}
	frame := append(header, make([]byte, h.Length-wire.HeaderLen)...)
	if _, err := io.ReadFull(p.Conn, frame[wire.HeaderLen:]); err != nil {
		return Request{}, err
	}
	r := Request{ID: h.RequestID, OpCode: h.OpCode, Frame: frame}
	if h.OpCode == wire.OpCompressed {
		if frame, r.Compressor, err = unpack(frame); err != nil {
			return r, err
		}
		if h, err = wire.ParseHeader(frame, wire.DefaultMaxMessageSize); err != nil {
			return r, err
		}
		r.OpCode = h.OpCode
	}
	switch h.OpCode {
	case wire.OpQuery:
		q, err := wire.ParseQuery(frame)
		if err != nil {
			return r, err
		}
		r.Document = q.Document
	case wire.OpMsg:
		m, err := wire.ParseMsg(frame)
		if err != nil {
			return r, err
		}
		r.Document, r.Flags, r.Sequences = m.Body, m.Flags, m.Sequences
	default:
		return r, errors.New("unexpected message " + h.OpCode.String())
	}
	reader := bsonwire.NewReader(r.Document)
	if reader.Next() {
		r.Name = string(reader.Key())
	}
	return r, nil
}

// Reply is the message that answers a request with a document.
func (p *Peer) Reply(to Request, doc any) []byte { return p.reply(to.ID, to.OpCode, 0, doc) }

// More is Reply with the promise of another one, and returns the identifier that
// the other one answers.
func (p *Peer) More(to int32, doc any) ([]byte, int32) {
	b := p.reply(to, wire.OpMsg, wire.MoreToCome, doc)
	return b, p.lastID
}

func (p *Peer) reply(to int32, op wire.OpCode, flags wire.Flags, doc any) []byte {
	raw, asIs := doc.(bson.Raw) // whatever is wrong with it
	if !asIs {
		var err error
		if raw, err = bson.Marshal(doc); err != nil {
			panic(err)
		}
	}
	p.lastID = 1_000_000 + wire.NextRequestID()
	if op == wire.OpQuery {
		return wire.AppendReply(nil, p.lastID, to, raw)
	}
	b, start := wire.BeginMsg(nil, p.lastID, to, flags)
	return wire.End(append(wire.BeginBody(b), raw...), start)
}

// Answer sends Reply.
func (p *Peer) Answer(to Request, doc any) error {
	_, err := p.Write(p.Reply(to, doc))
	return err
}

// Hello is the reply of a healthy standalone server; more overrides its fields.
func Hello(more ...bson.E) bson.D {
	doc := bson.D{
		{Key: "ok", Value: 1}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true}, {Key: "helloOk", Value: true},
		{Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 25},
		{Key: "maxBsonObjectSize", Value: 16 << 20}, {Key: "maxMessageSizeBytes", Value: 48_000_000}, {Key: "maxWriteBatchSize", Value: 100_000},
	}
next:
	for _, e := range more {
		for i := range doc {
			if doc[i].Key == e.Key {
				doc[i] = e
				continue next
			}
		}
		doc = append(doc, e)
	}
	return doc
}

// IsHello reports whether the request is a hello by any of its names.
func (r Request) IsHello() bool {
	return r.Name == "hello" || r.Name == "isMaster" || r.Name == "ismaster"
}

// Greet answers the first hello, then runs the script with each later request,
// until the script or the connection ends.
func Greet(hello bson.D, script func(p *Peer, r Request) bool) func(*Peer) {
	return func(p *Peer) {
		for {
			r, err := p.Read()
			if err != nil {
				return
			}
			if r.IsHello() {
				if p.Answer(r, hello) != nil {
					return
				}
				continue
			}
			if script == nil || !script(p, r) {
				return
			}
		}
	}
}

// Ping answers every request with ok: 1.
func Ping(p *Peer, r Request) bool { return p.Answer(r, bson.D{{Key: "ok", Value: 1}}) == nil }
