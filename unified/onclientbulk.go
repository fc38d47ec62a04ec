package unified

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// clientBulkWrite runs the client's BulkWrite.
func (r *run) clientBulkWrite(c *mgx.Client, a *arguments) (result, error) {
	if err := a.need("models"); err != nil {
		return nothing, err
	}
	var writes []mgx.ClientWrite
	var options []mgx.ClientBulkOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "models":
			for _, item := range v.list() {
				w, err := clientWrite(c, item)
				v.check(err)
				writes = append(writes, w)
			}
		default:
			return add(&options, key, v)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	res, err := c.BulkWrite(r.ctx, writes, options...)
	if err == nil {
		return value(clientBulkResult(&res)), nil
	}
	if e := new(mgx.ClientBulkWriteError); errors.As(err, &e) && e.PartialResult != nil {
		return value(clientBulkResult(e.PartialResult)), err
	}
	return nothing, err
}

func clientWrite(c *mgx.Client, item any) (mgx.ClientWrite, error) {
	d, ok := item.(bson.D)
	if !ok || len(d) != 1 {
		return mgx.ClientWrite{}, malformedf("%s is no write model", show(item))
	}
	spec, _ := d[0].Value.(bson.D)
	ns, ok := lookup(spec, "namespace")
	name, isText := ns.(string)
	if !ok || !isText {
		return mgx.ClientWrite{}, malformedf("%s has no namespace", show(item))
	}
	m, err := model(item)
	database, collection, _ := strings.Cut(name, ".")
	return mgx.ClientWrite{Collection: c.Database(database).Collection(collection), Model: m}, err
}

// clientBulkResult is a result as files have it: the results of single writes are
// there only if they were asked for.
func clientBulkResult(res *mgx.ClientBulkWriteResult) bson.D {
	d := bson.D{{Key: "acknowledged", Value: res.Acknowledged}}
	if !res.Acknowledged {
		return d
	}
	d = append(d,
		bson.E{Key: "insertedCount", Value: res.InsertedCount}, bson.E{Key: "upsertedCount", Value: res.UpsertedCount},
		bson.E{Key: "matchedCount", Value: res.MatchedCount}, bson.E{Key: "modifiedCount", Value: res.ModifiedCount},
		bson.E{Key: "deletedCount", Value: res.DeletedCount})
	if res.InsertResults == nil {
		return d
	}
	inserts, updates, deletes := bson.D{}, bson.D{}, bson.D{}
	for i, r := range res.InsertResults {
		inserts = append(inserts, bson.E{Key: strconv.Itoa(i), Value: bson.D{{Key: "insertedId", Value: r.InsertedID}}})
	}
	for i, r := range res.UpdateResults {
		one := bson.D{{Key: "matchedCount", Value: r.MatchedCount}, {Key: "modifiedCount", Value: r.ModifiedCount}}
		if r.Upserted {
			one = append(one, bson.E{Key: "upsertedId", Value: r.UpsertedID})
		}
		updates = append(updates, bson.E{Key: strconv.Itoa(i), Value: one})
	}
	for i, r := range res.DeleteResults {
		deletes = append(deletes, bson.E{Key: strconv.Itoa(i), Value: bson.D{{Key: "deletedCount", Value: r.DeletedCount}}})
	}
	return append(d, bson.E{Key: "insertResults", Value: inserts}, bson.E{Key: "updateResults", Value: updates},
		bson.E{Key: "deleteResults", Value: deletes})
}

// judgeWriteErrors compares the errors of single writes, by index.
func (r *run) judgeWriteErrors(want bson.D, err error) error {
	var e *mgx.ClientBulkWriteError
	if !errors.As(err, &e) {
		return errors.New("it is no error of a client's bulkWrite")
	}
	got := bson.D{}
	for _, we := range e.WriteErrors {
		got = append(got, bson.E{Key: strconv.Itoa(we.Index), Value: bson.D{{Key: "code", Value: we.Code}, {Key: "message", Value: we.Message}}})
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d write errors, expected %d", len(got), len(want))
	}
	for _, e := range want {
		v, ok := lookup(got, e.Key)
		if !ok {
			return fmt.Errorf("no error of write %s", e.Key)
		}
		if err := r.matcher.match("write error "+e.Key, e.Value, there(v), true); err != nil {
			return err
		}
	}
	return nil
}

// judgeWriteConcernErrors compares the errors about write concerns, in order.
func (r *run) judgeWriteConcernErrors(want bson.A, err error) error {
	var e *mgx.ClientBulkWriteError
	if !errors.As(err, &e) {
		return errors.New("it is no error of a client's bulkWrite")
	}
	if len(e.WriteConcernErrors) != len(want) {
		return fmt.Errorf("%d write concern errors, expected %d", len(e.WriteConcernErrors), len(want))
	}
	for i, wce := range e.WriteConcernErrors {
		got := bson.D{{Key: "code", Value: wce.Code}, {Key: "message", Value: wce.Message}}
		if err := r.matcher.match(fmt.Sprintf("write concern error %d", i), want[i], there(got), true); err != nil {
			return err
		}
	}
	return nil
}
