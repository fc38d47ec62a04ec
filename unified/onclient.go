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
	case "clientBulkWrite":
		return r.clientBulkWrite(c.Client, a)
	case "listDatabases", "listDatabaseObjects", "listDatabaseNames":
		return r.listDatabases(c.Client, name == "listDatabaseNames", a)
	case "dropDatabase":
		var database string
		err := a.each(func(key string, v argument) bool {
			database = v.text()
			return key == "database"
		})
		if err != nil {
			return nothing, err
		}
		return nothing, c.DropDatabase(r.ctx, database)
	}
	return nothing, unknown("client", name)
}

func (r *run) listDatabases(c *mgx.Client, names bool, a *arguments) (result, error) {
	var filter any
	var options []mgx.ListDatabasesOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "filter":
			filter = v.document()
		case "nameOnly":
			if v.bool() {
				options = append(options, mgx.NameOnly())
			}
		case "authorizedDatabases":
			options = append(options, mgx.AuthorizedOnly(v.bool()))
		case "comment":
			options = append(options, mgx.Comment(v.value))
		default:
			return false
		}
		return true
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
