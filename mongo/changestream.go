package mongo

import (
	"bytes"
	"context"
	"time"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// ChangeStream follows the changes of a collection, a database or a whole deployment.
type ChangeStream struct {
	// Current is the event that Next moved to. It stays as it is.
	Current bson.Raw

	mgx     *mgx.ChangeStream
	codec   codec
	timeout time.Duration
	err     error
}

func (c *Client) watch(ctx context.Context, codec codec, pipeline any, opts []options.Lister[options.ChangeStreamOptions], run func(context.Context, any, ...mgx.WatchOption) (*mgx.ChangeStream, error)) (*ChangeStream, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	var stages any
	if pipeline != nil {
		if stages, err = codec.pipeline(pipeline); err != nil {
			return nil, err
		}
	}
	list, err := watchOptions(codec, args)
	if err != nil {
		return nil, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return nil, err
	}
	inner, err := run(ctx, stages, list...)
	if err != nil {
		return nil, convert(err)
	}
	return &ChangeStream{mgx: inner, codec: codec, timeout: c.timeout}, nil
}

func watchOptions(c codec, args *options.ChangeStreamOptions) ([]mgx.WatchOption, error) {
	return gather[mgx.WatchOption](c, func(g *gatherer[mgx.WatchOption]) {
		if args.BatchSize != nil {
			g.add(mgx.BatchSize(*args.BatchSize))
		}
		if args.Collation != nil {
			g.add(mgx.WithCollation(collation(args.Collation)))
		}
		g.value(args.Comment, func(v any) mgx.WatchOption { return mgx.Comment(v) })
		if args.FullDocument != nil && *args.FullDocument != options.Default {
			g.add(mgx.FullDocument(string(*args.FullDocument)))
		}
		if args.FullDocumentBeforeChange != nil {
			g.add(mgx.FullDocumentBeforeChange(string(*args.FullDocumentBeforeChange)))
		}
		if args.MaxAwaitTime != nil {
			g.add(mgx.MaxAwaitTime(*args.MaxAwaitTime))
		}
		g.document(args.ResumeAfter, mgx.ResumeAfter)
		g.document(args.StartAfter, mgx.StartAfter)
		if is(args.ShowExpandedEvents) {
			g.add(mgx.ShowExpandedEvents())
		}
		if args.StartAtOperationTime != nil {
			g.add(mgx.StartAtOperationTime(*args.StartAtOperationTime))
		}
	})
}

// Next waits for the next event and moves to it. It returns false when the stream has
// ended, after an error, and when the context ends.
func (s *ChangeStream) Next(ctx context.Context) bool { return s.move(ctx, s.mgx.Next) }

// TryNext is Next for who does not want to wait for an event.
func (s *ChangeStream) TryNext(ctx context.Context) bool { return s.move(ctx, s.mgx.TryNext) }

func (s *ChangeStream) move(ctx context.Context, next func(context.Context) bool) bool {
	if s.err != nil {
		return false
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if _, has := ctx.Deadline(); !has && s.timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		ctx = bounded
	}
	if !next(ctx) {
		s.err = convert(s.mgx.Err())
		return false
	}
	s.Current = bytes.Clone(s.mgx.Current())
	return true
}

// Decode decodes the current event into the value that val points to.
func (s *ChangeStream) Decode(val any) error {
	if s.mgx.Closed() {
		return ErrNilCursor
	}
	return s.codec.decode(s.Current, val)
}

// Err returns what ended the stream.
func (s *ChangeStream) Err() error { return s.err }

// Close ends the stream.
func (s *ChangeStream) Close(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	before := s.mgx.Err()
	if err := s.mgx.Close(ctx); err != nil && before == nil {
		return convert(err)
	}
	return nil
}

// ID returns the server's identifier of the stream's cursor, 0 when there is none.
func (s *ChangeStream) ID() int64 { return s.mgx.ID() }

// ResumeToken returns what the stream would go on after.
func (s *ChangeStream) ResumeToken() bson.Raw { return s.mgx.ResumeToken() }

// RemainingBatchLength returns how many events Next has before it asks the server.
func (s *ChangeStream) RemainingBatchLength() int { return s.mgx.Remaining() }

// SetBatchSize changes how many events the server is asked for, from the next batch on.
func (s *ChangeStream) SetBatchSize(size int32) { s.mgx.SetBatchSize(size) }
