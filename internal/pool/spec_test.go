package pool

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/spectest"
)

// specFile is a file of connection-monitoring-and-pooling/tests/cmap-format.
type specFile struct {
	Version     int
	Style       string
	Description string
	PoolOptions struct {
		MaxPoolSize        *int
		MinPoolSize        int
		MaxConnecting      int
		MaxIdleTimeMS      int
		WaitQueueTimeoutMS int
		// The pool has no background thread whose interval could be set.
		BackgroundThreadIntervalMS int
		AppName                    string
	}
	Operations []specOperation
	Error      *specError
	Events     []map[string]any
	Ignore     []string
	FailPoint  *specFailPoint
	// The fake server is of every version.
	RunOn []struct{ MinServerVersion, MaxServerVersion string }
}

type specOperation struct {
	Name, Thread, Target, Label, Connection, Event string
	MS, Count, Timeout                             int
	InterruptInUseConnections                      bool
}

type specError struct{ Type, Message, Address string }

// specFailPoint is what a server would be told to do to the handshakes. The
// pool is tested without a server, so the fake one does it.
type specFailPoint struct {
	ConfigureFailPoint string
	Mode               json.RawMessage // "alwaysOn", or {"times": n}
	Data               struct {
		FailCommands    []string
		AppName         string
		CloseConnection bool
		BlockConnection bool
		BlockTimeMS     int
		ErrorCode       int
	}
}

// specRefusal is a server's error document for a handshake.
type specRefusal int

func (code specRefusal) Error() string { return fmt.Sprintf("hello failed with code %d", int(code)) }

// hits returns what the fail point does to each handshake; nil if it does nothing.
func (fp *specFailPoint) hits(t *testing.T, appName string) func(context.Context) error {
	hello := func(name string) bool { return strings.EqualFold(name, "hello") || strings.EqualFold(name, "isMaster") }
	if fp == nil || fp.Data.AppName != "" && fp.Data.AppName != appName || !slices.ContainsFunc(fp.Data.FailCommands, hello) {
		return func(context.Context) error { return nil }
	}
	if fp.ConfigureFailPoint != "failCommand" {
		t.Fatalf("unknown fail point %q", fp.ConfigureFailPoint)
	}
	var left atomic.Int64
	left.Store(math.MaxInt64)
	if string(fp.Mode) != `"alwaysOn"` {
		var mode struct{ Times int64 }
		if err := spectest.Decode(fp.Mode, &mode); err != nil {
			t.Fatalf("mode %s: %v", fp.Mode, err)
		}
		left.Store(mode.Times)
	}
	return func(ctx context.Context) error {
		if left.Add(-1) < 0 {
			return nil
		}
		if fp.Data.BlockConnection {
			select {
			case <-time.After(time.Duration(fp.Data.BlockTimeMS) * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		switch {
		case fp.Data.CloseConnection:
			return errors.New("the server closed the connection")
		case fp.Data.ErrorCode != 0:
			return specRefusal(fp.Data.ErrorCode)
		}
		return nil
	}
}

// Nothing is skipped: what a file wants of a server, the fake one does.
var specSkips = spectest.Skips{}

func TestSpecification(t *testing.T) {
	dir := spectest.Dir(t, "connection-monitoring-and-pooling/tests/cmap-format")
	tally := spectest.NewTally(t, "connection-monitoring-and-pooling/cmap-format", specSkips)
	for _, name := range spectest.Files(t, dir, "*.json") {
		tally.Run(t, spectest.Name(dir, name), func(t *testing.T) {
			var file specFile
			spectest.Read(t, name, &file)
			synctest.Test(t, func(t *testing.T) { newSpecRun(t, &file).run() })
		})
	}
}

// specRun is one run of a file, in fake time.
type specRun struct {
	t       *testing.T
	file    *specFile
	rec     recorder
	pool    *fakePool
	threads map[string]*specThread
	labels  map[string]*fakeLease
	leases  []*fakeLease
}

type specThread struct {
	operations chan specOperation
	busy       sync.WaitGroup // with its operations
	err        error
}

func newSpecRun(t *testing.T, file *specFile) *specRun {
	r := &specRun{t: t, file: file, threads: map[string]*specThread{}, labels: map[string]*fakeLease{}}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	o := file.PoolOptions
	opts := fakeOptions{
		Address:          "a:27017",
		MaxSize:          100,
		MinSize:          o.MinPoolSize,
		MaxConnecting:    cmp.Or(o.MaxConnecting, setup.MaxConnecting),
		MaxIdleTime:      ms(o.MaxIdleTimeMS),
		WaitQueueTimeout: ms(o.WaitQueueTimeoutMS),
		Events:           r.rec.record,
	}
	if o.MaxPoolSize != nil {
		opts.MaxSize = *o.MaxPoolSize
	}
	var server fakeServer
	hit := file.FailPoint.hits(t, o.AppName)
	opts.Dial = func(ctx context.Context, d *Dialing) (*fakeConn, error) {
		if err := hit(ctx); err != nil {
			return nil, err
		}
		return server.dial(ctx, d)
	}
	// Discovery clears the pool when the server answers hello with an error; what
	// happens to the network is taken for overload.
	opts.OnDialError = func(f DialFailure) {
		if errors.As(f.Err, new(specRefusal)) {
			r.pool.Clear(f.Err, f.ServiceID, false)
		}
	}
	r.pool = New(opts)
	return r
}

func (r *specRun) run() {
	var err error
	for _, op := range r.file.Operations {
		if op.Thread != "" {
			thread := r.threads[op.Thread]
			thread.busy.Add(1)
			thread.operations <- op
			synctest.Wait()
			continue
		}
		if err = r.perform(op); err != nil {
			break
		}
	}
	r.checkError(err)
	r.checkEvents()
	r.end()
}

// end puts everything back, so that nothing outlives the test.
func (r *specRun) end() {
	r.pool.Close()
	for _, thread := range r.threads {
		close(thread.operations)
	}
	synctest.Wait()
	for _, l := range r.leases {
		if err := l.Release(); err != nil && !errors.Is(err, ErrNotCheckedOut) {
			r.t.Error(err)
		}
	}
	finish(r.t, r.pool)
}

func (r *specRun) perform(op specOperation) error {
	switch op.Name {
	case "start":
		thread := &specThread{operations: make(chan specOperation, 8)}
		r.threads[op.Target] = thread
		go func() {
			for op := range thread.operations {
				thread.err = errors.Join(thread.err, r.perform(op))
				thread.busy.Done()
			}
		}()
	case "wait":
		time.Sleep(time.Duration(op.MS) * time.Millisecond)
	case "waitForThread":
		thread := r.threads[op.Target]
		thread.busy.Wait() // a deadlock fails the test
		return thread.err
	case "waitForEvent":
		return r.waitForEvent(op)
	case "checkOut":
		l, err := r.pool.CheckOut(context.Background())
		if err != nil {
			return err
		}
		r.rec.mu.Lock()
		defer r.rec.mu.Unlock()
		r.leases = append(r.leases, l)
		r.labels[op.Label] = l
	case "checkIn":
		r.rec.mu.Lock()
		l := r.labels[op.Connection]
		r.rec.mu.Unlock()
		return r.pool.CheckIn(l)
	case "clear":
		r.pool.Clear(errors.New("cleared by the test"), bson.ObjectID{}, op.InterruptInUseConnections)
	case "close":
		r.pool.Close()
	case "ready":
		r.pool.Ready()
	default:
		r.t.Fatalf("unknown operation %q", op.Name)
	}
	return nil
}

func (r *specRun) waitForEvent(op specOperation) error {
	timeout := time.Minute
	if op.Timeout > 0 {
		timeout = time.Duration(op.Timeout) * time.Millisecond
	}
	for deadline := time.Now().Add(timeout); ; time.Sleep(time.Millisecond) {
		synctest.Wait()
		n := 0
		for _, e := range r.rec.all() {
			if specName(e) == op.Event {
				n++
			}
		}
		if n >= op.Count {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d events %s after %v", n, op.Count, op.Event, timeout)
		}
	}
}

// checkError compares the kind of error, and that its text has what the file wants.
func (r *specRun) checkError(err error) {
	want := r.file.Error
	if want == nil {
		if err != nil {
			r.t.Fatal(err)
		}
		return
	}
	var ok bool
	switch want.Type {
	case "PoolClosedError":
		ok = errors.Is(err, ErrPoolClosed)
	case "WaitQueueTimeoutError":
		_, ok = errors.AsType[*WaitQueueTimeoutError](err)
	case "PoolClearedError":
		_, ok = errors.AsType[*PoolClearedError](err)
	default:
		r.t.Fatalf("unknown type of error %q", want.Type)
	}
	if !ok {
		r.t.Fatalf("got error %v, want %s", err, want.Type)
	}
	if want.Address == "42" { // any
		want.Address = "a:27017"
	}
	if text := err.Error(); !strings.Contains(text, want.Message) || !strings.Contains(text, want.Address) {
		r.t.Errorf("%q does not say %q and %q", text, want.Message, want.Address)
	}
}

func (r *specRun) checkEvents() {
	var got []map[string]any
	for _, e := range r.rec.all() {
		if name := specName(e); !slices.Contains(r.file.Ignore, name) {
			got = append(got, specFields(r.t, name, e))
		}
	}
	for i, want := range r.file.Events {
		if i >= len(got) {
			r.t.Fatalf("no event %d, want %v", i, want)
		}
		if err := specMatch(want, got[i]); err != nil {
			r.t.Errorf("event %d is %v, want %v: %v", i, got[i], want, err)
		}
	}
}

// specName is the type of the event as the files call it.
func specName(e event.PoolEvent) string {
	name := reflect.TypeOf(e).Name()
	switch e.(type) {
	case event.PoolCreated, event.PoolReady, event.PoolCleared, event.PoolClosed:
		return "Connection" + name
	}
	return name
}

// specFields are the event's fields as the files call them, as if from JSON.
func specFields(t *testing.T, name string, e event.PoolEvent) map[string]any {
	var m map[string]any
	data, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{"type": name}
	for key, value := range m {
		if key == "ConnectionID" {
			key = "ConnectionId"
		}
		fields[string(key[0]+'a'-'A')+key[1:]] = value
	}
	return fields
}

// specMatch is the files' idea of matching: 42 is anything.
func specMatch(want, got any) error {
	if want == 42.0 || want == "42" {
		if got == nil {
			return errors.New("nothing there")
		}
		return nil
	}
	if want, ok := want.(map[string]any); ok {
		got, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no document", got)
		}
		for key, value := range want {
			if err := specMatch(value, got[key]); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%v is not %v", got, want)
	}
	return nil
}
