package unified

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// testTimeout ends a test that hangs.
const testTimeout = 60 * time.Second

// run is one test under way, or an operation of it whose context is another one.
type run struct {
	ctx context.Context
	*shared
}

// in is the run in another context.
func (r *run) in(ctx context.Context) *run { return &run{ctx, r.shared} }

// shared is what all operations of a test share.
type shared struct {
	test     context.Context // ends with the test
	d        *Deployment
	entities entities
	matcher  matcher
	failing  bool // the test sets fail points
	// oneRouter tells that a client of the file goes to one mongos alone: fail points
	// that it sets are to be met by clients that leave it open.
	oneRouter bool
	points    []string // the names of those set
	// sentOnly compares nothing but what was sent: the server cannot do what results and
	// the outcome are about.
	sentOnly bool
}

// Run runs a test of a file. The error is a *Skip if the deployment is not what
// the test needs, or if mgx cannot do what it does yet.
func (d *Deployment) Run(ctx context.Context, f *File, t *Test) error {
	return d.runAs(ctx, f, t, false)
}

// RunSent is Run on a deployment that has no half of what the test is about: operations
// may fail there, and find nothing. What the clients send is what the test expects.
func (d *Deployment) RunSent(ctx context.Context, f *File, t *Test) error {
	return d.runAs(ctx, f, t, true)
}

func (d *Deployment) runAs(ctx context.Context, f *File, t *Test, sentOnly bool) error {
	if t.SkipReason != "" {
		return &Skip{t.SkipReason}
	}
	if err := encryptionFault(f.Entities); err != nil {
		return err
	}
	for _, list := range [][]Requirement{f.RunOn, t.RunOn} {
		if reason := d.unmet(ctx, list); reason != "" {
			return &Skip{reason}
		}
	}
	if reason := incapable(f, t); reason != "" {
		return &Skip{reason}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(testTimeout, func() { cancel(fmt.Errorf("the test takes longer than %v", testTimeout)) })
	defer timer.Stop()

	r := &run{ctx, &shared{test: ctx, d: d, failing: usesFailPoints(t.Operations), oneRouter: usesOneRouter(f.Entities), sentOnly: sentOnly}}
	r.matcher = matcher{entity: r.entities.find, session: r.lsid}
	err := r.run(f, t)
	return errors.Join(err, r.end())
}

// lsid is the identifier of a session, which it may have lost by its end.
func (r *run) lsid(name string) (bson.D, error) {
	s, err := entity[*session](&r.entities, name)
	if err != nil {
		return nil, err
	}
	return s.id, nil
}

func (r *run) run(f *File, t *Test) error {
	for i := range f.InitialData {
		if err := r.prepare(&f.InitialData[i]); err != nil {
			return fmt.Errorf("initial data: %w", err)
		}
	}
	if err := r.create(f.Entities); err != nil {
		return err
	}
	if err := r.operate(t.Operations); err != nil {
		return err
	}
	if err := r.check(t); err != nil {
		return err
	}
	for i := range t.Outcome {
		if r.sentOnly {
			break
		}
		if err := r.outcome(&t.Outcome[i]); err != nil {
			return fmt.Errorf("outcome: %w", err)
		}
	}
	return nil
}

// operate runs operations until one of them fails the test.
func (r *run) operate(list []Operation) error {
	for i := range list {
		if err := r.step(&list[i]); err != nil {
			return fmt.Errorf("operation %d, %s on %s: %w", i, list[i].Name, list[i].Object, err)
		}
	}
	return nil
}

// check compares what the clients let observe with what is expected.
func (r *run) check(t *Test) error {
	events, logs := map[string][]observed{}, map[string][]message{}
	for _, want := range t.ExpectEvents {
		c, err := entity[*client](&r.entities, want.Client)
		if err != nil {
			return err
		}
		if _, seen := events[want.Client]; !seen {
			events[want.Client] = c.observer.stop()
		}
	}
	for _, want := range t.ExpectLogs {
		c, err := entity[*client](&r.entities, want.Client)
		if err != nil {
			return err
		}
		if c.logs == nil {
			return malformedf("log messages of %s are not observed", want.Client)
		}
		logs[want.Client] = c.logs.stop()
	}
	for i := range t.ExpectEvents {
		if err := r.matcher.matchEvents(&t.ExpectEvents[i], events[t.ExpectEvents[i].Client]); err != nil {
			return err
		}
	}
	for i := range t.ExpectTraces {
		if err := r.checkTraces(&t.ExpectTraces[i]); err != nil {
			return err
		}
	}
	for i := range t.ExpectLogs {
		if err := r.matcher.matchMessages(&t.ExpectLogs[i], logs[t.ExpectLogs[i].Client]); err != nil {
			return err
		}
	}
	return nil
}

// end cleans up after a test, as far as possible.
func (r *run) end() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), testTimeout)
	defer cancel()
	each(&r.entities, func(c *client) { c.observer.stop() })
	each(&r.entities, func(th *thread) { th.finish() })
	each(&r.entities, func(s *session) { s.End(ctx) })
	err := errors.Join(r.disarm(ctx), r.killSessions(ctx))
	each(&r.entities, func(s *mgx.ChangeStream) { _ = s.Close(r.ctx) })
	each(&r.entities, func(c *cursor) { _ = c.close() }) // errors are the server's matter
	each(&r.entities, func(c *client) {
		if closing := c.Close(ctx); closing != nil {
			err = errors.Join(err, fmt.Errorf("close: %w", closing))
		}
	})
	return err
}

// killSessions ends what a test may have left open on the servers: transactions whose
// abort was made to fail, which hold up the next test.
func (r *run) killSessions(ctx context.Context) error {
	used := false
	each(&r.entities, func(*session) { used = true })
	if !used {
		return nil
	}
	var errs []error
	for _, c := range r.d.direct {
		_, err := c.Database("admin").RunCommand(ctx, bson.D{{Key: "killAllSessions", Value: bson.A{}}},
			mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Nearest})).Raw()
		if err != nil && !slices.ContainsFunc(codesOf(err), func(c code) bool { return c.number == interrupted }) {
			errs = append(errs, fmt.Errorf("end the test's sessions: %w", err))
		}
	}
	return errors.Join(errs...)
}

// interrupted is how killAllSessions answers where it ends itself.
const interrupted = 11601

// disarm switches the test's fail points off, on every server.
func (r *run) disarm(ctx context.Context) error {
	var errs []error
	slices.Sort(r.points)
	for _, name := range slices.Compact(r.points) {
		off := bson.D{{Key: "configureFailPoint", Value: name}, {Key: "mode", Value: "off"}}
		for _, c := range r.d.direct {
			_, err := c.Database("admin").RunCommand(ctx, off, mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Nearest})).Raw()
			if err != nil {
				errs = append(errs, fmt.Errorf("switch the fail point off: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// prepare makes a collection hold just its initial data.
func (r *run) prepare(data *CollectionData) error {
	db := r.d.client.Database(data.Database, mgx.WithWriteConcern(mgx.Majority()))
	coll := db.Collection(data.Collection)
	for _, name := range []string{data.Collection, "enxcol_." + data.Collection + ".esc", "enxcol_." + data.Collection + ".ecoc"} {
		if err := db.Collection(name).Drop(r.ctx); err != nil {
			return err
		}
	}
	if len(data.CreateOptions) > 0 || len(data.Documents) == 0 {
		command := append(bson.D{{Key: "create", Value: data.Collection}}, data.CreateOptions...)
		command = append(command, bson.E{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}})
		if _, err := db.RunCommand(r.ctx, command).Raw(); err != nil {
			return err
		}
	}
	if len(data.Documents) == 0 {
		return nil
	}
	_, err := coll.InsertMany(r.ctx, data.Documents)
	return err
}

// outcome compares a collection with what it is to hold.
func (r *run) outcome(want *CollectionData) error {
	coll := r.d.client.Database(want.Database).Collection(want.Collection, mgx.WithReadConcern("local"))
	docs, err := mgx.Collect[bson.D](coll.Find(r.ctx, nil, mgx.Sort("_id")))
	if err != nil {
		return err
	}
	expected, got := bson.A{}, bson.A{}
	for _, d := range want.Documents {
		expected = append(expected, d)
	}
	for _, d := range docs {
		got = append(got, d)
	}
	if err := same(expected, got); err != nil {
		return fmt.Errorf("%s: %w: it holds %s", coll.Namespace(), err, show(got))
	}
	return nil
}

// usesOneRouter reports whether a client is to go to one mongos alone.
func usesOneRouter(list []bson.D) bool {
	return slices.ContainsFunc(list, func(d bson.D) bool {
		spec, _ := d[0].Value.(bson.D)
		many, said := lookup(spec, "useMultipleMongoses")
		return said && many == false
	})
}

// usesFailPoints reports whether operations make servers fail.
func usesFailPoints(list []Operation) bool {
	return slices.ContainsFunc(list, func(op Operation) bool { return op.Name == "failPoint" || op.Name == "targetedFailPoint" })
}
