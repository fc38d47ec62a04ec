package mgxtest

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(
		&command{name: "_shardsvrShardCollection", write: true, run: cmdShardCollection},
		&command{name: "_shardsvrListShards", run: func(d *mongod, _ *request) (bson.D, error) {
			return doc("shards", bson.A{d.set.shard()}), nil
		}},
	)
}

// sharding runs the commands that only routers have. Data is not distributed: there is
// one shard, and sharding a collection is a note in its catalog.
func (m *router) sharding(r *request) (out bson.D, done bool, err error) {
	if !ofRouters[r.name] {
		return nil, false, nil
	}
	if r.db != "admin" && r.name != "isdbgrid" && r.name != "checkMetadataConsistency" { // which is about any database
		return nil, true, failf(codeUnauthorized, "%s may only be run against the admin database.", r.name)
	}
	switch r.name {
	case "isdbgrid":
		return doc("isdbgrid", int32(1), "hostname", m.host), true, nil
	case "enableSharding", "flushRouterConfig":
		return doc(), true, nil
	case "balancerStart", "balancerStop":
		m.dep.balancing(r.name == "balancerStart")
		return doc(), true, nil
	case "balancerStatus":
		mode := "full"
		if !m.dep.balancing() {
			mode = "off"
		}
		return doc("mode", mode, "inBalancerRound", false, "numBalancerRounds", int64(0), "term", int64(1)), true, nil
	case "getShardMap":
		return m.shardMap(), true, nil
	case "checkMetadataConsistency":
		return doc("cursor", doc("firstBatch", bson.A{}, "id", int64(0), "ns", r.db+".$cmd.aggregate")), true, nil
	case "listShards":
		out, err = m.route(m.internally(r, "_shardsvrListShards"))
	case "shardCollection":
		out, err = m.route(m.internally(r, "_shardsvrShardCollection"))
	}
	return out, true, err
}

// internally is a request to the shard in the place of a client's.
func (m *router) internally(r *request, name string) *request {
	sub := *r
	sub.name, sub.cmd = name, commands[name]
	if sub.cmd.write {
		sub.wc = writeConcern{given: true, w: 1, mode: "majority"}
	}
	return &sub
}

func (m *router) shardMap() bson.D {
	shard := m.shard.shard()
	host, _ := lookup(shard, "host").(string)
	hosts := bson.D{}
	_, list, _ := strings.Cut(host, "/")
	for h := range strings.SplitSeq(list, ",") {
		hosts = append(hosts, bson.E{Key: h, Value: m.shard.name})
	}
	return doc("map", bson.D{{Key: m.shard.name, Value: host}}, "hosts", hosts, "connStrings", bson.D{{Key: host, Value: m.shard.name}})
}

// balancing reads or sets whether the balancer is on, which has nothing to do.
func (d *Deployment) balancing(on ...bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(on) > 0 {
		d.balancerOff = !on[0]
	}
	return !d.balancerOff
}

// cmdShardCollection notes that a collection is sharded, and makes it and the index on
// its key where they are missing (manual: shardCollection).
func cmdShardCollection(d *mongod, r *request) (bson.D, error) {
	ns, ok := r.body.Index(0).Value().StringValueOK()
	db, coll := splitNS(ns)
	if !ok || db == "" || checkNames(db, coll) != nil {
		return nil, failf(codeInvalidNamespace, "Invalid namespace: %s", ns)
	}
	key := r.document("key")
	if len(key) <= 5 {
		return nil, failf(codeBadValue, "Shard key is empty")
	}
	w := &writer{d: d, r: r}
	c := d.store.Collection(ns)
	unique := r.boolean("unique")
	desc, err := bson.Marshal(doc("shardKey", key, "unique", unique, "numInitialChunks", int64(1)))
	if err != nil {
		return nil, err
	}
	if c != nil && c.ShardKey != nil {
		if have, _ := bson.Raw(c.ShardKey).Lookup("shardKey").DocumentOK(); string(have) == string(key) {
			return doc("collectionsharded", ns), nil
		}
		return nil, failf(23, "sharding already enabled for collection %s", ns)
	}
	empty := c == nil || c.Len() == 0
	if err := w.ensure(ns); err != nil {
		return nil, err
	}
	c = d.store.Collection(ns)
	if err := d.shardKeyIndex(w, c, key, unique, empty); err != nil {
		return nil, err
	}
	op := d.store.Shard(ns, desc)
	d.append(op)
	return doc("collectionsharded", ns), nil
}

// shardKeyIndex makes the index that a shard key needs. Only an empty collection gets
// it by itself.
func (d *mongod) shardKeyIndex(w *writer, c *engine.Collection, key bson.Raw, unique, empty bool) error {
	for _, ix := range c.Indexes {
		if ix.BeginsWith(key) {
			return nil
		}
	}
	if !empty {
		return failf(codeInvalidOptions, "Please create an index that starts with the proposed shard key before sharding the collection")
	}
	name := ""
	for _, e := range elements(key) {
		name += "_" + e.Key + "_" + indexDirection(e.Value.(bson.RawValue))
	}
	spec, err := bson.Marshal(doc("v", int32(2), "key", key, "name", name[1:], "unique", unique))
	if err != nil {
		return err
	}
	if !unique {
		if spec, err = bson.Marshal(doc("v", int32(2), "key", key, "name", name[1:])); err != nil {
			return err
		}
	}
	ix, err := engine.ParseIndex(spec)
	if err != nil {
		return err
	}
	op, err := d.store.CreateIndex(c.NS, ix)
	if err == nil && op != nil {
		d.append(op)
	}
	return err
}

func indexDirection(v bson.RawValue) string {
	if s, ok := v.StringValueOK(); ok {
		return s
	}
	if n, ok := asInt(v); ok && n < 0 {
		return "-1"
	}
	return "1"
}
