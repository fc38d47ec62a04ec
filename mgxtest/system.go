package mgxtest

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// systemCollections are the collections in which servers show their own state. They
// are made when somebody reads them.
var systemCollections = map[string]func(*mongod) ([]systemDoc, error){
	"admin.system.version": (*mongod).systemVersion,
	"local.oplog.rs":       (*mongod).oplogDocs,
	"local.system.replset": (*mongod).replSetDocs,
	"config.transactions":  (*mongod).transactionDocs,
	"config.shards":        (*mongod).shardDocs,
	"config.databases":     (*mongod).shardedDatabaseDocs,
	"config.collections":   (*mongod).shardedCollectionDocs,
	"config.chunks":        (*mongod).chunkDocs,
	"config.version":       (*mongod).clusterVersionDocs,
	"config.mongos":        (*mongod).mongosDocs,
	"config.settings":      (*mongod).noDocs,
	"config.changelog":     (*mongod).noDocs,
	"config.tags":          (*mongod).noDocs,
}

// systemDoc is a document of such a collection with its natural position.
type systemDoc struct {
	id  int64
	doc bson.D
}

func numbered(docs ...bson.D) []systemDoc {
	out := make([]systemDoc, len(docs))
	for i, d := range docs {
		out[i] = systemDoc{int64(i + 1), d}
	}
	return out
}

// hasSystem reports whether this server shows a system collection.
func (d *mongod) hasSystem(ns string) bool {
	if systemCollections[ns] == nil {
		return false
	}
	switch ns {
	case "admin.system.version":
		return true
	case "local.oplog.rs", "local.system.replset", "config.transactions":
		return !d.set.standalone && !d.cfg.arbiter
	}
	return len(d.dep.routers) > 0
}

// systemStore returns a store with a system collection, nil where ns is none.
func (d *mongod) systemStore(ns string) (*engine.Store, error) {
	if !d.hasSystem(ns) || d.store.Collection(ns) != nil {
		return nil, nil
	}
	docs, err := systemCollections[ns](d)
	if err != nil {
		return nil, err
	}
	def := &engine.Definition{NS: ns, UUID: [16]byte{1}}
	if ns == "local.oplog.rs" {
		def.Capped = &engine.Capped{Size: engine.Unbounded}
	}
	s := engine.NewStore()
	if _, err := s.Create(def); err != nil {
		return nil, err
	}
	for _, sd := range docs {
		raw, err := bson.Marshal(sd.doc)
		if err != nil {
			return nil, err
		}
		if err := s.Put(ns, sd.id, raw); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (d *mongod) noDocs() ([]systemDoc, error) { return nil, nil }

func (d *mongod) systemVersion() ([]systemDoc, error) {
	fcv, _ := d.params.get("featureCompatibilityVersion")
	return numbered(append(doc("_id", "featureCompatibilityVersion"), fcv.value.(bson.D)...)), nil
}

func (d *mongod) replSetDocs() ([]systemDoc, error) {
	return numbered(d.set.config(d)), nil
}

// transactionDocs are what a set remembers of retryable writes and transactions.
func (d *mongod) transactionDocs() ([]systemDoc, error) {
	var out []bson.D
	for id, rec := range d.sessions {
		entry := doc("_id", doc("id", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: []byte(id)}), "txnNumber", rec.txnNumber,
			"lastWriteOpTime", rec.at.bson(), "lastWriteDate", bson.NewDateTimeFromTime(rec.wall))
		if rec.committed {
			entry = append(entry, doc("state", "committed")...)
		}
		out = append(out, entry)
	}
	return numbered(out...), nil
}

// oplogDocs is the oplog as it can be read.
func (d *mongod) oplogDocs() ([]systemDoc, error) {
	var out []systemDoc
	for _, e := range d.log.entries {
		var ops bson.A
		var only bson.D
		for _, op := range e.ops {
			only = oplogDoc(op)
			ops = append(ops, only)
		}
		entry := only
		if e.committed || len(ops) != 1 {
			entry = doc("op", "c", "ns", "admin.$cmd", "o", doc("applyOps", ops))
		}
		if len(ops) == 0 {
			entry = doc("op", "n", "ns", "", "o", doc())
		}
		if e.lsid != "" {
			entry = append(entry, doc("lsid", doc("id", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: []byte(e.lsid)}), "txnNumber", e.txnNumber)...)
		}
		entry = append(entry, doc("ts", e.ts.bson(), "t", e.term, "v", int64(2), "wall", bson.NewDateTimeFromTime(e.wall))...)
		out = append(out, systemDoc{int64(e.ts.t)<<31 | int64(e.ts.i), entry})
	}
	return out, nil
}

// oplogDoc is one operation as the oplog has it.
func oplogDoc(op *engine.Op) bson.D {
	db, coll := splitNS(op.NS)
	uuid := bson.Binary{Subtype: bson.TypeBinaryUUID, Data: op.UUID[:]}
	id := func(r *engine.Record) bson.D { return doc("_id", bson.Raw(r.Raw).Lookup("_id")) }
	command := func(o bson.D) bson.D { return doc("op", "c", "ns", db+".$cmd", "ui", uuid, "o", o) }
	switch op.Kind {
	case engine.Insert:
		return doc("op", "i", "ns", op.NS, "ui", uuid, "o", bson.Raw(op.New.Raw), "o2", id(op.New))
	case engine.Delete:
		return doc("op", "d", "ns", op.NS, "ui", uuid, "o", id(op.Old))
	case engine.Replace:
		var o any = bson.Raw(op.New.Raw)
		if !op.Replaced {
			o = doc("$v", int32(2), "diff", topLevelDiff(op.Old.Raw, op.New.Raw))
		}
		return doc("op", "u", "ns", op.NS, "ui", uuid, "o", o, "o2", id(op.New))
	case engine.Create:
		return command(append(doc("create", coll), elements(op.Def.Options)...))
	case engine.Drop:
		return command(doc("drop", coll))
	case engine.Rename:
		return command(doc("renameCollection", op.NS, "to", op.Name))
	case engine.Modify, engine.ModifyIndex:
		return command(append(doc("collMod", coll), elements(op.Change)...))
	case engine.CreateIndex:
		return command(append(doc("createIndexes", coll), elements(op.Index.Spec)...))
	case engine.DropIndex:
		return command(doc("dropIndexes", coll, "index", op.Name))
	}
	if op.Name == "dropDatabase" {
		return doc("op", "c", "ns", op.NS+".$cmd", "o", doc("dropDatabase", int32(1)))
	}
	return doc("op", "n", "ns", op.NS, "o", doc("msg", op.Name))
}

// topLevelDiff says by whole top-level fields what an update changed.
func topLevelDiff(old, now bson.Raw) bson.D {
	updated, removed := bson.D{}, bson.D{}
	for _, e := range elements(old) {
		if _, err := now.LookupErr(e.Key); err != nil {
			removed = append(removed, bson.E{Key: e.Key, Value: false})
		}
	}
	for _, e := range elements(now) {
		if was, err := old.LookupErr(e.Key); err != nil || !was.Equal(e.Value.(bson.RawValue)) {
			updated = append(updated, e)
		}
	}
	var out bson.D
	if len(removed) > 0 {
		out = append(out, bson.E{Key: "d", Value: removed})
	}
	if len(updated) > 0 {
		out = append(out, bson.E{Key: "u", Value: updated})
	}
	return out
}

// elements returns the fields of a document that may be nil.
func elements(raw bson.Raw) bson.D {
	elems, _ := raw.Elements()
	out := make(bson.D, 0, len(elems))
	for _, e := range elems {
		out = append(out, bson.E{Key: e.Key(), Value: e.Value()})
	}
	return out
}

// The rest is what a sharded cluster's config database says of its one shard.

func (d *mongod) shardDocs() ([]systemDoc, error) { return numbered(d.set.shard()), nil }

func (s *replSet) shard() bson.D {
	var hosts []string
	for _, d := range s.members {
		if !d.cfg.arbiter && !d.cfg.hidden {
			hosts = append(hosts, d.host)
		}
	}
	return doc("_id", s.name, "host", s.name+"/"+strings.Join(hosts, ","), "state", int32(1), "topologyTime", bson.Timestamp{T: 1, I: 1})
}

func (d *mongod) clusterVersionDocs() ([]systemDoc, error) {
	return numbered(doc("_id", int32(1), "clusterId", d.set.id)), nil
}

func (d *mongod) mongosDocs() ([]systemDoc, error) {
	var out []bson.D
	for _, m := range d.dep.routers {
		out = append(out, doc("_id", m.host, "mongoVersion", d.dep.cfg.version, "ping", bson.NewDateTimeFromTime(time.Now()), "waiting", true))
	}
	return numbered(out...), nil
}

func (d *mongod) shardedDatabaseDocs() ([]systemDoc, error) {
	var out []bson.D
	for _, name := range d.databases() {
		if name != "admin" && name != "config" && name != "local" {
			out = append(out, doc("_id", name, "primary", d.set.name, "version", doc("uuid", dbUUID(name), "timestamp", bson.Timestamp{T: 1, I: 1}, "lastMod", int32(1))))
		}
	}
	return numbered(out...), nil
}

func dbUUID(name string) bson.Binary {
	id := make([]byte, 16)
	copy(id, name)
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}
}

// databases are the names of the databases that have collections.
func (d *mongod) databases() []string {
	var names []string
	d.store.Collections(func(c *engine.Collection) {
		if db, _ := splitNS(c.NS); len(names) == 0 || names[len(names)-1] != db {
			names = append(names, db)
		}
	})
	return names
}

// eachSharded calls fn for the collections that were sharded.
func (d *mongod) eachSharded(fn func(c *engine.Collection, key bson.Raw, unique bool)) {
	d.store.Collections(func(c *engine.Collection) {
		if c.ShardKey != nil {
			key, _ := bson.Raw(c.ShardKey).Lookup("shardKey").DocumentOK()
			fn(c, key, asBool(bson.Raw(c.ShardKey).Lookup("unique")))
		}
	})
}

func (d *mongod) shardedCollectionDocs() ([]systemDoc, error) {
	var out []bson.D
	d.eachSharded(func(c *engine.Collection, key bson.Raw, unique bool) {
		out = append(out, doc("_id", c.NS, "lastmodEpoch", bson.ObjectID(c.UUID[:12]), "lastmod", bson.DateTime(0), "timestamp", bson.Timestamp{T: 1, I: 1},
			"uuid", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: c.UUID[:]}, "key", key, "unique", unique, "noBalance", false))
	})
	return numbered(out...), nil
}

func (d *mongod) chunkDocs() ([]systemDoc, error) {
	var out []bson.D
	d.eachSharded(func(c *engine.Collection, key bson.Raw, _ bool) {
		low, high := bson.D{}, bson.D{}
		for _, e := range elements(key) {
			low, high = append(low, bson.E{Key: e.Key, Value: bson.MinKey{}}), append(high, bson.E{Key: e.Key, Value: bson.MaxKey{}})
		}
		out = append(out, doc("_id", bson.ObjectID(c.UUID[4:16]), "uuid", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: c.UUID[:]},
			"min", low, "max", high, "shard", d.set.name, "lastmod", bson.Timestamp{T: 1, I: 0}, "history", bson.A{}))
	})
	return numbered(out...), nil
}

// systemNames are the system collections of a database that this server shows.
func (d *mongod) systemNames(db string) []string {
	var out []string
	for ns := range systemCollections {
		name, coll := splitNS(ns)
		if name == db && d.hasSystem(ns) {
			out = append(out, coll)
		}
	}
	return out
}
