package mgx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/cursor"
	"github.com/mgxdb/mgx/internal/eventlog"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/sdam"
)

// Version is the version of this module, as the server's logs show it.
const Version = "0.1.0"

// Client is a connection to a MongoDB deployment. It discovers the deployment's
// servers, pools the connections to them and reconnects by itself. It is safe
// for concurrent use, and meant to be shared: a program needs one per
// deployment.
type Client struct {
	given    Options // as they came
	options  Options // with their defaults
	topology *exec.Topology
	exec     *exec.Executor
	logs     *eventlog.Logs
	identity *conn.Identity
	cipher   CommandCipher // nil: nothing is encrypted
	dec      bson.DecodeOptions
	base     *callOptions

	writeConcern atomic.Pointer[exec.WriteConcern]
	manager      atomic.Pointer[CursorManager]
	cursors      cursor.Registry
	affine       atomic.Bool // a request was ever started

	state    atomic.Int32 // a clientState; changes under mu
	mu       sync.Mutex
	shutting *shutting // guarded by mu; nil: none is under way
}

// shutting is a Close or Disconnect under way.
type shutting struct {
	hurry context.CancelFunc // ends its context
	done  chan struct{}      // closed when it has ended
}

type clientState int32

const (
	clientOpen clientState = iota
	clientDisconnected
	clientClosed
)

// Connect opens a client for a connection string and waits until a server
// answers. If none does within the context's deadline or
// serverSelectionTimeoutMS (30 seconds), the error is an ErrConnectionFailure.
func Connect(ctx context.Context, uri string) (*Client, error) {
	options, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	return Open(ctx, options)
}

// Open is Connect for options that were changed after ParseURI, or written by
// hand.
func Open(ctx context.Context, options *Options) (*Client, error) {
	if ctx == nil {
		return nil, nilContext("connect")
	}
	c, err := newClient(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := c.Ping(ctx); err != nil {
		over, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel() // a dialer may hang
		_ = c.Close(over)
		return nil, connectError(err)
	}
	return c, nil
}

// New makes a client without waiting for a server: the first operation does. The
// options are copied. Only the DNS records of a mongodb+srv URI are looked up at
// once, within ConnectTimeout.
func New(options *Options) (*Client, error) { return newClient(context.Background(), options) }

func newClient(ctx context.Context, options *Options) (*Client, error) {
	c := &Client{given: options.clone(), options: options.clone()}
	ready, err := c.options.prepare()
	if err != nil {
		return nil, err
	}
	o, err := ready.resolve(ctx)
	if err != nil {
		return nil, err
	}
	c.dec = bson.DecodeOptions{
		DocumentType: o.DocumentType, TimeAware: o.TimeLocation != nil, Location: o.TimeLocation, StrictUTF8: o.StrictUTF8,
		DisallowUnknownFields: o.DisallowUnknownFields, ObjectIDAsHexString: o.ObjectIDAsHexString,
	}
	c.base = o.callDefaults()
	c.writeConcern.Store(o.WriteConcern.internal())
	if err := c.open(o); err != nil {
		_ = c.logs.Close()
		return nil, err
	}
	if err := c.attachEncryption(options); err != nil {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(over)
		return nil, err
	}
	o.logWarnings()
	return c, nil
}

// Ping asks a server that the client's read preference allows whether it is
// there.
func (c *Client) Ping(ctx context.Context) error {
	op := exec.Op{
		Name: "ping", Database: "admin", Access: exec.Other, ReadPreference: c.base.readPreference, Retryable: true,
		Body: func(dst []byte) ([]byte, error) { return bsonwire.AppendInt32(dst, "ping", 1), nil },
	}
	res, err := c.run(ctx, &op)
	if err != nil {
		return err
	}
	res.Release()
	return nil
}

// AppendWrapper names a library that wraps mgx, for the server's logs, as
// Options.WrapperInfo does. New connections say it; those that are open do not. One
// that was named before is not named again. Errors are ErrConfiguration.
//
// See the specification "MongoDB Handshake", on supporting wrapping libraries.
func (c *Client) AppendWrapper(w WrapperInfo) error {
	if err := w.validate(); err != nil {
		return err
	}
	c.identity.Append(conn.DriverInfo(w))
	return nil
}

// Close ends the client: it ends its sessions on the server, closes all
// connections and stops all that runs in the background. Operations that wait for a
// server or a connection end with an ErrClosed, as do later ones. Those that are
// further on may end by themselves until the context is done, and are cut off then
// (ErrClosed); with a context that never ends they are cut off at once. Close is
// final, and may be called any number of times: one that finds another under way
// waits for it, and cuts it short when its own context is done.
func (c *Client) Close(ctx context.Context) error { return c.shut(ctx, clientClosed) }

// Disconnect closes all connections and stops all that runs in the background.
// Operations in progress are cut off at once: they end with an ErrClosed. Unlike
// Close it is not final: the next operation opens the client again. The context
// bounds the word to the server, and the wait for what was cut off.
func (c *Client) Disconnect(ctx context.Context) error { return c.shut(ctx, clientDisconnected) }

func (c *Client) shut(ctx context.Context, to clientState) error {
	if ctx == nil {
		return nilContext("close")
	}
	patient := to == clientClosed && ctx.Done() != nil
	own, hurry := context.WithCancel(ctx)
	defer hurry()
	if err := c.beginShut(ctx, patient, hurry); err != nil {
		return err
	}
	defer c.endShut()
	from := clientState(c.state.Load())
	if from == clientClosed {
		return nil
	}
	if from == clientOpen {
		c.endSessions(own)
	}
	c.mu.Lock()
	c.state.Store(int32(to))
	c.mu.Unlock()
	end := c.topology.Abort
	if patient {
		end = c.topology.Close
	}
	err := end(own)
	if failed := c.shutCipher(own, to); err == nil {
		err = failed
	}
	if to == clientClosed {
		_ = c.logs.Close()
	}
	return err
}

// hurriedEnd is more than a Close or Disconnect takes that cuts everything off.
const hurriedEnd = 5 * time.Second

var errStillShutting = failure(ErrClosed,
	"a Close or Disconnect under way does not end; does the handler of an event wait for it, inside of it?")

// wait waits until it has ended, but not forever: an event's handler may be asking.
func (s *shutting) wait(ctx context.Context) error {
	limit := time.NewTimer(hurriedEnd)
	defer limit.Stop()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return errStillShutting
	}
}

// beginShut waits until no other Close or Disconnect is under way. It has the other
// one cut operations off as soon as this one would.
func (c *Client) beginShut(ctx context.Context, patient bool, hurry context.CancelFunc) error {
	for {
		c.mu.Lock()
		other := c.shutting
		if other == nil {
			c.shutting = &shutting{hurry: hurry, done: make(chan struct{})}
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
		if patient {
			select {
			case <-other.done:
				continue
			case <-ctx.Done():
			}
		}
		other.hurry()
		if err := other.wait(context.Background()); err != nil {
			return err
		}
	}
}

func (c *Client) endShut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.shutting.done)
	c.shutting = nil
}

// enter lets an operation begin, and opens a client that was disconnected, once the
// Disconnect has ended.
func (c *Client) enter(ctx context.Context) error {
	for {
		switch clientState(c.state.Load()) {
		case clientOpen:
			return nil
		case clientClosed:
			return errClientClosed
		}
		under, err := c.reopen()
		if under == nil {
			return err
		}
		if err := under.wait(ctx); err != nil {
			return err
		}
	}
}

// reopen opens a disconnected client, or returns what is under way.
func (c *Client) reopen() (*shutting, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch clientState(c.state.Load()) {
	case clientClosed:
		return nil, errClientClosed
	case clientDisconnected:
		if c.shutting != nil {
			return c.shutting, nil
		}
		c.topology.Connect()
		c.state.Store(int32(clientOpen))
	}
	return nil, nil
}

// maxEndSessions is how many sessions one command ends.
const maxEndSessions = 10_000

// endSessionsTimeout bounds the word that sessions are done with: a server that
// hangs is not to keep Close and Disconnect from cutting operations off.
const endSessionsTimeout = time.Second

// endSessions tells the server that the sessions are done with. It is best
// effort: servers expire them by themselves, and one that has to be found first
// is not waited for.
func (c *Client) endSessions(ctx context.Context) {
	ids := c.exec.Sessions.Take()
	sel := sdam.Selection{ReadPreference: primaryPreferred}
	if there, err := sel.Candidates(c.topology.Description(), nil); err != nil || len(there) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, endSessionsTimeout)
	defer cancel()
	o := operation{client: c, ctx: ctx} // of the client's own: it neither opens it, nor is it part of a request
	for len(ids) > 0 {
		n := min(len(ids), maxEndSessions)
		batch := ids[:n]
		ids = ids[n:]
		op := exec.Op{
			Name: "endSessions", Database: "admin", Access: exec.Other, NoSession: true, ReadPreference: primaryPreferred,
			Body: func(dst []byte) ([]byte, error) {
				dst, at := bsonwire.BeginArray(dst, "endSessions")
				for i, id := range batch {
					dst = bsonwire.AppendDocument(dst, bsonwire.Index(i), id)
				}
				return bsonwire.End(dst, at), nil
			},
		}
		res, err := o.run(&op)
		if err != nil {
			return
		}
		res.Release()
	}
}

var primaryPreferred = ReadPreference{Mode: PrimaryPreferred}.internal()

// Database returns a handle of a database. Options override the client's. An
// invalid name is reported by the first operation, as an ErrInvalidName.
func (c *Client) Database(name string, options ...HandleOption) *Database {
	return &Database{client: c, name: name, err: checkDatabaseName(name), base: derive(c.base, options)}
}

// DefaultDatabase returns the database that the connection string names. Without
// one, the error is an ErrConfiguration.
func (c *Client) DefaultDatabase() (*Database, error) {
	if c.options.Database == "" {
		return nil, failure(ErrConfiguration, "the connection string names no default database")
	}
	return c.Database(c.options.Database), nil
}

// DatabaseInfo describes a database.
type DatabaseInfo struct {
	Name       string `bson:"name"`
	SizeOnDisk int64  `bson:"sizeOnDisk"`
	Empty      bool   `bson:"empty"`
}

// ListDatabases describes the databases that match the filter, which may look at
// name, sizeOnDisk, empty and shards.
func (c *Client) ListDatabases(ctx context.Context, filter any, options ...ListDatabasesOption) ([]DatabaseInfo, error) {
	s := collect(c.base.onPrimary(), options)
	op := exec.Op{
		Name: "listDatabases", Database: "admin", Access: exec.Other, Retryable: true, ReadPreference: s.readPreference, Timeout: s.timeout,
		Body: func(dst []byte) ([]byte, error) {
			dst = bsonwire.AppendInt32(dst, "listDatabases", 1)
			if filter != nil {
				var err error
				if dst, err = appendField(dst, "filter", filter); err != nil {
					return dst, err
				}
			}
			dst = appendTrue(dst, "nameOnly", s.nameOnly)
			dst = appendBool(dst, "authorizedDatabases", s.authorizedOnly)
			return appendOptional(dst, "comment", s.comment)
		},
	}
	res, err := c.run(ctx, &op)
	if err != nil {
		return nil, err
	}
	defer res.Release()
	var reply struct {
		Databases []DatabaseInfo `bson:"databases"`
	}
	if err := bson.Unmarshal(res.Body, &reply); err != nil {
		return nil, category(err, ErrProtocol)
	}
	return reply.Databases, nil
}

// ListDatabaseNames lists the names of the databases that match the filter.
func (c *Client) ListDatabaseNames(ctx context.Context, filter any, options ...ListDatabasesOption) ([]string, error) {
	list, err := c.ListDatabases(ctx, filter, append(options[:len(options):len(options)], NameOnly())...)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, db := range list {
		names[i] = db.Name
	}
	return names, nil
}

var errClientClosed = failure(ErrClosed, "the client is closed")

// decode returns how the call's documents are decoded.
func (c *Client) decode(s *callOptions) *bson.DecodeOptions {
	if s.decode == nil {
		return &c.dec
	}
	dec := c.dec
	s.decode(&dec)
	return &dec
}
