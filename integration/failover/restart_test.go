package failover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
	"github.com/mgxdb/mgx/mgxtest"
)

// mortal is a server that can be ended and started again on its port, with its
// data.
type mortal struct {
	uri   string
	kill  func() error
	start func() error
	// lingers tells that it still takes connections while it ends, and closes them:
	// then a second call, too, can be under way when it dies.
	lingers bool
}

// freePort is an address that nobody listens on, for a server to come back to.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

// embeddedServer is FerretDB in this process.
func embeddedServer(t testing.TB) *mortal {
	o := embedded.Options{Dir: t.TempDir(), Listen: freePort(t)}
	var s *embedded.Server
	m := &mortal{kill: func() error { return s.Close() }, lingers: true}
	m.start = func() (err error) {
		s, err = embedded.Start(t.Context(), o)
		return err
	}
	check(t, m.start())
	m.uri = s.URI()
	t.Cleanup(func() { check(t, s.Close()) })
	return m
}

// ferretProcess is FerretDB's own command, which is ended as a crash would.
func ferretProcess(t testing.TB) *mortal {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if _, err := ferretdbcmd.Build(ctx); err != nil {
		t.Skipf("FerretDB's command cannot be built here: %v", err)
	}
	o := ferretdbcmd.Options{Dir: t.TempDir(), Listen: freePort(t)}
	var p *ferretdbcmd.Process
	m := &mortal{kill: func() error { return p.Kill() }}
	m.start = func() (err error) {
		p, err = ferretdbcmd.Start(t.Context(), o)
		return err
	}
	check(t, m.start())
	m.uri = p.URI()
	t.Cleanup(func() { check(t, p.Close()) })
	return m
}

// simulated is a standalone server of mgxtest, which dies at once.
func simulated(t testing.TB) *mortal {
	dep := mgxtest.Standalone(t)
	s := dep.Members()[0]
	return &mortal{uri: dep.URI(), kill: func() error { s.Kill(); return nil }, start: s.Restart}
}

// TestServerIsKilledAndComesBack ends a server while goroutines read and write,
// and starts it again. A call that was under way fails once at most, with
// ErrAutoReconnect. The others wait until there is service again.
func TestServerIsKilledAndComesBack(t *testing.T) {
	const (
		goroutines = 8
		deaths     = 3
		away       = 300 * time.Millisecond
	)
	for name, server := range map[string]func(testing.TB) *mortal{
		"embedded": embeddedServer, "process": ferretProcess, "simulated": simulated,
	} {
		t.Run(name, func(t *testing.T) {
			m := server(t)
			// Defaults: what users have who configure nothing.
			client, err := mgx.Connect(bounded(t), m.uri)
			check(t, err)
			defer func() { check(t, client.Close(context.Background())) }()
			coll := client.Database("restart").Collection("c")
			check(t, client.Ping(bounded(t)))

			most := 1 // calls of a goroutine that one death affects
			if m.lingers {
				most = 2
			}
			var life, calls, reconnects atomic.Int64
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for g := range goroutines {
				wg.Go(func() {
					failed := map[int64]int{} // calls, by the life of the server in which they began
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						began := life.Load()
						err := onceEach(ctx, coll, g, i)
						calls.Add(1)
						if err == nil {
							continue
						}
						if shuttingDown(err) && ctx.Err() == nil {
							continue // as often as it is asked
						}
						reconnects.Add(1)
						if failed[began]++; failed[began] > most {
							t.Errorf("goroutine %d failed again: %v", g, err)
						}
						if !errors.Is(err, mgx.ErrAutoReconnect) || !errors.Is(err, mgx.ErrConnectionFailure) {
							t.Errorf("goroutine %d: %v is no ErrAutoReconnect", g, err)
						}
						if ctx.Err() != nil {
							return
						}
					}
				})
			}
			for range deaths {
				time.Sleep(100 * time.Millisecond)
				check(t, m.kill())
				time.Sleep(away)
				before := calls.Load()
				check(t, m.start())
				life.Add(1)
				began := time.Now()
				for calls.Load() < before+2*goroutines && ctx.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				t.Logf("served again %v after the start", time.Since(began).Round(time.Millisecond))
			}
			close(stop)
			wg.Wait()
			t.Logf("%d calls, %d of them ErrAutoReconnect", calls.Load(), reconnects.Load())
			if reconnects.Load() > int64(most*goroutines*deaths) {
				t.Error("more calls failed than were under way")
			}
		})
	}
}

// shuttingDown reports whether an error is an answer that FerretDB gives while it is being
// closed: it calls that an internal error, or says that the operation's time is over.
func shuttingDown(err error) bool {
	var se *mgx.ServerError
	return errors.As(err, &se) && (se.Code == 1 && strings.Contains(se.Message, "context canceled") || se.Name == "MaxTimeMSExpired")
}

// onceEach reads or writes.
func onceEach(ctx context.Context, coll *mgx.Collection, g, i int) error {
	if i%2 == 0 {
		_, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: fmt.Sprintf("%d-%d-%d", os.Getpid(), g, i)}})
		return err
	}
	err := coll.FindOne(ctx, bson.D{{Key: "_id", Value: g}}).Err()
	return ignore(err, mgx.ErrNoDocuments)
}
