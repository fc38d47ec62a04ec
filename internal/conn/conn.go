// Package conn is one connection to a MongoDB server: dialling, TLS, the hello
// handshake, authentication, and one round trip at a time.
//
// A connection is used by one goroutine at a time; its pool sees to that. Only
// Close may be called from another.
package conn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/wire"
)

// Conn is an established connection.
type Conn struct {
	nc      net.Conn
	address string
	desc    *sdam.Server
	cfg     *Config
	proof   auth.Conversation // what authenticated the connection; nil: nothing did

	monitor       bool       // watches the server, runs no commands
	greeting      sdam.Hello // of a monitor's connection
	greetingTook  time.Duration
	maxMessage    int32
	compressor    compress.Compressor // nil: requests go uncompressed
	socketTimeout time.Duration

	in       reader
	pending  int32 // the request whose reply is outstanding, 0: none
	awaiting bool  // a reply is outstanding
	more     bool  // the last reply promised another one
	unasked  unasked
	broken   error // why the connection cannot be used further

	deadline    time.Time // as set on the socket
	interrupt   func()    // c.onInterrupt, bound once
	interrupted chan struct{}
	stop        func() bool

	closeOnce sync.Once
	closeErr  error
	closed    atomic.Bool
}

// Reply is a server's answer. Body aliases a buffer that Release gives back;
// a reply that is never released is left to the garbage collector.
type Reply struct {
	Body []byte
	// More reports whether the server will send another reply by itself.
	More bool
	buf  *wire.Buffer
}

// Release gives the reply's buffer back. Body must not be used afterwards.
func (r *Reply) Release() {
	if r.buf != nil {
		r.buf.Release()
	}
	r.buf, r.Body = nil, nil
}

// Replace puts another body in the place of the reply's, whose buffer goes back.
func (r *Reply) Replace(body []byte) {
	r.Release()
	r.Body = body
}

// Description is what the server told in the handshake.
func (c *Conn) Description() *sdam.Server { return c.desc }

// Address is where the connection leads.
func (c *Conn) Address() string { return c.address }

// Broken returns why the connection cannot be used further, or nil.
func (c *Conn) Broken() error {
	if c.broken == nil && c.closed.Load() {
		return net.ErrClosed
	}
	return c.broken
}

// Pending reports whether a reply is outstanding, because the call that waited for
// it was cut off. Drain reads it.
func (c *Conn) Pending() bool { return c.awaiting && c.broken == nil }

// Close closes the socket. A call in progress fails.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		c.closed.Store(true)
		c.closeErr = c.nc.Close()
	})
	return c.closeErr
}

// RoundTrip sends one whole message and waits for the reply to it. With
// compressible set, the message is compressed if the server agreed to.
func (c *Conn) RoundTrip(ctx context.Context, frame []byte, compressible bool) (Reply, error) {
	if err := c.begin(ctx); err != nil {
		return Reply{}, err
	}
	byContext := c.arm(ctx)
	defer c.disarm()
	if err := c.write(ctx, byContext, frame, compressible); err != nil {
		return Reply{}, err
	}
	c.expect(requestID(frame))
	return c.read(ctx, byContext)
}

// Send sends one whole message that the server does not answer.
func (c *Conn) Send(ctx context.Context, frame []byte, compressible bool) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	byContext := c.arm(ctx)
	defer c.disarm()
	if err := c.write(ctx, byContext, frame, compressible); err != nil {
		return err
	}
	id := requestID(frame)
	if c.unasked.learned {
		c.expect(id) // the pool drains what comes
	} else {
		c.unasked.sent(id)
	}
	return nil
}

func requestID(frame []byte) int32 { return int32(binary.LittleEndian.Uint32(frame[4:])) }

// unasked remembers requests that ask for no answer. Some servers (FerretDB)
// answer nevertheless; those replies are dropped, not mistaken for others.
type unasked struct {
	first, last int32 // requests since the last reply
	any         bool
	learned     bool // the server was seen to answer
}

func (u *unasked) sent(id int32) {
	if !u.any {
		u.first, u.any = id, true
	}
	u.last = id
}

// answeredBy reports whether a reply is to such a request. Identifiers wrap around.
func (u *unasked) answeredBy(responseTo int32) bool {
	return u.any && responseTo-u.first >= 0 && u.last-responseTo >= 0
}

// Receive waits for the next reply, after one that promised more.
func (c *Conn) Receive(ctx context.Context) (Reply, error) {
	if c.broken != nil {
		return Reply{}, c.fail("read", Network, true, c.broken)
	}
	if !c.more {
		return Reply{}, c.fail("read", Protocol, false, errors.New("no further reply is to come"))
	}
	if ctx.Err() != nil {
		return Reply{}, c.fail("read", Context, true, contextErr(ctx))
	}
	byContext := c.arm(ctx)
	defer c.disarm()
	return c.read(ctx, byContext)
}

// Drain reads and drops the outstanding reply. The connection can be used
// again when it returns nil. One whose server goes on sending replies by itself
// cannot be drained.
func (c *Conn) Drain(ctx context.Context) error {
	if !c.awaiting {
		return nil
	}
	if !c.more {
		byContext := c.arm(ctx)
		defer c.disarm()
		r, err := c.read(ctx, byContext)
		if err != nil {
			return err
		}
		r.Release()
	}
	if c.more {
		c.broken = errEndless
		return c.fail("read", Protocol, true, errEndless)
	}
	return nil
}

var errEndless = errors.New("the server goes on sending replies that nobody waits for")

// begin refuses a call that must not start.
func (c *Conn) begin(ctx context.Context) error {
	switch {
	case c.broken != nil:
		return c.fail("write", Network, false, c.broken)
	case c.awaiting:
		return c.fail("write", Protocol, false, errBusy)
	case ctx.Err() != nil:
		return c.fail("write", Context, false, contextErr(ctx))
	}
	// A context can be a moment late. Its deadline would hit the write, after
	// which a TLS connection is of no more use.
	if d, ok := ctx.Deadline(); ok && time.Until(d) <= 0 {
		return c.fail("write", Context, false, context.DeadlineExceeded)
	}
	return nil
}

func (c *Conn) expect(requestID int32) { c.pending, c.awaiting = requestID, true }

func (c *Conn) write(ctx context.Context, byContext bool, frame []byte, compressible bool) error {
	if compressible && c.compressor != nil {
		buf := wire.GetBuffer(len(frame))
		defer buf.Release()
		var err error
		if buf.B, err = compressFrame(buf.B, frame, c.compressor); err != nil {
			return c.fail("write", Protocol, false, err)
		}
		frame = buf.B
	}
	if n, err := c.nc.Write(frame); err != nil {
		kind, err := classify(ctx, byContext, err)
		// Half a message cannot be taken back, nor half a TLS record resumed.
		if n > 0 || kind != Context || !plain(c.nc) {
			c.broken = err
		}
		return c.fail("write", kind, n > 0, err)
	}
	return nil
}

// plain reports whether a write that wrote nothing leaves a connection as it was.
func plain(nc net.Conn) bool {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// read waits for the outstanding reply. When the context cuts it off, what was
// read so far stays, and a later call goes on from there.
func (c *Conn) read(ctx context.Context, byContext bool) (Reply, error) {
	buf, err := c.next()
	if err != nil {
		if errors.Is(err, wire.ErrMalformed) {
			c.broken = err
			return Reply{}, c.fail("read", Protocol, true, err)
		}
		kind, err := classify(ctx, byContext, err)
		if kind != Context {
			c.broken = err
		}
		return Reply{}, c.fail("read", kind, true, err)
	}
	r, err := c.accept(buf)
	if err != nil {
		buf.Release()
		c.broken = err
		return Reply{}, c.fail("read", Protocol, true, err)
	}
	return r, nil
}

// next returns the next message that is not an answer nobody asked for.
func (c *Conn) next() (*wire.Buffer, error) {
	for {
		buf, err := c.in.next(c.nc, c.maxMessage)
		if err != nil || !c.unasked.any {
			return buf, err
		}
		h, err := wire.ParseHeader(buf.B, c.maxMessage)
		if err != nil || h.ResponseTo == c.pending || !c.unasked.answeredBy(h.ResponseTo) {
			c.unasked.any = false
			return buf, err
		}
		c.unasked.learned = true
		buf.Release()
	}
}

// accept checks that a message is the outstanding reply.
func (c *Conn) accept(buf *wire.Buffer) (Reply, error) {
	frame := buf.B
	h, err := wire.ParseHeader(frame, c.maxMessage)
	if err != nil {
		return Reply{}, err
	}
	if h.ResponseTo != c.pending {
		return Reply{}, fmt.Errorf("%w: reply to request %d, expected one to %d", wire.ErrMalformed, h.ResponseTo, c.pending)
	}
	if h.OpCode == wire.OpCompressed {
		plain, err := decompressFrame(frame, c.maxMessage)
		if err != nil {
			return Reply{}, err
		}
		// The compressed bytes are done with, unless the caller releases buf
		// after an error: swap the contents, so that one release serves both.
		buf.B, plain.B = plain.B, buf.B
		plain.Release()
		frame = buf.B
		h.OpCode = wire.OpCode(binary.LittleEndian.Uint32(frame[12:]))
	}
	r := Reply{buf: buf}
	if h.OpCode == wire.OpReply {
		if _, r.Body, err = wire.ParseReply(frame); err != nil {
			return Reply{}, err
		}
	} else {
		m, err := wire.ParseMsg(frame)
		if err != nil {
			return Reply{}, err
		}
		r.Body, r.More = m.Body, m.Flags&wire.MoreToCome != 0
	}
	c.awaiting, c.more = r.More, r.More
	c.pending = h.RequestID // what a further reply answers
	return r, nil
}

// fail makes the error of a call.
func (c *Conn) fail(op string, kind Kind, sent bool, err error) *Error {
	// That of a TLS handshake has its explanation.
	if op != "tls handshake" && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		err = fmt.Errorf("the server closed the connection: %w", err)
	}
	return &Error{Address: c.address, Op: op, Kind: kind, Established: c.desc != nil, Sent: sent, Err: err}
}
