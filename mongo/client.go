package mongo

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
)

// Client is a connection to a MongoDB deployment. It is safe for concurrent use, and
// meant to be shared.
type Client struct {
	mgx      *mgx.Client
	codec    codec
	timeout  time.Duration // of each operation; 0: none
	unacked  bool          // writes are not acknowledged
	sessions atomic.Int64  // that were started and have not ended
}

// Connect makes a client without waiting for a server: the first operation, or Ping,
// finds out whether one is there.
func Connect(opts ...*options.ClientOptions) (*Client, error) {
	merged := options.MergeClientOptions(opts...)
	o, err := clientOptions(merged)
	if err != nil {
		return nil, err
	}
	inner, err := mgx.New(o)
	if err != nil {
		return nil, convert(err)
	}
	c := &Client{mgx: inner, codec: codec{}.with(merged.BSONOptions, merged.Registry)}
	c.unacked = unacknowledged(merged.WriteConcern, false)
	if merged.Timeout != nil {
		c.timeout = *merged.Timeout
	}
	return c, nil
}

// Unwrap returns mgx's client.
func (c *Client) Unwrap() *mgx.Client { return c.mgx }

// context returns a context for an operation: one that is part of the context's session.
func (c *Client) context(ctx context.Context) (context.Context, error) {
	if c.mgx == nil {
		return nil, ErrClientDisconnected
	}
	if ctx == nil {
		return context.Background(), nil
	}
	s := SessionFromContext(ctx)
	if s == nil {
		return ctx, nil
	}
	if s.client != c {
		return nil, ErrWrongClient
	}
	return s.mgx.Context(ctx), nil
}

// AppendDriverInfo names a library that wraps the driver, for the server's logs. New
// connections say it.
func (c *Client) AppendDriverInfo(info options.DriverInfo) {
	_ = c.mgx.AppendWrapper(mgx.WrapperInfo(info))
}

// Disconnect ends the client: sessions are ended, connections closed.
func (c *Client) Disconnect(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	if c.mgx == nil {
		return ErrClientDisconnected
	}
	return convert(c.mgx.Close(ctx))
}

// Ping asks a server whether it is there: one that the read preference allows, or, if
// it is nil, the client's.
func (c *Client) Ping(ctx context.Context, rp *readpref.ReadPref) error {
	ctx, err := c.context(ctx)
	if err != nil {
		return err
	}
	p := c.mgx.ReadPreference()
	if rp != nil {
		if p, err = readPreference(rp); err != nil {
			return err
		}
	}
	return convert(c.mgx.Database("admin").RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}, mgx.WithReadPreference(p)).Err())
}

// Database returns a handle of a database. Options override the client's.
func (c *Client) Database(name string, opts ...options.Lister[options.DatabaseOptions]) *Database {
	db := &Database{client: c, name: name, codec: c.codec}
	if c.mgx == nil {
		db.err = ErrClientDisconnected // it is not from Connect
		return db
	}
	args, err := merge(opts)
	if err != nil {
		db.err, args = err, new(options.DatabaseOptions)
	}
	list, err := handle(args.ReadConcern, args.WriteConcern, args.ReadPreference)
	if err != nil {
		db.err = err
	}
	db.mgx = c.mgx.Database(name, list...)
	db.codec = c.codec.with(args.BSONOptions, args.Registry)
	db.unacked = unacknowledged(args.WriteConcern, c.unacked)
	return db
}

// ListDatabases describes the databases that match the filter.
func (c *Client) ListDatabases(ctx context.Context, filter any, opts ...options.Lister[options.ListDatabasesOptions]) (ListDatabasesResult, error) {
	none := ListDatabasesResult{}
	args, err := merge(opts)
	if err != nil {
		return none, err
	}
	doc, err := c.codec.document(filter)
	if err != nil {
		return none, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return none, err
	}
	cmd := bson.D{{Key: "listDatabases", Value: 1}, {Key: "filter", Value: doc}}
	if args.NameOnly != nil {
		cmd = append(cmd, bson.E{Key: "nameOnly", Value: *args.NameOnly})
	}
	if args.AuthorizedDatabases != nil {
		cmd = append(cmd, bson.E{Key: "authorizedDatabases", Value: *args.AuthorizedDatabases})
	}
	// The list has no read concern.
	admin := c.mgx.Database("admin", mgx.WithReadConcern(mgx.ReadConcernServerDefault))
	var reply struct {
		Databases []struct {
			Name       string `bson:"name"`
			SizeOnDisk int64  `bson:"sizeOnDisk"`
			Empty      bool   `bson:"empty"`
		} `bson:"databases"`
		TotalSize int64 `bson:"totalSize"`
	}
	primary := mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Primary})
	if err := admin.RunCommand(ctx, cmd, mgx.AsRead(), primary).Decode(&reply); err != nil {
		return none, convert(err)
	}
	res := ListDatabasesResult{Databases: make([]DatabaseSpecification, len(reply.Databases)), TotalSize: reply.TotalSize}
	for i, db := range reply.Databases {
		res.Databases[i] = DatabaseSpecification(db)
	}
	return res, nil
}

// ListDatabaseNames lists the names of the databases that match the filter.
func (c *Client) ListDatabaseNames(ctx context.Context, filter any, opts ...options.Lister[options.ListDatabasesOptions]) ([]string, error) {
	opts = append(opts[:len(opts):len(opts)], options.ListDatabases().SetNameOnly(true))
	res, err := c.ListDatabases(ctx, filter, opts...)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(res.Databases))
	for i, db := range res.Databases {
		names[i] = db.Name
	}
	return names, nil
}

// NumberSessionsInProgress returns how many sessions were started that have not ended.
// Those that operations without one run in are not counted.
func (c *Client) NumberSessionsInProgress() int { return int(c.sessions.Load()) }

// Watch opens a change stream on all databases of the deployment but admin, config and
// local.
func (c *Client) Watch(ctx context.Context, pipeline any, opts ...options.Lister[options.ChangeStreamOptions]) (*ChangeStream, error) {
	if _, err := c.context(ctx); err != nil {
		return nil, err
	}
	return c.watch(ctx, c.codec, pipeline, opts, c.mgx.Watch)
}
