package mgxtest

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	maxBSONSize       = int32(16 << 20)
	maxMessageSize    = int32(48_000_000)
	maxWriteBatchSize = int32(100_000)
)

func isHello(name string) bool { return name == "hello" || name == "isMaster" || name == "ismaster" }

// awaitTopology holds an awaitable hello until something changed or its time
// is over. now is what the server would report at once.
func (m *Member) awaitTopology(r *request) error {
	known := r.document("topologyVersion")
	_, hasWait := r.get("maxAwaitTimeMS")
	if known == nil != !hasWait {
		return failf(31368, "A request with a 'topologyVersion' must include 'maxAwaitTimeMS', and the other way round")
	}
	if known == nil {
		return nil
	}
	id, _ := known.Lookup("processId").ObjectIDOK()
	counter, ok := known.Lookup("counter").Int64OK()
	if !ok {
		return failf(codeTypeMismatch, "BSON field 'topologyVersion.counter' has to be a long")
	}
	if id != m.process() {
		return nil
	}
	n, changed := m.topo.load()
	if counter > n {
		return failf(31382, "Received a topology version with counter: %d which is greater than the server topology version counter: %d", counter, n)
	}
	if counter < n {
		return nil
	}
	t := time.NewTimer(time.Duration(r.number("maxAwaitTimeMS", 0)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-r.ctx.Done():
		return interruption(context.Cause(r.ctx))
	}
	return nil
}

// greet notes what a client says about itself and checks how it comes in.
func (r *request) greet() error {
	if r.conn == nil {
		return nil
	}
	c := r.conn
	if r.name == "hello" && !r.since(wire44) {
		return failf(codeCommandNotFound, "no such command: 'hello'")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.greeted
	c.greeted = true
	if name, ok := r.document("client").Lookup("application", "name").StringValueOK(); ok {
		c.appName = name
	}
	if first && c.balanced && !r.boolean("loadBalanced") {
		return failf(354, "The server is being accessed through a load balancer, but this driver does not have load balancing enabled")
	}
	return nil
}

// common returns the fields that hello has on every kind of server.
func (m *Member) helloCommon(r *request, writable bool) bson.D {
	var d bson.D
	if r.boolean("helloOk") && r.since(wire44) {
		d = append(d, doc("helloOk", true)...)
	}
	if r.name == "hello" {
		d = append(d, doc("isWritablePrimary", writable)...)
	} else {
		d = append(d, doc("ismaster", writable)...)
	}
	if !r.since(wire44) {
		return d
	}
	return append(d, doc("topologyVersion", m.topologyVersion())...)
}

func (m *Member) helloLimits(r *request) bson.D {
	cfg := m.dep.cfg
	d := doc("maxBsonObjectSize", maxBSONSize, "maxMessageSizeBytes", maxMessageSize, "maxWriteBatchSize", maxWriteBatchSize,
		"localTime", bson.NewDateTimeFromTime(time.Now()))
	if cfg.sessionMinutes > 0 {
		d = append(d, doc("logicalSessionTimeoutMinutes", cfg.sessionMinutes)...)
	}
	if r.conn != nil {
		d = append(d, doc("connectionId", int32(r.conn.id))...)
	}
	d = append(d, doc("minWireVersion", cfg.minWire, "maxWireVersion", cfg.maxWire, "readOnly", false)...)
	return append(d, r.helloAuth()...)
}

func (d *mongod) hello(r *request) (bson.D, error) {
	if err := r.greet(); err != nil {
		return nil, err
	}
	if err := d.awaitTopology(r); err != nil {
		return nil, err
	}
	s := d.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.role == down {
		return nil, errHangUp
	}
	if d.quiescing {
		ce := failf(codeShutdownInProgress, "The server is in quiesce mode and will shut down")
		ce.extra = doc("remainingQuiesceTimeMillis", max(time.Until(d.quiesced), 0).Milliseconds())
		return nil, ce
	}
	writable := d.role == primary
	out := d.helloCommon(r, writable)
	if !s.standalone {
		out = append(out, d.helloSet()...)
	}
	out = append(out, d.helloLimits(r)...)
	if d.cfg.arbiter {
		out = remove(out, "logicalSessionTimeoutMinutes")
	}
	return out, nil
}

// helloSet returns the fields that only members of replica sets have.
func (d *mongod) helloSet() bson.D {
	s := d.set
	if s.dep.cfg.ghost {
		return doc("isreplicaset", true, "secondary", false, "info", "Does not have a valid replica set config")
	}
	var hosts, passives, arbiters []string
	for _, m := range s.members {
		switch {
		case m.cfg.hidden:
		case m.cfg.arbiter:
			arbiters = append(arbiters, m.host)
		case m.cfg.priority == 0:
			passives = append(passives, m.host)
		default:
			hosts = append(hosts, m.host)
		}
	}
	out := doc("hosts", hosts)
	if len(passives) > 0 {
		out = append(out, doc("passives", passives)...)
	}
	if len(arbiters) > 0 {
		out = append(out, doc("arbiters", arbiters)...)
	}
	out = append(out, doc("setName", s.name, "setVersion", s.version, "secondary", d.role == secondary)...)
	if p := d.primaryOf(); p != nil {
		out = append(out, doc("primary", p.host)...)
	}
	switch {
	case d.cfg.arbiter:
		out = append(out, doc("arbiterOnly", true)...)
	case d.cfg.priority == 0:
		out = append(out, doc("passive", true)...)
	}
	if d.cfg.hidden {
		out = append(out, doc("hidden", true)...)
	}
	if len(d.cfg.tags) > 0 {
		tags := bson.D{}
		for _, t := range d.cfg.tags {
			tags = append(tags, bson.E{Key: t[0], Value: t[1]})
		}
		out = append(out, doc("tags", tags)...)
	}
	out = append(out, doc("me", d.host)...)
	if d.role == primary {
		out = append(out, doc("electionId", d.electionID())...)
	}
	if !d.cfg.arbiter {
		point, wall := s.commitPoint(d)
		out = append(out, doc("lastWrite", doc(
			"opTime", d.log.last().bson(), "lastWriteDate", bson.NewDateTimeFromTime(d.log.lastWall().Truncate(time.Second)),
			"majorityOpTime", point.bson(), "majorityWriteDate", bson.NewDateTimeFromTime(wall.Truncate(time.Second))))...)
	}
	return out
}

func remove(d bson.D, key string) bson.D {
	out := make(bson.D, 0, len(d))
	for _, e := range d {
		if e.Key != key {
			out = append(out, e)
		}
	}
	return out
}
