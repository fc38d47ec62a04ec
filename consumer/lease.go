package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// errLost ends the work of a consumer whose lease another one may have.
var errLost = errors.New("consumer: the lease is lost")

// lease makes one of several consumers the active one. Its record says whose it is, and
// gets a new version with each renewal. Whoever sees the same version for the whole
// duration may take it over: no clock is compared with another's.
type lease struct {
	store    Store
	key      string
	owner    string
	duration time.Duration

	version int64     // of the record while the lease is held
	until   time.Time // when others may have it, unless it is renewed
}

// holder is the record.
type holder struct {
	Owner string `bson:"owner"` // "" if it was given back
}

// renewals are how often a lease is renewed, and looked at by those who wait, in its
// duration.
const renewals = 3

// acquire waits until the lease is this consumer's.
func (l *lease) acquire(ctx context.Context) error {
	var seen int64
	var since time.Time
	for {
		value, version, err := l.store.Load(ctx, l.key)
		if err != nil {
			return err
		}
		now := time.Now()
		if version != seen || since.IsZero() {
			seen, since = version, now
		}
		var h holder
		if value != nil {
			if err := bson.Unmarshal(value, &h); err != nil {
				return err
			}
		}
		if h.Owner == "" || h.Owner == l.owner || now.Sub(since) >= l.duration {
			if err := l.take(ctx, version, l.owner); !errors.Is(err, ErrConflict) {
				return err
			}
			continue
		}
		if err := sleep(ctx, l.duration/renewals); err != nil {
			return err
		}
	}
}

// take makes the record the owner's, if it has still that version.
func (l *lease) take(ctx context.Context, version int64, owner string) error {
	value, err := bson.Marshal(holder{Owner: owner})
	if err != nil {
		return err
	}
	asked := time.Now() // others may have seen it from then on
	if err := l.store.Swap(ctx, l.key, version, value); err != nil {
		return err
	}
	l.version, l.until = version+1, asked.Add(l.duration)
	return nil
}

// keep renews the lease until the context ends, and returns errLost once it may be
// another one's.
func (l *lease) keep(ctx context.Context) error {
	for {
		if err := sleep(ctx, min(l.duration/renewals, time.Until(l.until))); err != nil {
			return err
		}
		bounded, cancel := context.WithDeadline(ctx, l.until)
		err := l.take(bounded, l.version, l.owner)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrConflict):
			if !l.renewed(ctx) {
				return errLost
			}
		case err != nil && !time.Now().Before(l.until):
			return errLost
		case err != nil:
			if err := sleep(ctx, l.duration/(10*renewals)); err != nil { // and try again
				return err
			}
		}
	}
}

// renewed finds out whether a renewal that failed has come through after all.
func (l *lease) renewed(ctx context.Context) bool {
	bounded, cancel := context.WithDeadline(ctx, l.until)
	defer cancel()
	value, version, err := l.store.Load(bounded, l.key)
	var h holder
	if err != nil || bson.Unmarshal(value, &h) != nil || h.Owner != l.owner {
		return false
	}
	l.version = version
	return true
}

// giveBack lets the next consumer have the lease at once.
func (l *lease) giveBack(ctx context.Context) {
	_ = l.take(ctx, l.version, "") // or it finds out later
}

// sleep waits, unless the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
