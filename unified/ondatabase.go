package unified

import (
	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// onDatabase runs an operation on a database.
func (r *run) onDatabase(db *mgx.Database, name string, a *arguments) (result, error) {
	switch name {
	case "aggregate":
		pipeline, options, err := aggregation(a)
		if err != nil {
			return nothing, err
		}
		return all(db.Aggregate(r.ctx, pipeline, options...))
	case "createCollection":
		return r.createCollection(db, a)
	case "dropCollection":
		return nothing, r.dropCollection(db, a)
	case "listCollections", "listCollectionObjects", "listCollectionNames":
		return r.listCollections(db, name == "listCollectionNames", a)
	case "createChangeStream":
		return r.watch(db.Watch, a)
	case "modifyCollection":
		return nothing, r.modifyCollection(db, a)
	case "runCommand":
		return r.runCommand(db, a)
	case "runCursorCommand", "createCommandCursor":
		cur, err := r.runCursorCommand(db, a)
		if err != nil {
			return nothing, err
		}
		if name == "createCommandCursor" {
			return opened(cur)
		}
		return all(cur)
	}
	return nothing, unknown("database", name)
}

// all reads a cursor to its end.
func all(cur *mgx.Cursor) (result, error) {
	list, err := mgx.Collect[bson.D](cur)
	return documents(list), err
}

func (r *run) runCommand(db *mgx.Database, a *arguments) (result, error) {
	if err := a.need("command"); err != nil {
		return nothing, err
	}
	var command bson.D
	var options []mgx.RunCommandOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "command":
			command = v.document()
		case "commandName":
		default:
			return add(&options, key, v)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	return one(db.RunCommand(r.ctx, command, options...))
}

func (r *run) runCursorCommand(db *mgx.Database, a *arguments) (*mgx.Cursor, error) {
	if err := a.need("command"); err != nil {
		return nil, err
	}
	var command bson.D
	var options []mgx.RunCursorOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "command":
			command = v.document()
		case "commandName":
		case "maxTimeMS": // of the getMores
			options = append(options, mgx.MaxAwaitTime(v.milliseconds()))
		default:
			return add(&options, key, v)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return db.RunCursorCommand(r.ctx, command, options...), nil
}

// modifyCollection passes what is to change on: the server's names are the tests'.
func (r *run) modifyCollection(db *mgx.Database, a *arguments) error {
	if err := a.need("collection"); err != nil {
		return err
	}
	var name string
	changes := bson.D{}
	err := a.each(func(key string, v argument) bool {
		if key == "collection" {
			name = v.text()
		} else {
			changes = append(changes, bson.E{Key: key, Value: v.value})
		}
		return true
	})
	if err != nil {
		return err
	}
	return db.ModifyCollection(r.ctx, name, changes)
}

// one is the result of an operation that returns one document.
func one(res *mgx.SingleResult) (result, error) {
	raw, err := res.Raw()
	if raw == nil {
		return nothing, err
	}
	d, bad := toD(raw)
	if err == nil {
		err = bad
	}
	return value(d), err
}

func (r *run) createCollection(db *mgx.Database, a *arguments) (result, error) {
	if err := a.need("collection"); err != nil {
		return nothing, err
	}
	var name, viewOn string
	var pipeline any
	var v validation
	var size, most int64
	capped := false
	var options []mgx.CreateCollectionOption
	err := a.each(func(key string, x argument) bool {
		switch key {
		case "collection":
			name = x.text()
		case "capped":
			capped = x.bool()
		case "size":
			size = x.int()
		case "max":
			most = x.int()
		case "viewOn":
			viewOn = x.text()
		case "pipeline":
			pipeline = x.list()
		case "timeseries":
			options = append(options, mgx.WithTimeSeries(timeSeries(x)))
		case "expireAfterSeconds":
			options = append(options, mgx.ExpireAfter(x.seconds()))
		case "encryptedFields":
			options = append(options, mgx.EncryptedFields(x.document()))
		case "clusteredIndex":
			options = append(options, mgx.Clustered(x.document()))
		case "changeStreamPreAndPostImages":
			options = append(options, mgx.PreAndPostImages(get[bool](x.document(), "enabled")))
		case "indexOptionDefaults":
			options = append(options, mgx.IndexDefaults(x.document()))
		case "storageEngine":
			options = append(options, mgx.StorageEngine(x.document()))
		default:
			return v.read(key, x) || add(&options, key, x)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	if capped {
		options = append(options, mgx.Capped(size, most))
	}
	if viewOn != "" {
		options = append(options, mgx.View(viewOn, pipeline))
	}
	if v != (validation{}) {
		options = append(options, mgx.Validator(v.validator, v.level, v.action))
	}
	if err := db.CreateCollection(r.ctx, name, options...); err != nil {
		return nothing, err
	}
	return result{save: db.Collection(name)}, nil
}

// validation are the arguments about a collection's validator.
type validation struct {
	validator     any
	level, action string
}

func (v *validation) read(key string, x argument) bool {
	switch key {
	case "validator":
		d := x.document()
		v.validator = &d
	case "validationLevel":
		v.level = x.text()
	case "validationAction":
		v.action = x.text()
	default:
		return false
	}
	return true
}

func timeSeries(v argument) mgx.TimeSeries {
	var ts mgx.TimeSeries
	inner := &arguments{d: v.document()}
	v.check(inner.each(func(key string, x argument) bool {
		switch key {
		case "timeField":
			ts.TimeField = x.text()
		case "metaField":
			ts.MetaField = x.text()
		case "granularity":
			ts.Granularity = x.text()
		case "bucketMaxSpanSeconds":
			ts.BucketMaxSpan = x.seconds()
		case "bucketRoundingSeconds":
			ts.BucketRounding = x.seconds()
		default:
			return false
		}
		return true
	}))
	return ts
}

func (r *run) dropCollection(db *mgx.Database, a *arguments) error {
	if err := a.need("collection"); err != nil {
		return err
	}
	var name string
	var options []mgx.DropCollectionOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "collection":
			name = v.text()
		case "encryptedFields":
			options = append(options, mgx.EncryptedFields(v.document()))
		default:
			return add(&options, key, v)
		}
		return true
	})
	if err != nil {
		return err
	}
	return db.Collection(name).Drop(r.ctx, options...)
}

func (r *run) listCollections(db *mgx.Database, names bool, a *arguments) (result, error) {
	var filter any
	var options []mgx.ListCollectionsOption
	err := a.each(func(key string, v argument) bool {
		if key == "filter" {
			filter = v.document()
			return true
		}
		return add(&options, key, v)
	})
	if err != nil {
		return nothing, err
	}
	if !names {
		return all(db.ListCollections(r.ctx, filter, options...))
	}
	list, err := db.ListCollectionNames(r.ctx, filter, options...)
	return value(texts(list)), err
}

func texts(list []string) bson.A {
	a := bson.A{}
	for _, s := range list {
		a = append(a, s)
	}
	return a
}
