package mgxtest

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(
		&command{name: "ping", v1: true, run: func(*mongod, *request) (bson.D, error) { return doc(), nil }},
		&command{name: "getnonce", until: wire61, run: cmdGetNonce},
		&command{name: "buildInfo", run: func(d *mongod, _ *request) (bson.D, error) { return d.buildInfo(), nil }},
		&command{name: "hostInfo", admin: true, run: cmdHostInfo},
		&command{name: "serverStatus", run: cmdServerStatus},
		&command{name: "getParameter", admin: true, run: func(d *mongod, r *request) (bson.D, error) { return d.getParameter(r) }},
		&command{name: "setParameter", admin: true, run: func(d *mongod, r *request) (bson.D, error) { return d.setParameter(r) }},
		&command{name: "getCmdLineOpts", admin: true, run: cmdLineOpts},
		&command{name: "getLog", admin: true, run: cmdGetLog},
		&command{name: "whatsmyuri", run: cmdWhatsMyURI},
		&command{name: "currentOp", admin: true, run: cmdCurrentOp},
		&command{name: "killOp", admin: true, run: cmdKillOp},
		&command{name: "configureFailPoint", admin: true, run: func(d *mongod, r *request) (bson.D, error) { return d.configure(r) }},
		&command{name: "fsync", admin: true, run: cmdFsync},
		&command{name: "fsyncUnlock", admin: true, run: cmdFsyncUnlock},
		&command{name: "dbStats", read: true, run: cmdDBStats},
		&command{name: "collStats", read: true, run: cmdCollStats},
		&command{name: "validate", read: true, run: cmdValidate},
		&command{name: "replSetGetStatus", admin: true, run: cmdReplSetGetStatus},
		&command{name: "replSetGetConfig", admin: true, run: cmdReplSetGetConfig},
		&command{name: "replSetStepDown", admin: true, run: cmdStepDown},
		&command{name: "replSetFreeze", admin: true, run: cmdFreeze},
		&command{name: "replSetMaintenance", admin: true, run: cmdMaintenance},
		&command{name: "appendOplogNote", admin: true, write: true, run: cmdOplogNote},
		&command{name: "shutdown", admin: true, run: cmdShutdown},
		&command{name: "listCommands", run: cmdListCommands},
		&command{name: "testVersion2", v2: true, run: func(*mongod, *request) (bson.D, error) {
			return doc("testVersion2Output", "only for tests of declared API versions"), nil
		}},
		&command{name: "testDeprecationInVersion2", v1: true, v2: true, deprecated: "2", run: func(*mongod, *request) (bson.D, error) {
			return doc("testDeprecationInVersion2Output", "only for tests of declared API versions"), nil
		}},
		&command{name: "profile", run: func(*mongod, *request) (bson.D, error) {
			return doc("was", int32(0), "slowms", int32(100), "sampleRate", 1.0), nil
		}},
	)
	alias("buildinfo", "buildInfo")
	alias("dbstats", "dbStats")
	alias("collstats", "collStats")
}

func (m *Member) buildInfo() bson.D {
	v := m.dep.cfg.version
	parts := bson.A{}
	for _, p := range strings.SplitN(v, ".", 3) {
		n := int32(0)
		for _, c := range p {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + c - '0'
		}
		parts = append(parts, n)
	}
	for len(parts) < 4 {
		parts = append(parts, int32(0))
	}
	return doc("version", v, "gitVersion", "mgxtest", "modules", bson.A{}, "versionArray", parts, "bits", int32(64),
		"debug", false, "maxBsonObjectSize", maxBSONSize, "storageEngines", []string{"wiredTiger"}, "sysInfo", "deprecated",
		"allocator", "system", "javascriptEngine", "none", "openssl", doc("running", "disabled", "compiled", "disabled"), "buildEnvironment", doc())
}

func cmdHostInfo(d *mongod, r *request) (bson.D, error) {
	return doc("system", doc("currentTime", bson.NewDateTimeFromTime(time.Now()), "hostname", d.host, "numCores", int32(1)),
		"os", doc("type", "simulated", "name", "mgxtest", "version", ""), "extra", doc()), nil
}

func cmdServerStatus(d *mongod, r *request) (bson.D, error) {
	s := d.Stats()
	out := doc("host", d.host, "version", d.dep.cfg.version, "process", "mongod", "pid", int64(1),
		"localTime", bson.NewDateTimeFromTime(time.Now()), "uptime", 1.0,
		"connections", doc("current", int32(s.Open), "available", int32(1<<15), "totalCreated", int32(s.Opened)),
		"storageEngine", doc("name", "wiredTiger", "supportsCommittedReads", true, "persistent", true),
		"metrics", doc("cursor", doc("open", doc("total", int64(len(d.cursors))))),
		"logicalSessionRecordCache", doc("activeSessionsCount", int32(len(d.live))))
	if !d.set.standalone {
		out = append(out, doc("repl", append(doc("isWritablePrimary", d.role == primary), d.helloSet()...))...)
	}
	return out, nil
}

func cmdLineOpts(d *mongod, r *request) (bson.D, error) {
	return doc("argv", []string{"mgxtest"}, "parsed", doc("net", doc("bindIp", "127.0.0.1"))), nil
}

func cmdGetLog(d *mongod, r *request) (bson.D, error) {
	if r.text("getLog") == "*" {
		return doc("names", []string{"global", "startupWarnings"}), nil
	}
	return doc("totalLinesWritten", int32(0), "log", bson.A{}), nil
}

func cmdWhatsMyURI(d *mongod, r *request) (bson.D, error) {
	you := ""
	if r.conn != nil {
		you = r.conn.nc.RemoteAddr().String()
	}
	return doc("you", you), nil
}

func (d *mongod) currentOps() ([][]byte, error) {
	var out [][]byte
	for _, op := range d.ops {
		id := int64(0)
		if op.r.conn != nil {
			id = op.r.conn.id
		}
		var body any = op.r.body
		if op.r.cmd.secret {
			body = doc(op.r.name, "xxx")
		}
		raw, err := bson.Marshal(doc("type", "op", "host", d.host, "connectionId", id, "appName", op.r.appName(), "opid", op.id, "active", true,
			"op", "command", "command", body, "microsecs_running", time.Since(op.started).Microseconds()))
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

func cmdCurrentOp(d *mongod, r *request) (bson.D, error) {
	ops, err := d.currentOps()
	if err != nil {
		return nil, err
	}
	list := bson.A{}
	for _, raw := range ops {
		list = append(list, bson.Raw(raw))
	}
	out := doc("inprog", list)
	if d.locked > 0 {
		out = append(out, doc("fsyncLock", true, "info", "use command {fsyncUnlock:1} to terminate the fsync write/snapshot lock")...)
	}
	return out, nil
}

func cmdKillOp(d *mongod, r *request) (bson.D, error) {
	if op := d.ops[r.number("op", 0)]; op != nil {
		op.cancel(failf(codeInterrupted, "operation was interrupted"))
	}
	return doc("info", "attempting to kill op"), nil
}

func cmdFsync(d *mongod, r *request) (bson.D, error) {
	if !r.boolean("lock") {
		return doc("numFiles", int32(1)), nil
	}
	d.locked++
	return doc("info", "now locked against writes, use db.fsyncUnlock() to unlock", "lockCount", int64(d.locked)), nil
}

func cmdFsyncUnlock(d *mongod, r *request) (bson.D, error) {
	if d.locked == 0 {
		return nil, failf(codeIllegalOperation, "fsyncUnlock called when not locked")
	}
	d.locked--
	d.set.wake()
	return doc("info", "fsyncUnlock completed", "lockCount", int64(d.locked)), nil
}

func cmdDBStats(d *mongod, r *request) (bson.D, error) {
	var colls, views, objects, indexes int
	var size int64
	d.store.Collections(func(c *engine.Collection) {
		if db, _ := splitNS(c.NS); db != r.db {
			return
		}
		if c.View != nil {
			views++
			return
		}
		colls++
		objects += c.Len()
		indexes += len(c.Indexes)
		size += c.Size()
	})
	return doc("db", r.db, "collections", int64(colls), "views", int64(views), "objects", int64(objects),
		"dataSize", float64(size), "storageSize", float64(size), "indexes", int64(indexes), "indexSize", 0.0), nil
}

func cmdCollStats(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	view, _, err := d.viewFor(r, ns)
	if err != nil {
		return nil, err
	}
	c := view.Collection(ns)
	if c == nil {
		return doc("ns", ns, "size", int32(0), "count", int32(0), "nindexes", int32(0), "capped", false), nil
	}
	out := doc("ns", ns, "size", c.Size(), "count", int32(c.Len()), "storageSize", c.Size(), "nindexes", int32(len(c.Indexes)), "capped", c.Capped != nil)
	if c.Capped != nil {
		out = append(out, doc("max", c.Capped.Max, "maxSize", c.Capped.Size)...)
	}
	return out, nil
}

func cmdValidate(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	c := d.store.Collection(ns)
	if c == nil {
		return nil, failf(codeNamespaceNotFound, "Collection '%s' does not exist to validate.", ns)
	}
	return doc("ns", ns, "nrecords", int32(c.Len()), "nIndexes", int32(len(c.Indexes)), "valid", true, "errors", bson.A{}, "warnings", bson.A{}), nil
}

func (d *mongod) needSet() error {
	if d.set.standalone {
		return failf(76, "not running with --replSet")
	}
	return nil
}

func cmdReplSetGetStatus(d *mongod, r *request) (bson.D, error) {
	if err := d.needSet(); err != nil {
		return nil, err
	}
	members := bson.A{}
	for _, m := range d.set.members {
		role := m.role
		if m != d && !d.set.linked(d, m) {
			role = down
		}
		name, health := role.String(), 1.0
		if role == down {
			name, health = "(not reachable/healthy)", 0
		}
		members = append(members, doc("_id", int32(m.index), "name", m.host, "health", health, "state", role.state(), "stateStr", name,
			"optime", m.log.last().bson(), "optimeDate", bson.NewDateTimeFromTime(m.log.lastWall()), "self", m == d))
	}
	point, _ := d.set.commitPoint(d)
	return doc("set", d.set.name, "date", bson.NewDateTimeFromTime(time.Now()), "myState", d.role.state(), "term", d.term,
		"optimes", doc("lastCommittedOpTime", point.bson(), "appliedOpTime", d.log.last().bson()), "members", members), nil
}

func cmdReplSetGetConfig(d *mongod, r *request) (bson.D, error) {
	if err := d.needSet(); err != nil {
		return nil, err
	}
	return doc("config", d.set.config(d)), nil
}

func cmdStepDown(d *mongod, r *request) (bson.D, error) {
	if err := d.needSet(); err != nil {
		return nil, err
	}
	v, _ := r.get("replSetStepDown")
	secs, ok := asInt(v)
	if !ok {
		secs = 60
	}
	if secs < 0 {
		return nil, failf(codeBadValue, "stepdown period must be a positive integer")
	}
	return doc(), d.set.stepDown(d, time.Duration(secs)*time.Second, r.boolean("force"))
}

func cmdFreeze(d *mongod, r *request) (bson.D, error) {
	if err := d.needSet(); err != nil {
		return nil, err
	}
	if d.role == primary {
		return nil, failf(95, "cannot freeze node when primary or running for election. state: Primary")
	}
	v, _ := r.get("replSetFreeze")
	secs, _ := asInt(v)
	d.noElect = time.Now().Add(time.Duration(secs) * time.Second)
	d.set.evaluate(d.set.dep.cfg.handoff)
	return doc(), nil
}

func cmdMaintenance(d *mongod, r *request) (bson.D, error) {
	if err := d.needSet(); err != nil {
		return nil, err
	}
	switch on := r.boolean("replSetMaintenance"); {
	case d.role == primary:
		return nil, failf(95, "primaries can't modify maintenance mode")
	case on && d.role == secondary:
		d.role = recovering
	case !on && d.role == recovering:
		d.role = secondary
	}
	d.set.evaluate(d.set.dep.cfg.electionTimeout)
	return doc(), nil
}

func cmdOplogNote(d *mongod, r *request) (bson.D, error) {
	d.append(&engine.Op{Kind: engine.Noop})
	return doc(), nil
}

func cmdShutdown(d *mongod, r *request) (bson.D, error) {
	quiesce := time.Duration(r.number("timeoutSecs", 0)) * time.Second
	d.dep.background(func() { d.Member.Shutdown(quiesce) })
	return nil, errHangUp
}

func cmdListCommands(d *mongod, r *request) (bson.D, error) {
	out := bson.D{}
	for name, c := range commands {
		out = append(out, bson.E{Key: name, Value: doc("help", "", "secondaryOk", !c.write, "adminOnly", c.admin)})
	}
	return doc("commands", out), nil
}
