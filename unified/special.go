package unified

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// eventPatience is how long events, and changes of the primary, are waited for.
const eventPatience = 10 * time.Second

// specialOperation is one of the test runner's own, with the names of the
// arguments that it needs. A "?" ends the name of one that it can do without.
type specialOperation struct {
	arguments []string
	run       func(r *run, a bson.D) error
}

// specials are the operations of the test runner. (A function, because some run
// others.)
func specials() map[string]specialOperation {
	return map[string]specialOperation{
		"failPoint":                            {[]string{"client", "failPoint"}, failPoint},
		"createEntities":                       {[]string{"entities"}, createEntities},
		"wait":                                 {[]string{"ms"}, wait},
		"waitForEvent":                         {[]string{"client", "event", "count"}, waitForEvent},
		"assertEventCount":                     {[]string{"client", "event", "count"}, assertEventCount},
		"assertNumberConnectionsCheckedOut":    {[]string{"client", "connections"}, assertCheckedOut},
		"assertSameLsidOnLastTwoCommands":      {[]string{"client"}, assertSameLsid},
		"assertDifferentLsidOnLastTwoCommands": {[]string{"client"}, assertDifferentLsid},
		"targetedFailPoint":                    {[]string{"session", "failPoint"}, targetedFailPoint},
		"assertSessionTransactionState":        {[]string{"session", "state"}, assertTransactionState},
		"assertSessionPinned":                  {[]string{"session"}, assertPinned(true)},
		"assertSessionUnpinned":                {[]string{"session"}, assertPinned(false)},
		"assertSessionDirty":                   {[]string{"session"}, assertDirty(true)},
		"assertSessionNotDirty":                {[]string{"session"}, assertDirty(false)},
		"assertCollectionExists":               {[]string{"databaseName", "collectionName"}, assertCollection(true)},
		"assertCollectionNotExists":            {[]string{"databaseName", "collectionName"}, assertCollection(false)},
		"assertIndexExists":                    {[]string{"databaseName", "collectionName", "indexName"}, assertIndex(true)},
		"assertIndexNotExists":                 {[]string{"databaseName", "collectionName", "indexName"}, assertIndex(false)},
		"recordTopologyDescription":            {[]string{"client", "id"}, recordTopology},
		"assertTopologyType":                   {[]string{"topologyDescription", "topologyType"}, assertTopologyType},
		"waitForPrimaryChange":                 {[]string{"client", "priorTopologyDescription", "timeoutMS?"}, waitForPrimaryChange},
		"runOnThread":                          {[]string{"thread", "operation"}, runOnThread},
		"waitForThread":                        {[]string{"thread"}, waitForThread},
		"loop": {[]string{
			"operations", "storeErrorsAsEntity?", "storeFailuresAsEntity?", "storeSuccessesAsEntity?", "storeIterationsAsEntity?",
		}, loop},
	}
}

// special runs an operation of the test runner.
func (r *run) special(op *Operation) error {
	s, ok := specials()[op.Name]
	if !ok {
		return malformedf("the test runner has no operation %q", op.Name)
	}
	for _, name := range s.arguments {
		if name[len(name)-1] == '?' {
			continue
		}
		if _, ok := lookup(op.Arguments, name); !ok {
			return malformedf("the argument %q is missing", name)
		}
	}
	for _, e := range op.Arguments {
		if !slices.Contains(s.arguments, e.Key) && !slices.Contains(s.arguments, e.Key+"?") {
			return malformedf("there is no argument %q", e.Key)
		}
	}
	return s.run(r, op.Arguments)
}

// clientOf is the client that an operation is about.
func (r *run) clientOf(a bson.D) (*client, error) {
	return entity[*client](&r.entities, get[string](a, "client"))
}

func failPoint(r *run, a bson.D) error {
	c, err := r.clientOf(a)
	if err != nil {
		return err
	}
	command := get[bson.D](a, "failPoint")
	r.points = append(r.points, get[string](command, "configureFailPoint"))
	_, err = c.Database("admin").RunCommand(r.ctx, command).Raw()
	return err
}

func createEntities(r *run, a bson.D) error {
	list := get[bson.A](a, "entities")
	if err := someOf(theEntity)("entities", list); err != nil {
		return malformedf("%v", err)
	}
	var specs []bson.D
	for _, item := range list {
		specs = append(specs, item.(bson.D))
	}
	return r.create(specs)
}

func wait(r *run, a bson.D) error {
	v, _ := lookup(a, "ms")
	ms, ok := integer(v)
	if !ok {
		return malformedf("ms: %s is no number", show(v))
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-r.ctx.Done():
	}
	return nil
}

// eventArguments are what waitForEvent and assertEventCount have in common.
func (r *run) eventArguments(a bson.D) (c *client, count int, seen func() int, err error) {
	if c, err = r.clientOf(a); err != nil {
		return nil, 0, nil, err
	}
	expected := get[bson.D](a, "event")
	if err := anEvent("event", expected); err != nil {
		return nil, 0, nil, malformedf("%v", err)
	}
	v, _ := lookup(a, "count")
	n, ok := integer(v)
	if !ok {
		return nil, 0, nil, malformedf("count: %s is no number", show(v))
	}
	return c, int(n), func() int {
		found := 0
		for _, e := range c.events {
			if r.matcher.matchEvent("", expected, e) == nil {
				found++
			}
		}
		return found
	}, nil
}

func waitForEvent(r *run, a bson.D) error {
	c, count, seen, err := r.eventArguments(a)
	if err != nil {
		return err
	}
	if err := c.wait(r.ctx, eventPatience, func() bool { return seen() >= count }); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return fmt.Errorf("%d of %d times %s: %w%s", seen(), count, show(get[bson.D](a, "event")), err, history(c.events))
	}
	return nil
}

func assertEventCount(r *run, a bson.D) error {
	c, count, seen, err := r.eventArguments(a)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := seen(); n != count {
		return fmt.Errorf("%d times %s, expected %d%s", n, show(get[bson.D](a, "event")), count, history(c.events))
	}
	return nil
}

func assertCheckedOut(r *run, a bson.D) error {
	c, err := r.clientOf(a)
	if err != nil {
		return err
	}
	v, _ := lookup(a, "connections")
	want, _ := integer(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	if int64(c.checkedOut) != want {
		return fmt.Errorf("%d connections are checked out, expected %d", c.checkedOut, want)
	}
	return nil
}

func assertSameLsid(r *run, a bson.D) error      { return r.compareLsids(a, true) }
func assertDifferentLsid(r *run, a bson.D) error { return r.compareLsids(a, false) }

func (r *run) compareLsids(a bson.D, want bool) error {
	c, err := r.clientOf(a)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.lsids)
	if n < 2 || c.lsids[n-1] == nil || c.lsids[n-2] == nil {
		return errors.New("the last two commands have no lsid each")
	}
	if reflect.DeepEqual(c.lsids[n-1], c.lsids[n-2]) != want {
		return fmt.Errorf("the last two commands' lsids are %s and %s", show(c.lsids[n-2]), show(c.lsids[n-1]))
	}
	return nil
}

func assertCollection(want bool) func(*run, bson.D) error {
	return func(r *run, a bson.D) error {
		name := get[string](a, "collectionName")
		names, err := r.d.client.Database(get[string](a, "databaseName")).ListCollectionNames(r.ctx, bson.D{{Key: "name", Value: name}})
		if err != nil {
			return err
		}
		if found := slices.Contains(names, name); found != want {
			return fmt.Errorf("the collection %q is there: %v", name, found)
		}
		return nil
	}
}

func assertIndex(want bool) func(*run, bson.D) error {
	return func(r *run, a bson.D) error {
		c := r.d.client.Database(get[string](a, "databaseName")).Collection(get[string](a, "collectionName"))
		list, err := mgx.Collect[bson.D](c.ListIndexes(r.ctx))
		if err != nil {
			return err
		}
		name := get[string](a, "indexName")
		found := slices.ContainsFunc(list, func(d bson.D) bool { return get[string](d, "name") == name })
		if found != want {
			return fmt.Errorf("the index %q is there: %v", name, found)
		}
		return nil
	}
}

func recordTopology(r *run, a bson.D) error {
	c, err := r.clientOf(a)
	if err != nil {
		return err
	}
	var d description
	err = c.wait(r.ctx, eventPatience, func() bool {
		d = description{c.topology}
		return !d.late(c.Client)
	})
	if err != nil {
		return fmt.Errorf("the events do not tell what the client knows: %w", err)
	}
	return r.entities.add(get[string](a, "id"), d)
}

func assertTopologyType(r *run, a bson.D) error {
	d, err := entity[description](&r.entities, get[string](a, "topologyDescription"))
	if err != nil {
		return err
	}
	if want := get[string](a, "topologyType"); d.Kind != want {
		return fmt.Errorf("the topology is %s, expected %s", d.Kind, want)
	}
	return nil
}

func waitForPrimaryChange(r *run, a bson.D) error {
	c, err := r.clientOf(a)
	if err != nil {
		return err
	}
	before, err := entity[description](&r.entities, get[string](a, "priorTopologyDescription"))
	if err != nil {
		return err
	}
	patience := eventPatience
	if v, ok := lookup(a, "timeoutMS"); ok {
		ms, _ := integer(v)
		patience = time.Duration(ms) * time.Millisecond
	}
	err = c.wait(r.ctx, patience, func() bool {
		now := description{c.topology}.primary()
		return now != "" && now != before.primary()
	})
	if err != nil {
		return fmt.Errorf("no other primary than %s: %w", before.primary(), err)
	}
	return nil
}

func runOnThread(r *run, a bson.D) error {
	th, err := entity[*thread](&r.entities, get[string](a, "thread"))
	if err != nil {
		return err
	}
	list, err := operationsOf(bson.A{get[bson.D](a, "operation")})
	if err != nil {
		return err
	}
	th.work <- func() error { return r.step(&list[0]) }
	return nil
}

func waitForThread(r *run, a bson.D) error {
	th, err := entity[*thread](&r.entities, get[string](a, "thread"))
	if err != nil {
		return err
	}
	return th.wait(r.ctx)
}

// operationsOf reads operations that are arguments of another one.
func operationsOf(list bson.A) ([]Operation, error) {
	if err := listOf(theOperation)("operations", list); err != nil {
		return nil, malformedf("%v", err)
	}
	raw, err := bson.Marshal(bson.D{{Key: "list", Value: list}})
	if err != nil {
		return nil, err
	}
	var parsed struct {
		List []Operation `bson:"list"`
	}
	err = bson.Unmarshal(raw, &parsed)
	return parsed.List, err
}
