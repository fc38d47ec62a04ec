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
			options = append(options, bson.E{Key: e.Key(), Value: e.Value()})
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

func cmdCollMod(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	if err := d.exclusively(r, ns); err != nil {
		return nil, err
	}
	c := d.store.Collection(ns)
	if c == nil {
		return nil, failf(codeNamespaceNotFound, "ns does not exist")
	}
	options := bson.D{}
	old, _ := bson.Raw(c.Options).Elements()
	changes := map[string]bool{}
	set := bson.D{}
	view := c.View
	elems, _ := r.body.Elements()
	for _, e := range elems[1:] {
		if _, generic := genericNames[e.Key()]; generic {
			continue
		}
		if e.Key() == "viewOn" || e.Key() == "pipeline" {
			on := r.text("viewOn")
			if on == "" && c.View != nil {
				on = c.View.On
			}
			if view, err = parseView(r, on); err != nil {
				return nil, err
			}
		}
		if e.Key() == "index" {
			continue
		}
		changes[e.Key()] = true
		set = append(set, bson.E{Key: e.Key(), Value: e.Value()})
	}
	for _, e := range old {
		if !changes[e.Key()] {
			options = append(options, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	raw, err := bson.Marshal(append(options, set...))
	if err != nil {
		return nil, err
	}
	change, err := bson.Marshal(set)
	if err != nil {
		return nil, err
	}
	op, err := d.store.Modify(ns, raw, change, view)
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

func cmdCreateIndexes(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	specs, err := r.documents("indexes")
	if err != nil {
		return nil, err
	}
	if len(specs) == 0 {
		return nil, failf(codeBadValue, "Must specify at least one index to create")
	}
	w, err := d.newWriter(r)
	if err != nil {
		return nil, err
	}
	if err := w.target(ns); err != nil {
		return nil, err
	}
	if err := w.awaitIndexBuild(ns, specs); err != nil {
		return nil, err
	}
	created := w.store().Collection(ns) == nil
	if err := w.ensure(ns); err != nil {
		return nil, err
	}
	before := len(w.store().Collection(ns).Indexes)
	var ops []*engine.Op
	for _, raw := range specs {
		ix, err := engine.ParseIndex(raw)
		var op *engine.Op
		if err == nil {
			op, err = w.store().CreateIndex(ns, ix)
		}
		if err != nil {
			w.record(ops, nil)
			return nil, err
		}
		if op != nil {
			ops = append(ops, op)
		}
	}
	w.record(ops, nil)
	out := doc("numIndexesBefore", int32(before), "numIndexesAfter", int32(before+len(ops)), "createdCollectionAutomatically", created)
	if len(ops) == 0 {
		out = append(out, doc("note", "all indexes already exist")...)
	}
	return out, nil
}

// awaitIndexBuild waits until an existing collection can get new indexes. In a
// transaction only one that it created can.
func (w *writer) awaitIndexBuild(ns string, specs []bson.Raw) error {
	c := w.store().Collection(ns)
	if c == nil || c.HasIndexes(rawList(specs)) {
		return nil
	}
	if w.t == nil {
		return w.d.exclusively(w.r, ns)
	}
	if w.d.store.Collection(ns) != nil {
		return failf(codeOperationNotSupportedInTxn, "Cannot create new indexes on existing collection %s in a multi-document transaction.", ns)
	}
	return nil
}

func cmdDropIndexes(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	if err := d.exclusively(r, ns); err != nil {
		return nil, err
	}
	c := d.store.Collection(ns)
	if c == nil {
		return nil, failf(codeNamespaceNotFound, "ns not found %s", ns)
	}
	before := int32(len(c.Indexes))
	v, ok := r.get("index")
	if !ok {
		return nil, failf(codeMissingField, "BSON field 'dropIndexes.index' is missing but a required field")
	}
	var names []string
	switch v.Type {
	case bson.TypeString:
		names = []string{v.StringValue()}
		if names[0] == "*" {
			names = nil
			for _, ix := range c.Indexes {
				if ix.Name != "_id_" {
					names = append(names, ix.Name)
				}
			}
		}
	case bson.TypeArray:
		names = stringList(v)
	case bson.TypeEmbeddedDocument:
		for _, ix := range c.Indexes {
			if ix.SameKey(v.Document()) {
				names = append(names, ix.Name)
			}
		}
		if len(names) == 0 {
			return nil, failf(27, "can't find index with key: %s", v.Document())
		}
	}
	var ops []*engine.Op
	for _, name := range names {
		op, err := d.store.DropIndex(ns, name)
		if err != nil {
			d.append(ops...)
			return nil, err
		}
		ops = append(ops, op)
	}
	d.append(ops...)
	return doc("nIndexesWas", before), nil
}

func cmdListIndexes(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	c := d.store.Collection(ns)
	if c == nil {
		return nil, failf(codeNamespaceNotFound, "ns does not exist: %s", ns)
	}
	if c.View != nil {
		return nil, failf(166, "Namespace %s is a view, not a collection", ns)
	}
	cur := &cursor{ns: ns, done: true}
	for _, ix := range c.Indexes {
		cur.batch = append(cur.batch, ix.Spec)
	}
	return d.openCursor(r, cur, r.cursorSize(), false), nil
}
