package mgxtest

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Option changes how a deployment is built.
type Option func(*config)

type config struct {
	setName         string
	members         []memberConfig
	pending         []func(*config) error
	electionTimeout time.Duration
	handoff         time.Duration
	staleFor        time.Duration
	minWire         int32
	maxWire         int32
	version         string
	release         int32 // the wire version of the version
	oplogSize       int
	mongoses        int
	sessionMinutes  int32
	ghost           bool
	firstPort       int
	users           []User
	parameters      bson.D
}

type memberConfig struct {
	priority float64
	hidden   bool
	arbiter  bool
	tags     [][2]string
	votes    int
}

func defaultConfig() config {
	return config{
		setName:         "rs0",
		electionTimeout: 100 * time.Millisecond,
		handoff:         10 * time.Millisecond,
		minWire:         0,
		maxWire:         current,
		release:         current,
		version:         "8.0.4",
		oplogSize:       100_000,
		mongoses:        2,
		sessionMinutes:  30,
	}
}

// SetName names the replica set. The default is "rs0".
func SetName(name string) Option { return func(c *config) { c.setName = name } }

// Ports makes the servers listen on consecutive ports of the loopback address from
// first on: members, then routers, then load balancers. The default is any that are
// free.
func Ports(first int) Option { return func(c *config) { c.firstPort = first } }

// ElectionTimeout is how long a set goes without a primary before a majority
// elects one, and how long a primary that sees no majority holds on.
// The default is 100 ms; a real server's is 10 s.
func ElectionTimeout(d time.Duration) Option {
	return func(c *config) { c.electionTimeout = d }
}

// HandoffTime is how long a set goes without a primary after a step-down that
// was asked for. The default is 10 ms.
func HandoffTime(d time.Duration) Option { return func(c *config) { c.handoff = d } }

// StalePrimary is how long a primary that lost its majority still takes
// itself for one. The default is the election timeout; longer than that, two
// members claim to be primary at once.
func StalePrimary(d time.Duration) Option { return func(c *config) { c.staleFor = d } }

// WireVersions sets what hello reports as minWireVersion and maxWireVersion, and
// nothing else. The default is 0 and 25, those of server 8.0. Give it after
// ServerVersion, if at all.
func WireVersions(minimum, maximum int32) Option {
	return func(c *config) { c.minWire, c.maxWire = minimum, maximum }
}

// ServerVersion makes the servers ones of a version, from 4.2 to 8.2: they report
// it and its wire version, do not know commands and arguments that came later, and
// before 4.4 leave it to drivers to label errors that writes may be retried after.
// The default is "8.0.4".
func ServerVersion(v string) Option {
	return func(c *config) {
		c.version, c.release = v, wireOf(v)
		c.maxWire = c.release
	}
}

// Users makes the servers want credentials: before somebody logged in, all but hello
// and the like is refused. These users exist from the start, and the connection
// strings log in the first of them. Everybody who logged in may do everything: roles
// are kept, not enforced.
func Users(first User, more ...User) Option {
	return func(c *config) { c.users = append(c.users, append([]User{first}, more...)...) }
}

// Parameter sets a server parameter, as --setParameter does; getParameter reports it,
// and setParameter changes those that can be changed at runtime until the process
// ends. One that servers do not have makes the deployment fail to start. Of effect are
//
//   - requireApiVersion refuses commands that declare no version of the Stable API,
//     acceptApiVersion2 accepts a second one for tests;
//   - transactionLifetimeLimitSeconds and maxTransactionLockRequestTimeoutMillis bound
//     transactions and how long they wait for a collection;
//   - minSnapshotHistoryWindowInSeconds bounds reads in the past;
//   - ingressConnectionEstablishment… bound the rate of new connections.
func Parameter(name string, value any) Option {
	return func(c *config) { c.parameters = append(c.parameters, bson.E{Key: name, Value: value}) }
}

// OplogSize is how many entries a member's oplog keeps. Members and change
// streams that fall further behind cannot go on from where they were. The
// default is 100000.
func OplogSize(entries int) Option { return func(c *config) { c.oplogSize = max(entries, 1) } }

// Mongoses is the number of routers of a sharded or load-balanced deployment.
// The default is 2.
func Mongoses(n int) Option { return func(c *config) { c.mongoses = max(n, 1) } }

// SessionTimeout sets what hello reports as logicalSessionTimeoutMinutes. The
// default is 30; 0 reports none.
func SessionTimeout(minutes int32) Option { return func(c *config) { c.sessionMinutes = minutes } }

func (c *config) member(i int, fn func(*memberConfig)) {
	c.pending = append(c.pending, func(c *config) error {
		if i < 0 || i >= len(c.members) {
			return errorf("the deployment has no member %d: it has %d", i, len(c.members))
		}
		fn(&c.members[i])
		return nil
	})
}

// Tags gives member i of a replica set tags: pairs of names and values.
func Tags(i int, pairs ...string) Option {
	return func(c *config) {
		c.member(i, func(m *memberConfig) {
			for k := 0; k+1 < len(pairs); k += 2 {
				m.tags = append(m.tags, [2]string{pairs[k], pairs[k+1]})
			}
		})
	}
}

// Priority sets the priority of member i. The default is 1; a member with
// priority 0 is passive and never becomes primary.
func Priority(i int, p float64) Option {
	return func(c *config) { c.member(i, func(m *memberConfig) { m.priority = p }) }
}

// Hidden hides member i from clients. It also gets priority 0.
func Hidden(i int) Option {
	return func(c *config) { c.member(i, func(m *memberConfig) { m.hidden, m.priority = true, 0 }) }
}

// Arbiter makes member i an arbiter: it votes and holds no data.
func Arbiter(i int) Option {
	return func(c *config) { c.member(i, func(m *memberConfig) { m.arbiter, m.priority = true, 0 }) }
}
