package prose

import (
	"context"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// The test plan of the specification "Causal Consistency".

// withServersConcern opens a client that sets no read concern.
func withServersConcern(o *mgx.Options) { o.ReadConcern = "" }

// causal starts a session; nil is the default, which is causally consistent.
func causal(t *testing.T, c *client, yes *bool) (context.Context, *mgx.Session) {
	t.Helper()
	ctx, session, err := c.StartSession(bounded(t), &mgx.SessionOptions{CausalConsistency: yes})
	check(t, err)
	t.Cleanup(func() { session.End(context.Background()) })
	return ctx, session
}

// afterClusterTime is what the last command that was sent asks to see.
func afterClusterTime(t *testing.T, c *client) bson.Timestamp {
	t.Helper()
	list := c.take()
	if len(list) == 0 {
		t.Fatal("nothing was sent")
	}
	v, err := list[0].Command.LookupErr("readConcern", "afterClusterTime")
	if err != nil {
		return bson.Timestamp{}
	}
	seconds, i := v.Timestamp()
	return bson.Timestamp{T: seconds, I: i}
}

func TestCausal01NoTimeAtFirst(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		_, session := causal(t, connect(t, dep), nil)
		if at := session.OperationTime(); !at.IsZero() {
			t.Errorf("the operation time is %v", at)
		}
	})
}

func TestCausal02FirstReadAsksForNothing(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		for name, do := range readOperations {
			c := connect(t, dep)
			ctx, _ := causal(t, c, nil)
			check(t, do(ctx, c))
			if at := afterClusterTime(t, c); !at.IsZero() {
				t.Errorf("%s: after %v", name, at)
			}
		}
	})
}

func TestCausal03TimeOfTheFirstOperation(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		operations := all()
		operations["an error"] = func(ctx context.Context, c *client) error {
			_ = c.Database("db").RunCommand(ctx, bson.D{{Key: "find", Value: "coll"}, {Key: "filter", Value: bson.D{{Key: "$no", Value: 1}}}}).Err()
			return nil
		}
		for name, do := range operations {
			for _, yes := range []bool{true, false} {
				var replied bson.Timestamp
				off := dep.OnReply(func(cmd mgxtest.Command) {
					for _, e := range cmd.Reply {
						if t, ok := e.Value.(bson.Timestamp); ok && e.Key == "operationTime" && cmd.Body.Lookup("lsid").Type != 0 {
							replied = t
						}
					}
				})
				c := connect(t, dep)
				ctx, session := causal(t, c, &yes)
				err := do(ctx, c)
				off()
				check(t, err)
				if at := session.OperationTime(); at.IsZero() || at != replied {
					t.Errorf("%s: the operation time is %v, the reply's %v", name, at, replied)
				}
			}
		}
	})
}

func TestCausal04ReadAfterFindOne(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c := connect(t, dep)
		insert(t, c, 1)
		for name, do := range readOperations {
			ctx, session := causal(t, c, nil)
			check(t, c.coll().FindOne(ctx, nil).Err())
			want := session.OperationTime()
			c.take()
			check(t, do(ctx, c))
			if at := afterClusterTime(t, c); at != want || at.IsZero() {
				t.Errorf("%s: after %v, and the find was at %v", name, at, want)
			}
		}
	})
}

func TestCausal05FindOneAfterWrite(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c := connect(t, dep)
		writes := map[string]func(context.Context, *client) error{
			"a duplicate key": func(ctx context.Context, c *client) error {
				_, _ = c.coll().InsertMany(ctx, []bson.D{{{Key: "_id", Value: 0}}, {{Key: "_id", Value: 0}}})
				return nil
			},
			"a refused update": func(ctx context.Context, c *client) error {
				_, _ = c.coll().UpdateOne(ctx, nil, bson.D{{Key: "$no", Value: bson.D{{Key: "x", Value: 1}}}})
				return nil
			},
		}
		for _, name := range []string{"insert one", "insert many", "update one", "update many", "replace", "delete one", "delete many",
			"bulk", "client bulk", "find and update", "find and replace", "find and delete", "create index", "drop index"} {
			writes[name] = sessionOperations[name]
		}
		for name, do := range writes {
			ctx, session := causal(t, c, nil)
			check(t, do(ctx, c))
			want := session.OperationTime()
			c.take()
			check(t, found(c.coll().FindOne(ctx, nil)))
			if at := afterClusterTime(t, c); at != want || at.IsZero() {
				t.Errorf("%s: after %v, and the write was at %v", name, at, want)
			}
		}
	})
}

func TestCausal06SessionThatIsNot(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c, no := connect(t, dep), false
		insert(t, c, 1)
		for name, do := range readOperations {
			ctx, _ := causal(t, c, &no)
			check(t, c.coll().FindOne(ctx, nil).Err())
			c.take()
			check(t, do(ctx, c))
			if at := afterClusterTime(t, c); !at.IsZero() {
				t.Errorf("%s: after %v", name, at)
			}
		}
	})
}

func TestCausal07NoClusterTimes(t *testing.T) {
	on(t, []string{standalone}, func(t *testing.T, dep *mgxtest.Deployment) {
		c := connect(t, dep)
		insert(t, c, 1)
		for name, do := range readOperations {
			ctx, _ := causal(t, c, nil)
			check(t, c.coll().FindOne(ctx, nil).Err())
			c.take()
			check(t, do(ctx, c))
			if at := afterClusterTime(t, c); !at.IsZero() {
				t.Errorf("%s: after %v", name, at)
			}
		}
	})
}

// concernAfter runs each read after a find, and returns what it sent as read concern.
func concernAfter(t *testing.T, c *client, each func(name, level string, at, want bson.Timestamp)) {
	t.Helper()
	insert(t, c, 1)
	for name, do := range readOperations {
		ctx, session := causal(t, c, nil)
		check(t, c.coll().FindOne(ctx, nil).Err())
		want := session.OperationTime()
		c.take()
		check(t, do(ctx, c))
		c.mu.Lock()
		level := text(c.started[0].Command, "readConcern", "level")
		c.mu.Unlock()
		each(name, level, afterClusterTime(t, c), want)
	}
}

func TestCausal08DefaultReadConcern(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		concernAfter(t, connect(t, dep, withServersConcern), func(name, level string, at, want bson.Timestamp) {
			if level != "" || at != want || at.IsZero() {
				t.Errorf("%s: level %s, after %v, and the find was at %v", name, level, at, want)
			}
		})
	})
}

func TestCausal09CustomReadConcern(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		concernAfter(t, connect(t, dep), func(name, level string, at, want bson.Timestamp) {
			if level != `"majority"` || at != want || at.IsZero() {
				t.Errorf("%s: level %s, after %v, and the find was at %v", name, level, at, want)
			}
		})
	})
}

func TestCausal11NoClusterTimeForAServerWithout(t *testing.T) {
	on(t, []string{standalone}, func(t *testing.T, dep *mgxtest.Deployment) {
		c := connect(t, dep)
		check(t, found(c.coll().FindOne(bounded(t), nil)))
		if sent := c.take()[0].Command; text(sent, "$clusterTime") != "" {
			t.Errorf("sent: %s", sent)
		}
	})
}

func TestCausal12ClusterTimeForAServerWithIt(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c := connect(t, dep)
		check(t, found(c.coll().FindOne(bounded(t), nil)))
		if sent := c.take()[0].Command; text(sent, "$clusterTime") == "" {
			t.Errorf("sent: %s", sent)
		}
	})
}
