package mgxtest

import (
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// atlasOnly are the commands on search indexes, which a server passes on to
// Atlas.
func atlasOnly(*mongod, *request) (bson.D, error) { return nil, errNoAtlas() }

func errNoAtlas() error {
	return failf(31082, "Using Atlas Search Database Commands and the $listSearchIndexes aggregation stage requires an Atlas deployment")
}

func init() {
	register(
		&command{name: "createSearchIndexes", run: atlasOnly},
		&command{name: "updateSearchIndex", run: atlasOnly},
		&command{name: "dropSearchIndex", run: atlasOnly},
		&command{name: "create", write: true, txn: true, v1: true,
			fields: "capped autoIndexId idIndex size max storageEngine validator validationLevel validationAction indexOptionDefaults viewOn pipeline collation timeseries@5.0 clusteredIndex@5.3 expireAfterSeconds@5.0 changeStreamPreAndPostImages@6.0 encryptedFields@6.0 temp flags recordPreImages",
			run:    cmdCreate},
		&command{name: "drop", write: true, v1: true, fields: "collectionUUID encryptedFields", run: cmdDrop},
		&command{name: "dropDatabase", write: true, v1: true, run: cmdDropDatabase},
		&command{name: "renameCollection", write: true, admin: true, fields: "to dropTarget stayTemp collectionUUID", run: cmdRename},
		&command{name: "collMod", write: true, v1: true, run: cmdCollMod},
		&command{name: "listCollections", read: true, v1: true,
			fields: "filter nameOnly authorizedCollections cursor includePendingDrops", run: cmdListCollections},
		&command{name: "listDatabases", read: true, admin: true, v1: true, fields: "filter nameOnly authorizedDatabases", run: cmdListDatabases},
		&command{name: "createIndexes", write: true, txn: true, v1: true,
			fields: "indexes ignoreUnknownIndexOptions commitQuorum isTimeseriesNamespace", run: cmdCreateIndexes},
		&command{name: "dropIndexes", write: true, v1: true, fields: "index isTimeseriesNamespace", run: cmdDropIndexes},
		&command{name: "listIndexes", read: true, v1: true, fields: "cursor includeBuildUUIDs includeIndexBuildInfo isTimeseriesNamespace", run: cmdListIndexes},
	)
	alias("deleteIndexes", "dropIndexes")
}

func (d *mongod) append(ops ...*engine.Op) {
	if len(ops) > 0 {
		d.commit(&entry{ops: ops})
	}
}

func cmdCreate(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	w, err := d.newWriter(r)
	if err != nil {
		return nil, err
	}
	_, coll := splitNS(ns)
	if err := checkNames(r.db, coll); err != nil {
		return nil, err
	}
	if err := w.checkTxnTarget(ns); err != nil {
		return nil, err
	}
	def := &engine.Definition{NS: ns, UUID: engine.NewUUID()}
	options := bson.D{}
	elems, _ := r.body.Elements()
	for _, e := range elems[1:] {
		if _, generic := genericNames[e.Key()]; !generic {
			options = append(options, bson.E{Key: e.Key(), Value: collectionOption(e)})
		}
	}
	if def.Options, err = bson.Marshal(options); err != nil {
		return nil, err
	}
	_, def.TimeSeries = r.get("timeseries")
	if on := r.text("viewOn"); on != "" {
		if def.View, err = parseView(r, on); err != nil {
			return nil, err
		}
	}
	if r.boolean("capped") {
		def.Capped = &engine.Capped{Size: r.number("size", 0), Max: r.number("max", 0)}
		if def.Capped.Size <= 0 {
			return nil, failf(codeInvalidOptions, "the 'size' field is required when 'capped' is true")
		}
	}
	if c := w.store().Collection(ns); c != nil && bytesEqual(c.Options, def.Options) && !def.TimeSeries {
		return doc(), nil
	}
	op, err := w.store().Create(def)
	if err != nil {
		return nil, err
	}
	w.record([]*engine.Op{op}, nil)
	return doc(), nil
}

// collectionOption is a collection's option as servers keep it.
func collectionOption(e bson.RawElement) any {
	switch e.Key() {
	case "size", "max":
		if n, ok := asInt(e.Value()); ok {
			return n
		}
	case "clusteredIndex":
		if spec, ok := e.Value().DocumentOK(); ok {
			name, named := spec.Lookup("name").StringValueOK()
			if !named {
				name = "_id_"
			}
			return doc("v", int32(2), "key", spec.Lookup("key"), "name", name, "unique", true)
		}
	}
	return e.Value()
}

func bytesEqual(a, b []byte) bool {
	if len(a) <= 5 && len(b) <= 5 {
		return true
	}
	return string(a) == string(b)
}

func parseView(r *request, on string) (*engine.View, error) {
	v := &engine.View{On: on}
	if _, ok := r.get("pipeline"); !ok {
		return v, nil
	}
	stages, err := r.documents("pipeline")
	if err != nil {
		return nil, err
	}
	for _, st := range stages {
		v.Pipeline = append(v.Pipeline, append([]byte(nil), st...))
	}
	return v, nil
}

func cmdDrop(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	if err := d.exclusively(r, ns); err != nil {
		return nil, err
	}
	c := d.store.Collection(ns)
	if c == nil {
		return doc(), nil
	}
	out := doc("nIndexesWas", int32(len(c.Indexes)), "ns", ns)
	if op := d.store.Drop(ns); op != nil {
		d.append(op)
	}
	return out, nil
}

func cmdDropDatabase(d *mongod, r *request) (bson.D, error) {
	if err := d.exclusively(r, r.db); err != nil {
		return nil, err
	}
	var names []string
	d.store.Collections(func(c *engine.Collection) {
		if db, _ := splitNS(c.NS); db == r.db {
			names = append(names, c.NS)
		}
	})
	var ops []*engine.Op
	for _, ns := range names {
		ops = append(ops, d.store.Drop(ns))
	}
	if len(ops) == 0 {
		return doc(), nil
	}
	ops = append(ops, &engine.Op{Kind: engine.Noop, NS: r.db, Name: "dropDatabase"})
	d.append(ops...)
	return doc("dropped", r.db), nil
}

func cmdRename(d *mongod, r *request) (bson.D, error) {
	from, to := r.text("renameCollection"), r.text("to")
	for _, ns := range []string{from, to} {
		db, coll := splitNS(ns)
		if db == "" || checkNames(db, coll) != nil {
			return nil, failf(codeInvalidNamespace, "Invalid namespace: %s", ns)
		}
	}
	for _, ns := range []string{from, to} {
		if err := d.exclusively(r, ns); err != nil {
			return nil, err
		}
	}
	if d.store.Collection(from) == nil {
		return nil, failf(codeNamespaceNotFound, "Source collection %s does not exist", from)
	}
	op, err := d.store.Rename(from, to, r.boolean("dropTarget"))
	if err != nil {
		return nil, err
	}
	d.append(op)
	return doc(), nil
}

func collectionInfo(c *engine.Collection, nameOnly bool) bson.D {
	_, coll := splitNS(c.NS)
	kind := "collection"
	switch {
	case c.View != nil:
		kind = "view"
	case c.TimeSeries:
		kind = "timeseries"
	}
	out := doc("name", coll, "type", kind)
	if nameOnly {
		return out
	}
	options := bson.Raw(c.Options)
	if len(options) == 0 {
		options, _ = bson.Marshal(bson.D{})
	}
	info := doc("readOnly", c.View != nil)
	if c.View == nil {
		info = append(info, doc("uuid", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: c.UUID[:]})...)
	}
	out = append(out, doc("options", options, "info", info)...)
	if c.View == nil && len(c.Indexes) > 0 {
		out = append(out, doc("idIndex", bson.Raw(c.Indexes[0].Spec))...)
	}
	return out
}

func cmdListCollections(d *mongod, r *request) (bson.D, error) {
	var infos [][]byte
	d.store.Collections(func(c *engine.Collection) {
		if db, _ := splitNS(c.NS); db == r.db {
			// A filter may ask for what a list of names leaves out.
			raw, err := bson.Marshal(collectionInfo(c, false))
			if err == nil {
				infos = append(infos, raw)
			}
		}
	})
	for _, name := range d.systemNames(r.db) {
		raw, err := bson.Marshal(doc("name", name, "type", "collection", "options", doc(), "info", doc("readOnly", false)))
		if err == nil {
			infos = append(infos, raw)
		}
	}
	infos, err := filtered(infos, r.document("filter"))
	if err != nil {
		return nil, err
	}
	c := &cursor{ns: r.db + ".$cmd.listCollections", done: true}
	for _, raw := range infos {
		if r.boolean("nameOnly") {
			name, kind := bson.Raw(raw).Lookup("name"), bson.Raw(raw).Lookup("type")
			if raw, err = bson.Marshal(doc("name", name, "type", kind)); err != nil {
				return nil, err
			}
		}
		c.batch = append(c.batch, raw)
	}
	return d.openCursor(r, c, r.cursorSize(), false), nil
}

func (r *request) cursorSize() int64 {
	if n, ok := asInt(r.document("cursor").Lookup("batchSize")); ok {
		return n
	}
	return -1
}

func filtered(docs [][]byte, filter bson.Raw) ([][]byte, error) {
	if len(filter) == 0 {
		return docs, nil
	}
	match, err := bson.Marshal(doc("$match", filter))
	if err != nil {
		return nil, err
	}
	return engine.Aggregate(&engine.Environment{}, [][]byte{match}, docs)
}

func cmdListDatabases(d *mongod, r *request) (bson.D, error) {
	sizes := map[string]int64{"admin": 0, "config": 0}
	if len(d.dep.routers) == 0 {
		// A router does not show the shards' own data.
		sizes["local"] = 0
	}
	d.store.Collections(func(c *engine.Collection) {
		db, _ := splitNS(c.NS)
		sizes[db] += c.Size()
	})
	names := slices.Sorted(maps.Keys(sizes))
	var infos [][]byte
	for _, name := range names {
		raw, err := bson.Marshal(doc("name", name, "sizeOnDisk", max(sizes[name], 4096), "empty", false))
		if err != nil {
			return nil, err
		}
		infos = append(infos, raw)
	}
	infos, err := filtered(infos, r.document("filter"))
	if err != nil {
		return nil, err
	}
	list := bson.A{}
	total := int64(0)
	for _, raw := range infos {
		n, _ := bson.Raw(raw).Lookup("sizeOnDisk").Int64OK()
		total += n
		if r.boolean("nameOnly") {
			list = append(list, doc("name", bson.Raw(raw).Lookup("name")))
		} else {
			list = append(list, bson.Raw(raw))
		}
	}
	out := doc("databases", list)
	if !r.boolean("nameOnly") {
		out = append(out, doc("totalSize", total, "totalSizeMb", total>>20)...)
	}
	return out, nil
}
