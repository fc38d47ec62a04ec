package unified

import (
	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// onClient runs an operation on a client.
func (r *run) onClient(c *client, name string, a *arguments) (result, error) {
	switch name {
	case "close":
		return nothing, c.Close(r.ctx)
	case "createChangeStream":
		return r.watch(c.Watch, a)
	case "clientBulkWrite":
		return r.clientBulkWrite(c.Client, a)
	case "listDatabases", "listDatabaseObjects", "listDatabaseNames":
		return r.listDatabases(c.Client, name == "listDatabaseNames", a)
	case "dropDatabase":
		var database string
		var options []mgx.DropOption
		err := a.each(func(key string, v argument) bool {
			if key == "database" {
				database = v.text()
				return true
			}
			return add(&options, key, v)
		})
		if err != nil {
			return nothing, err
		}
		return nothing, c.DropDatabase(r.ctx, database, options...)
	case "appendMetadata":
		return nothing, appendMetadata(c.Client, a)
	}
	return nothing, unknown("client", name)
}

func (r *run) listDatabases(c *mgx.Client, names bool, a *arguments) (result, error) {
	var filter any
	var options []mgx.ListDatabasesOption
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
	list := bson.A{}
	if names {
		all, err := c.ListDatabaseNames(r.ctx, filter, options...)
		for _, name := range all {
			list = append(list, name)
		}
		return value(list), err
	}
	all, err := c.ListDatabases(r.ctx, filter, options...)
	for _, db := range all {
		list = append(list, bson.D{
			{Key: "name", Value: db.Name}, {Key: "sizeOnDisk", Value: db.SizeOnDisk}, {Key: "empty", Value: db.Empty},
		})
	}
	return result{value: list, found: true, documents: true}, err
}

func appendMetadata(c *mgx.Client, a *arguments) error {
	if err := a.need("driverInfoOptions"); err != nil {
		return err
	}
	var w mgx.WrapperInfo
	err := a.each(func(key string, v argument) bool {
		v.check((&arguments{d: v.document()}).each(func(key string, v argument) bool {
			switch key {
			case "name":
				w.Name = v.text()
			case "version":
				w.Version = v.text()
			case "platform":
				w.Platform = v.text()
			default:
				return false
			}
			return true
		}))
		return key == "driverInfoOptions"
	})
	if err != nil {
		return err
	}
	return c.AppendWrapper(w)
}
