// Package consumer handles the events of a change stream so that none is lost: it keeps
// the resume token in a collection, or in a store of yours, and goes on there after a
// restart. Of several consumers with the same name one is active, the others take over
// when it is gone.
//
//	err := consumer.Run(ctx, orders, "invoices", func(ctx context.Context, e *mgx.ChangeEvent[Order]) error {
//		…
//	}, consumer.Options{Store: consumer.InCollection(db.Collection("consumers"))})
//
// Each event is handled at least once: again, when the process ends between the handler
// and the saving of the token. With Transactional, the handler's writes and the token
// are one transaction, and each event takes effect exactly once.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// Source is what has change streams: a client, a database or a collection of mgx.
type Source interface {
	Watch(ctx context.Context, pipeline any, options ...mgx.WatchOption) (*mgx.ChangeStream, error)
}

// Handler handles an event. After an error Run ends, and the event comes again when it
// is called again. The context ends when the consumer is not the active one any more.
type Handler[T any] func(ctx context.Context, event *mgx.ChangeEvent[T]) error

// Options are those of a consumer. Store is needed.
type Options struct {
	// Store keeps the position and the lease.
	Store Store
	// Pipeline and Watch are the change stream's. Those of Watch that say where to begin
	// are for the first time: later, the position does.
	Pipeline any
	Watch    []mgx.WatchOption
	// Transactional is the client whose transactions have the handler's writes and the
	// position together; nil: there are none. The store must be a CollectionStore of
	// the same client, and the handler must use its context. It may be called again for
	// an event whose transaction is repeated.
	Transactional *mgx.Client
	// SaveEvery is how often the position is saved. 0 saves it after every event. It
	// does not matter with Transactional.
	SaveEvery time.Duration
	// Lease is how long an active consumer that has gone silent stays the active one: 30
	// seconds if it is 0. One that ends gives its place up at once.
	Lease time.Duration
	// Active is told when the consumer becomes the active one, and when it is not any
	// more; nil: nobody is.
	Active func(active bool)
}

const defaultLease = 30 * time.Second

// idleSave is how often the position is saved where no event comes: it must not grow so
// old that the server has forgotten it.
const idleSave = 10 * time.Second

// pause is the least time between two questions that a server answers with no event.
const pause = 100 * time.Millisecond

// Run handles the events of a change stream, with those that have happened since it last
// did under this name, until the context ends, whose error it returns then. It waits
// while another consumer of the name is active. Lost connections and a lost lease do
// not end it; an error of the handler, or of a stream that cannot go on, does.
func Run[T any](ctx context.Context, source Source, name string, handle Handler[T], options Options) error {
	if options.Store == nil {
		return fmt.Errorf("consumer %s: Options.Store is needed", name)
	}
	if handle == nil {
		return fmt.Errorf("consumer %s: a handler is needed", name)
	}
	if options.Lease <= 0 {
		options.Lease = defaultLease
	}
	c := &consumer[T]{Options: options, source: source, name: name, handle: handle}
	c.lease = lease{store: options.Store, key: name + "/lease", owner: bson.NewObjectID().Hex(), duration: options.Lease}
	for {
		err := c.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil || errors.Is(err, errLost) || errors.Is(err, ErrConflict):
		case !passing(err):
			return fmt.Errorf("consumer %s: %w", name, err)
		}
		if err := sleep(ctx, min(options.Lease/renewals, time.Second)); err != nil {
			return err
		}
	}
}

// passing reports whether an error is likely to go by itself.
func passing(err error) bool {
	var failed *handlerError
	if errors.As(err, &failed) {
		return false
	}
	for _, kind := range []error{mgx.ErrConnectionFailure, mgx.ErrAutoReconnect, mgx.ErrServerSelection, mgx.ErrNotPrimary, mgx.ErrTimeout} {
		if errors.Is(err, kind) {
			return !errors.Is(err, mgx.ErrClosed)
		}
	}
	return false
}

// handlerError is an error of the handler, which says itself what it is about.
type handlerError struct{ error }

func (e *handlerError) Unwrap() error { return e.error }

// consumer is a Run under way.
type consumer[T any] struct {
	Options
	source Source
	name   string
	handle Handler[T]
	lease  lease

	token   bson.Raw // as saved
	handled bson.Raw // what SaveEvery has kept from being saved
	version int64    // of the position's record
	saved   time.Time
}

func (c *consumer[T]) key() string { return c.name + "/position" }

// position is the record of where a consumer is.
type position struct {
	Token bson.Raw `bson:"token"`
}

// turn is the time in which the consumer is the active one.
func (c *consumer[T]) turn(ctx context.Context) error {
	if err := c.lease.acquire(ctx); err != nil {
		return err
	}
	held, end := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		end(c.lease.keep(held))
	}()
	if c.Active != nil {
		c.Active(true)
	}
	err := c.consumeUntil(held, func() {
		end(nil)
		<-kept
		if c.Active != nil {
			c.Active(false)
		}
	})
	if errors.Is(context.Cause(held), errLost) {
		return errLost
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.lease.duration)
	defer cancel()
	c.lease.giveBack(late)
	return err
}

// consumeUntil is consume with what comes after it, also where a handler panics.
func (c *consumer[T]) consumeUntil(ctx context.Context, after func()) error {
	defer after()
	return c.consume(ctx)
}

// consume goes on where the position says.
func (c *consumer[T]) consume(ctx context.Context) error {
	if err := c.fence(ctx); err != nil {
		return err
	}
	options := c.Watch
	if c.token != nil {
		options = append(options[:len(options):len(options)],
			mgx.StartAfter(c.token), mgx.ResumeAfter(nil), mgx.StartAtOperationTime(bson.Timestamp{}))
	}
	stream, err := c.source.Watch(ctx, c.Pipeline, options...)
	if err != nil {
		return err
	}
	defer func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.lease.duration)
		defer cancel()
		_ = stream.Close(late)
		if c.handled != nil {
			_ = c.save(late, c.handled) // or the events come again
		}
	}()
	if c.token == nil && stream.ResumeToken() != nil {
		// What happens before the first event, while nobody listens, counts too.
		if err := c.save(ctx, stream.ResumeToken()); err != nil {
			return err
		}
	}
	for {
		asked := time.Now()
		found := stream.TryNext(ctx)
		switch {
		case stream.Err() != nil:
			return stream.Err()
		case found:
			err = c.one(ctx, stream)
		case stream.Closed():
			return nil // an invalidation: it is opened again behind it
		default:
			if err = c.idle(ctx, stream.ResumeToken()); err == nil {
				err = sleep(ctx, pause-time.Since(asked))
			}
		}
		if err != nil {
			return err
		}
	}
}

// fence loads the position, and gives its record a new version: whoever was the active
// one before cannot save any more, nor commit.
func (c *consumer[T]) fence(ctx context.Context) error {
	for {
		value, version, err := c.Store.Load(ctx, c.key())
		if err != nil {
			return err
		}
		var p position
		if value != nil {
			if err := bson.Unmarshal(value, &p); err != nil {
				return err
			}
		}
		c.token, c.handled, c.version, c.saved = nil, nil, version, time.Now()
		if len(p.Token) > 0 {
			c.token = p.Token
		}
		if version == 0 {
			return nil
		}
		if err := c.store(ctx, c.token); err == nil {
			c.version++
			return nil
		} else if !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// store stores a token in the place of the last one.
func (c *consumer[T]) store(ctx context.Context, token bson.Raw) error {
	value, err := bson.Marshal(position{Token: token})
	if err != nil {
		return err
	}
	return c.Store.Swap(ctx, c.key(), c.version, value)
}

func (c *consumer[T]) save(ctx context.Context, token bson.Raw) error {
	if err := c.store(ctx, token); err != nil {
		return err
	}
	c.stored(token)
	return nil
}

func (c *consumer[T]) stored(token bson.Raw) {
	c.version++
	c.token, c.handled, c.saved = token, nil, time.Now()
}

// one handles an event.
func (c *consumer[T]) one(ctx context.Context, stream *mgx.ChangeStream) error {
	var event mgx.ChangeEvent[T]
	if err := stream.Decode(&event); err != nil {
		return err
	}
	token := stream.ResumeToken()
	if c.Transactional == nil {
		if err := c.handle(ctx, &event); err != nil {
			return &handlerError{err}
		}
		if time.Since(c.saved) < c.SaveEvery {
			c.handled = token
			return nil
		}
		return c.save(ctx, token)
	}
	err := c.Transactional.WithTransaction(ctx, func(ctx context.Context) error {
		if err := c.handle(ctx, &event); err != nil {
			return &handlerError{err}
		}
		return c.store(ctx, token)
	})
	if err == nil {
		c.stored(token)
	}
	return err
}

// idle saves the position now and then where there is no event.
func (c *consumer[T]) idle(ctx context.Context, token bson.Raw) error {
	every := idleSave
	if c.SaveEvery > 0 {
		every = min(c.SaveEvery, idleSave)
	}
	if time.Since(c.saved) < every || string(token) == string(c.token) {
		return nil
	}
	return c.save(ctx, token)
}
