package mgxtest

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func init() {
	register(
		&command{name: "replSetReconfig", admin: true, run: cmdReconfig},
		&command{name: "getDefaultRWConcern", admin: true, run: cmdGetDefaults},
		&command{name: "setDefaultRWConcern", admin: true, write: true, run: cmdSetDefaults},
		&command{name: "setFeatureCompatibilityVersion", admin: true, write: true, run: cmdSetFCV},
	)
}

// config is the configuration of the set.
func (s *replSet) config(d *mongod) bson.D {
	members := bson.A{}
	for _, m := range s.members {
		tags := bson.D{}
		for _, t := range m.cfg.tags {
			tags = append(tags, bson.E{Key: t[0], Value: t[1]})
		}
		members = append(members, doc("_id", int32(m.index), "host", m.host, "arbiterOnly", m.cfg.arbiter, "buildIndexes", true,
			"hidden", m.cfg.hidden, "priority", m.cfg.priority, "tags", tags, "secondaryDelaySecs", int64(0), "votes", int32(m.cfg.votes)))
	}
	return doc("_id", s.name, "version", s.version, "term", s.term, "members", members,
		"protocolVersion", int64(1), "writeConcernMajorityJournalDefault", true,
		"settings", doc("chainingAllowed", true, "heartbeatIntervalMillis", int32(2000), "heartbeatTimeoutSecs", int32(10),
			"electionTimeoutMillis", int32(d.dep.cfg.electionTimeout.Milliseconds()), "catchUpTimeoutMillis", int32(-1),
			"getLastErrorModes", doc(), "getLastErrorDefaults", doc("w", int32(1), "wtimeout", int32(0)), "replicaSetId", s.id))
}

// cmdReconfig changes the priorities, votes, tags and hiding of members. Members come
// and go with the deployment alone.
func cmdReconfig(d *mongod, r *request) (bson.D, error) {
	if err := d.needSet(); err != nil {
		return nil, err
	}
	force := r.boolean("force")
	if d.role != primary && !force {
		return nil, failf(codeNotWritablePrimary, "New config is rejected :: caused by :: replSetReconfig should only be run on a writable PRIMARY. Current state %s;", d.role)
	}
	s, config := d.set, r.document("replSetReconfig")
	if name, _ := config.Lookup("_id").StringValueOK(); name != s.name {
		return nil, failf(codeNewConfigIncompatible, "New and old configurations differ in replica set name; old was %s, and new is %s", s.name, name)
	}
	version, _ := asInt(config.Lookup("version"))
	switch {
	case force:
		version = max(version, int64(s.version)+1)
	case version <= int64(s.version):
		return nil, failf(codeNewConfigIncompatible, "New replica set configuration version must be greater than old, but %d is not greater than %d for replica set %s", version, s.version, s.name)
	}
	members, err := rawDocuments(config.Lookup("members"), "replSetReconfig.members")
	if err != nil {
		return nil, err
	}
	next := make([]memberConfig, len(s.members))
	seen := make([]bool, len(s.members))
	for _, raw := range members {
		m := s.named(raw)
		if m == nil {
			return nil, failf(74, "Quorum check failed because not enough voting nodes responded; required %d but only the following %d voting nodes responded", s.majority(), len(s.members))
		}
		if next[m.index], err = m.cfg.changed(raw); err != nil {
			return nil, err
		}
		seen[m.index] = true
	}
	voting := 0
	for i, m := range s.members {
		if !seen[i] {
			return nil, failf(codeNewConfigIncompatible, "member %s cannot be removed from a simulated set", m.host)
		}
		if next[i].votes != m.cfg.votes {
			voting++
		}
	}
	if voting > 1 && !force {
		return nil, failf(codeNewConfigIncompatible, "Non force replica set reconfig can only add or remove at most 1 voting member.")
	}
	if next[d.index].priority == 0 && !force {
		return nil, failf(104, "This node, %s, with _id %d is not electable under the new configuration version", d.host, d.index)
	}
	for i, m := range s.members {
		m.cfg = next[i]
		m.view += " reconfigured"
	}
	s.version = int32(version)
	s.evaluate(s.dep.cfg.electionTimeout)
	return doc(), nil
}

// named is the member that a configuration is about.
func (s *replSet) named(raw bson.Raw) *mongod {
	host, _ := raw.Lookup("host").StringValueOK()
	for _, m := range s.members {
		if m.host == host {
			return m
		}
	}
	return nil
}

// changed is the configuration of a member with what a document says.
func (c memberConfig) changed(raw bson.Raw) (memberConfig, error) {
	c.priority, c.votes, c.hidden, c.tags = 1, 1, asBool(raw.Lookup("hidden")), nil
	if c.arbiter {
		c.priority = 0
	}
	if v, err := raw.LookupErr("priority"); err == nil {
		f, isDouble := v.DoubleOK()
		if n, ok := asInt(v); ok && !isDouble {
			f = float64(n)
		}
		c.priority = f
	}
	if n, ok := asInt(raw.Lookup("votes")); ok {
		c.votes = int(n)
	}
	switch {
	case c.priority < 0 || c.priority > 1000:
		return c, failf(codeInvalidReplicaSetConfig, "replica set member field priority must be between 0 and 1000")
	case c.votes != 0 && c.votes != 1:
		return c, failf(codeInvalidReplicaSetConfig, "votes field value is %d but must be 0 or 1", c.votes)
	case c.hidden && c.priority != 0:
		return c, failf(codeInvalidReplicaSetConfig, "priority must be 0 when hidden=true")
	case c.votes == 0 && c.priority != 0:
		return c, failf(codeInvalidReplicaSetConfig, "priority must be 0 when non-voting (votes:0)")
	}
	tags, _ := raw.Lookup("tags").DocumentOK()
	elems, _ := tags.Elements()
	for _, e := range elems {
		value, _ := e.Value().StringValueOK()
		c.tags = append(c.tags, [2]string{e.Key(), value})
	}
	return c, nil
}

// rwDefaults are the concerns of commands that have none.
type rwDefaults struct {
	read  string
	write *writeConcern
	raw   bson.Raw
	at    time.Time
}

func cmdGetDefaults(d *mongod, _ *request) (bson.D, error) {
	if err := d.needSet(); err != nil {
		return nil, err
	}
	return d.set.describeDefaults(), nil
}

func (s *replSet) describeDefaults() bson.D {
	read, readFrom := "local", "implicit"
	if s.defaults.read != "" {
		read, readFrom = s.defaults.read, "global"
	}
	out := doc("defaultReadConcern", doc("level", read))
	switch implicit := s.implicitWriteConcern(); {
	case s.defaults.write != nil:
		out = append(out, doc("defaultWriteConcern", s.defaults.raw, "defaultWriteConcernSource", "global")...)
	case implicit.mode != "":
		out = append(out, doc("defaultWriteConcern", doc("w", "majority", "wtimeout", int32(0)), "defaultWriteConcernSource", "implicit")...)
	default:
		out = append(out, doc("defaultWriteConcernSource", "implicit")...)
	}
	out = append(out, doc("defaultReadConcernSource", readFrom, "localUpdateWallClockTime", bson.NewDateTimeFromTime(time.Now()))...)
	if !s.defaults.at.IsZero() {
		out = append(out, doc("updateWallClockTime", bson.NewDateTimeFromTime(s.defaults.at))...)
	}
	return out
}

func cmdSetDefaults(d *mongod, r *request) (bson.D, error) {
	if err := d.needSet(); err != nil {
		return nil, err
	}
	s := d.set
	read, hasRead := r.get("defaultReadConcern")
	write, hasWrite := r.get("defaultWriteConcern")
	if !hasRead && !hasWrite {
		return nil, failf(codeBadValue, "At least one of the \"defaultReadConcern\" or \"defaultWriteConcern\" fields must be present")
	}
	next := s.defaults
	if hasRead {
		rc, _ := read.DocumentOK()
		level, _ := rc.Lookup("level").StringValueOK()
		switch level {
		case "", "local", "available", "majority":
			next.read = level
		default:
			return nil, failf(codeBadValue, "level: '%s' is not suitable for the default read concern", level)
		}
	}
	if hasWrite {
		raw, _ := write.DocumentOK()
		wc, err := parseWriteConcern(raw)
		switch {
		case err != nil:
			return nil, err
		case !wc.given && s.defaults.write != nil:
			return nil, failf(codeIllegalOperation, "The global default write concern cannot be unset once it is set.")
		case wc.given && wc.mode == "" && wc.w == 0:
			return nil, failf(codeBadValue, "Unacknowledged write concern is not suitable for the default write concern")
		case wc.given:
			next.write, next.raw = &wc, append(bson.Raw(nil), raw...)
		}
	}
	next.at = time.Now()
	s.defaults = next
	return s.describeDefaults(), nil
}

func cmdSetFCV(d *mongod, r *request) (bson.D, error) {
	version := r.text("setFeatureCompatibilityVersion")
	if !r.boolean("confirm") && r.since(21) {
		return nil, failf(7369100, "Once you have upgraded to %s, you will not be able to downgrade FCV and binary version without support assistance. Please re-run this command with 'confirm: true' to acknowledge this and continue with the FCV upgrade.", version)
	}
	wire, known := releases[version]
	if !known || wire > d.dep.cfg.release {
		return nil, failf(codeBadValue, "Invalid feature compatibility version value '%s'; see https://docs.mongodb.com/master/release-notes/7.0-compatibility/#feature-compatibility.", version)
	}
	for _, m := range d.set.members {
		m.params.set("featureCompatibilityVersion", doc("version", version))
	}
	return doc(), nil
}
