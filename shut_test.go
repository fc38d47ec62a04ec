package mgx

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/scripted"
)

// busyClient has an operation under way that does not end before gate is closed,
// and whose error comes from ended.
func busyClient(t *testing.T) (c *Client, ended <-chan error, gate chan struct{}) {
	t.Helper()
	arrived, gate := make(chan struct{}), make(chan struct{})
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "count" {
			close(arrived)
			<-gate
			return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	c = openClient(t, s)
	result := make(chan error, 1)
	go func() {
		_, err := c.Database("db").Collection("c").EstimatedDocumentCount(context.Background())
		result <- err
	}()
	<-arrived
	return c, result, gate
}

// closing begins a Close that may last for a minute, and waits until it is under way.
func closing(t *testing.T, c *Client) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	closed := make(chan error, 1)
	go func() { closed <- c.Close(ctx) }()
	for c.state.Load() != int32(clientClosed) {
		time.Sleep(time.Millisecond)
	}
	return closed
}

// A Close or Disconnect that finds a patient Close under way is no more patient for
// that than it would be alone.
func TestSecondCloseCutsTheFirstShort(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, second := range map[string]func(*Client) error{
		"Close, its context is done":    func(c *Client) error { return c.Close(over) },
		"Close, its context never ends": func(c *Client) error { return c.Close(context.Background()) },
		"Disconnect":                    func(c *Client) error { return c.Disconnect(t.Context()) },
	} {
		c, ended, gate := busyClient(t)
		first := closing(t, c)
		within(t, func() {
			if err := second(c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := <-first; err != nil {
				t.Errorf("%s: the first Close: %v", name, err)
			}
			is(t, <-ended, []error{ErrClosed})
		})
		close(gate)
	}
}

// Two Closes that have time let the operation end by itself.
func TestTwoPatientCloses(t *testing.T) {
	c, ended, gate := busyClient(t)
	first, second := closing(t, c), closing(t, c)
	select {
	case err := <-second:
		t.Errorf("the second Close did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(gate)
	within(t, func() {
		for _, ch := range []<-chan error{ended, first, second} {
			if err := <-ch; err != nil {
				t.Error(err)
			}
		}
	})
}

// The handlers of pools' events are called inside of Close and Disconnect. What they
// call does not wait forever.
func TestHandlersInsideOfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{base: new(callOptions), exec: new(exec.Executor), shutting: &shutting{hurry: func() {}, done: make(chan struct{})}}
		c.state.Store(int32(clientDisconnected))
		for name, err := range map[string]error{
			"Close":      c.Close(context.Background()),
			"Disconnect": c.Disconnect(context.Background()),
			"Ping":       c.Ping(context.Background()),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// An operation that would open the client again waits for the Disconnect that is
// under way, but not longer than its context allows.
func TestOperationsDuringDisconnect(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	dialled, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		once.Do(func() { // it does not obey its context
			close(dialled)
			<-gate
		})
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	c, err := New(&Options{Hosts: []string{s.Address}, DialContext: dial})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	<-dialled
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for c.state.Load() == int32(clientOpen) {
		time.Sleep(time.Millisecond)
	}
	within(t, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		is(t, c.Ping(ctx), []error{ErrTimeout, context.DeadlineExceeded})
	})
	wg.Go(func() {
		if err := c.Ping(t.Context()); err != nil {
			t.Errorf("after the Disconnect: %v", err)
		}
	})
	close(gate)
	within(t, wg.Wait)
}

// A Connect that fails does not wait for what does not obey its context.
func TestConnectReturnsWhenADialerHangs(t *testing.T) {
	gate := make(chan struct{})
	defer close(gate)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	dial := func(context.Context, string, string) (net.Conn, error) {
		<-gate
		return nil, errors.New("the gate is open")
	}
	opened := make(chan error, 1)
	go func() {
		_, err := Open(ctx, &Options{Hosts: []string{"localhost"}, DialContext: dial})
		opened <- err
	}()
	select {
	case err := <-opened:
		is(t, err, []error{ErrServerSelection, ErrTimeout, context.DeadlineExceeded})
	case <-time.After(patience):
		t.Error("Open does not return")
	}
}
