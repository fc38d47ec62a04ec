package clientbench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bench/internal/measure"
	"github.com/mgxdb/mgx/bson"
)

// Figure is one number about mgx and the official driver: nanoseconds, bytes or a
// ratio.
type Figure struct {
	Name, Unit    string
	MGX, Official float64
}

// driver is what the figures need of a client.
type driver interface {
	open(ctx context.Context, address string, maxPool int, opened *atomic.Int64) error
	find(ctx context.Context, collection string) error
	close(ctx context.Context)
}

type mgxDriver struct{ client *mgx.Client }

func (d *mgxDriver) open(_ context.Context, address string, maxPool int, opened *atomic.Int64) error {
	o, err := mgx.ParseURI("mongodb://" + address)
	if err != nil {
		return err
	}
	o.MaxPoolSize = &maxPool
	o.DialContext = counted(opened).DialContext
	d.client, err = mgx.New(o)
	return err
}

func (d *mgxDriver) find(ctx context.Context, collection string) error {
	_, err := mgx.FindOne[bson.Raw](ctx, d.client.Database(database).Collection(collection), byID)
	return err
}

func (d *mgxDriver) close(ctx context.Context) {
	if d.client != nil {
		_ = d.client.Close(ctx)
		d.client = nil
	}
}

type officialDriver struct{ client *official.Client }

func (d *officialDriver) open(_ context.Context, address string, maxPool int, opened *atomic.Int64) (err error) {
	d.client, err = official.Connect(options.Client().ApplyURI("mongodb://" + address).
		SetMaxPoolSize(uint64(maxPool)).SetDialer(counted(opened)))
	return err
}

func (d *officialDriver) find(ctx context.Context, collection string) error {
	_, err := d.client.Database(database).Collection(collection).FindOne(ctx, byID).Raw()
	return err
}

func (d *officialDriver) close(ctx context.Context) {
	if d.client != nil {
		_ = d.client.Disconnect(ctx)
		d.client = nil
	}
}

// counter counts the sockets that it opens.
type counter struct{ n *atomic.Int64 }

func counted(n *atomic.Int64) counter { return counter{n} }

func (c counter) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.n.Add(1)
	}
	return nc, err
}

// Scale measures what many goroutines, connections and clients cost, where the
// names match, nil being all.
func Scale(rounds int, match *regexp.Regexp, done func(Figure) error) error {
	list := []struct {
		name string
		run  func(s *scale) ([]Figure, error)
	}{
		{"scale/g10000c100", (*scale).fairness},
		{"scale/idleConnection", (*scale).idleConnection},
		{"scale/idleClient", (*scale).idleClient},
		{"scale/firstOperation", (*scale).firstOperation},
		{"scale/cancelledWait", (*scale).cancelledWait},
	}
	s := scale{rounds: rounds}
	for _, c := range list {
		if match != nil && !match.MatchString(c.name) {
			continue
		}
		if s.address == "" {
			var stop func()
			var err error
			if s.address, stop, err = startServer(ServerCommand); err != nil {
				return err
			}
			defer stop()
		}
		figures, err := c.run(&s)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for _, f := range figures {
			f.Name = c.name + f.Name
			if err := done(f); err != nil {
				return err
			}
		}
	}
	return nil
}

type scale struct {
	address string
	rounds  int
}

// errLate is a measurement that a busy machine has spoilt. It is worth another try.
var errLate = errors.New("the held connection came free before the waiting operations were cut off")

// compare returns the medians of what measure returns for each driver, a new client
// for each round, taking turns.
func (s *scale) compare(rounds int, units []Figure, measureOne func(d driver) ([]float64, error)) ([]Figure, error) {
	values := [2][][]float64{}
	for round := range rounds {
		for i := range 2 {
			who := (i + round) % 2
			var v []float64
			err := errLate
			for try := 0; try < 5 && err == errLate; try++ {
				v, err = measureOne([]driver{&mgxDriver{}, &officialDriver{}}[who])
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", []string{MGX, Official}[who], err)
			}
			values[who] = append(values[who], v)
		}
	}
	for i := range units {
		column := func(rows [][]float64) float64 {
			var list []float64
			for _, row := range rows {
				list = append(list, row[i])
			}
			return measure.Median(list)
		}
		units[i].MGX, units[i].Official = column(values[0]), column(values[1])
	}
	return units, nil
}

const (
	manyGoroutines = 10_000
	fewConnections = 100
	// eachGoroutine is how many operations each of them does.
	eachGoroutine = 10
)

// fairness is how long operations of ten thousand goroutines wait for one of a
// hundred connections.
func (s *scale) fairness() ([]Figure, error) {
	units := []Figure{{Name: "/op", Unit: "ns"}, {Name: "/p50", Unit: "ns"}, {Name: "/p99", Unit: "ns"}, {Name: "/p99:p50", Unit: "×"}}
	return s.compare(max(1, s.rounds/4), units, func(d driver) ([]float64, error) {
		ctx := context.Background()
		var opened atomic.Int64
		if err := d.open(ctx, s.address, fewConnections, &opened); err != nil {
			return nil, err
		}
		defer d.close(ctx)
		if err := fill(ctx, d, fewConnections); err != nil {
			return nil, err
		}
		l := newLoad(manyGoroutines, false, func(ctx context.Context) error { return d.find(ctx, "one") })
		runtime.GC()
		start := time.Now()
		if err := l.run(manyGoroutines * eachGoroutine); err != nil {
			return nil, err
		}
		op := float64(time.Since(start)) / (manyGoroutines * eachGoroutine)
		latency := l.latency()
		return []float64{op, latency.P50, latency.P99, latency.P99 / latency.P50}, nil
	})
}

// fill makes a client open n connections, by holding them.
func fill(ctx context.Context, d driver, n int) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = d.find(ctx, heldCollection) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// memory is what the heap and the stacks take, when garbage and pools are gone. It
// is taken before and after clients are closed, so that it is what they hold.
func memory() float64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// idleConnections are many, so that what else the heap does counts little.
const idleConnections = 400

func (s *scale) idleConnection() ([]Figure, error) {
	return s.compare(3, []Figure{{Unit: "B"}}, func(d driver) ([]float64, error) {
		ctx := context.Background()
		var opened atomic.Int64
		if err := d.open(ctx, s.address, idleConnections, &opened); err != nil {
			return nil, err
		}
		defer d.close(ctx)
		if err := fill(ctx, d, idleConnections); err != nil {
			return nil, err
		}
		n := opened.Load()
		if n < idleConnections/4 {
			return nil, fmt.Errorf("only %d connections were opened", n)
		}
		with := memory()
		d.close(ctx)
		return []float64{max(with-memory(), 0) / float64(n)}, nil
	})
}

const manyClients = 20

func (s *scale) idleClient() ([]Figure, error) {
	return s.compare(3, []Figure{{Unit: "B"}}, func(d driver) ([]float64, error) {
		ctx := context.Background()
		var all []driver
		for range manyClients {
			var one driver = &officialDriver{}
			if _, ok := d.(*mgxDriver); ok {
				one = &mgxDriver{}
			}
			all = append(all, one)
			var opened atomic.Int64
			if err := one.open(ctx, s.address, fewConnections, &opened); err != nil {
				return nil, err
			}
			defer one.close(ctx)
			if err := one.find(ctx, "one"); err != nil {
				return nil, err
			}
		}
		// Monitors open their second connection a little later.
		time.Sleep(100 * time.Millisecond)
		with := memory()
		for _, one := range all {
			one.close(ctx)
		}
		return []float64{max(with-memory(), 0) / manyClients}, nil
	})
}

// firstOperation is how long it takes from nothing to the first reply.
func (s *scale) firstOperation() ([]Figure, error) {
	return s.compare(5*s.rounds, []Figure{{Unit: "ns"}}, func(d driver) ([]float64, error) {
		ctx := context.Background()
		var opened atomic.Int64
		start := time.Now()
		if err := d.open(ctx, s.address, fewConnections, &opened); err != nil {
			return nil, err
		}
		defer d.close(ctx)
		err := d.find(ctx, "one")
		return []float64{float64(time.Since(start))}, err
	})
}

const manyWaiters = 1000

// cancelledWait is what it costs that a caller who waits for a connection gives up.
func (s *scale) cancelledWait() ([]Figure, error) {
	units := []Figure{{Name: "/time", Unit: "ns"}, {Name: "/CPU", Unit: "ns"}}
	return s.compare(s.rounds, units, func(d driver) ([]float64, error) {
		background := context.Background()
		var opened atomic.Int64
		if err := d.open(background, s.address, 1, &opened); err != nil {
			return nil, err
		}
		defer d.close(background)
		if err := d.find(background, "one"); err != nil {
			return nil, err
		}
		held := make(chan error, 1)
		go func() { held <- d.find(background, heldCollection) }()
		time.Sleep(heldFor / 8)
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		errs := make([]error, manyWaiters)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = d.find(ctx, "one") })
		}
		time.Sleep(heldFor / 4)
		start, worked := time.Now(), measure.CPU()
		cancel()
		wg.Wait()
		took, spent := time.Since(start), measure.CPU()-worked
		if err := <-held; err != nil {
			return nil, err
		}
		if slices.Contains(errs, nil) {
			return nil, errLate
		}
		// Nobody is left in the queue, and nothing is broken.
		if err := d.find(background, "one"); err != nil {
			return nil, err
		}
		return []float64{float64(took) / manyWaiters, float64(spent) / manyWaiters}, nil
	})
}
