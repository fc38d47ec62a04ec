package dropin

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// lister sets one field of an options struct.
type lister[T any] struct {
	field string
	value any
}

func (l lister[T]) List() []func(*T) error {
	return []func(*T) error{func(o *T) error {
		if l.field == "" {
			return nil
		}
		reflect.ValueOf(o).Elem().FieldByName(l.field).Set(reflect.ValueOf(l.value))
		return nil
	}}
}

// operation is one whose options are tried one by one.
type operation struct {
	options reflect.Type
	on      string
	method  string
	args    []any
	set     func(field string, value any) any
}

func op[T any](on, method string, args ...any) operation {
	return operation{reflect.TypeFor[T](), on, method, args, func(field string, value any) any { return &lister[T]{field, value} }}
}

// operations are one for each options struct that a call takes.
func operations() []operation {
	q, u, r := bson.D{{"a", 1}}, bson.D{{"$set", bson.D{{"b", 1}}}}, bson.D{{"b", 1}}
	return []operation{
		op[options.FindOptions]("collection", "Find", q),
		op[options.FindOneOptions]("collection", "FindOne", q),
		op[options.CountOptions]("collection", "CountDocuments", q),
		op[options.EstimatedDocumentCountOptions]("collection", "EstimatedDocumentCount"),
		op[options.DistinctOptions]("collection", "Distinct", "a", q),
		op[options.AggregateOptions]("collection", "Aggregate", bson.A{bson.D{{"$match", q}}}),
		op[options.AggregateOptions]("collection", "Aggregate", bson.A{bson.D{{"$match", q}}, bson.D{{"$out", "o"}}}),
		op[options.InsertOneOptions]("collection", "InsertOne", q),
		op[options.InsertManyOptions]("collection", "InsertMany", []any{q, q}),
		op[options.UpdateOneOptions]("collection", "UpdateOne", q, u),
		op[options.UpdateOneOptions]("collection", "UpdateByID", 1, u),
		op[options.UpdateManyOptions]("collection", "UpdateMany", q, u),
		op[options.ReplaceOptions]("collection", "ReplaceOne", q, r),
		op[options.DeleteOneOptions]("collection", "DeleteOne", q),
		op[options.DeleteManyOptions]("collection", "DeleteMany", q),
		op[options.FindOneAndUpdateOptions]("collection", "FindOneAndUpdate", q, u),
		op[options.FindOneAndReplaceOptions]("collection", "FindOneAndReplace", q, r),
		op[options.FindOneAndDeleteOptions]("collection", "FindOneAndDelete", q),
		op[options.BulkWriteOptions]("collection", "BulkWrite", []mongo.WriteModel{
			mongo.NewUpdateOneModel().SetFilter(q).SetUpdate(u), mongo.NewInsertOneModel().SetDocument(q),
		}),
		op[options.ClientBulkWriteOptions]("client", "BulkWrite", []mongo.ClientBulkWrite{
			{Database: "d", Collection: "c", Model: mongo.NewClientUpdateOneModel().SetFilter(q).SetUpdate(u)},
		}),
		op[options.DropCollectionOptions]("collection", "Drop"),
		op[options.CreateCollectionOptions]("database", "CreateCollection", "made"),
		op[options.CreateViewOptions]("database", "CreateView", "view", "c", bson.A{}),
		op[options.ListCollectionsOptions]("database", "ListCollections", q),
		op[options.ListDatabasesOptions]("client", "ListDatabases", q),
		op[options.RunCmdOptions]("database", "RunCommand", bson.D{{"ping", 1}}),
		op[options.ChangeStreamOptions]("collection", "Watch", bson.A{}),
		op[options.ListIndexesOptions]("indexes", "List"),
		op[options.CreateIndexesOptions]("indexes", "CreateMany", []mongo.IndexModel{{Keys: q}}),
		op[options.DropIndexesOptions]("indexes", "DropAll"),
		op[options.GridFSFindOptions]("bucket", "Find", q),
	}
}

// samples are values for fields of options, by name or by type.
func sample(f reflect.StructField) any {
	doc := bson.D{{"a", int32(1)}}
	switch f.Name {
	case "ArrayFilters":
		return []any{doc}
	case "Custom", "CustomPipeline":
		return bson.M{"a": 1}
	case "CommitQuorum":
		return "majority"
	case "ChangeStreamPreAndPostImages":
		return bson.D{{"enabled", true}}
	case "DefaultIndexOptions":
		return options.DefaultIndex().SetStorageEngine(doc)
	case "TimeSeriesOptions":
		return options.TimeSeries().SetTimeField("t").SetMetaField("m").SetGranularity("hours")
	case "FullDocument":
		v := options.UpdateLookup
		return &v
	case "FullDocumentBeforeChange":
		v := options.WhenAvailable
		return &v
	case "CursorType":
		v := options.TailableAwait
		return &v
	case "Ordered":
		v := false
		return &v
	case "ReadPreference":
		return nil
	case "ResumeAfter", "StartAfter":
		return bson.D{{"_data", "82"}}
	}
	switch f.Type {
	case reflect.TypeFor[*bool]():
		v := true
		return &v
	case reflect.TypeFor[*int32]():
		v := int32(7)
		return &v
	case reflect.TypeFor[*int64]():
		v := int64(7)
		return &v
	case reflect.TypeFor[*string]():
		v := "strict"
		return &v
	case reflect.TypeFor[*float64]():
		v := 1.5
		return &v
	case reflect.TypeFor[*time.Duration]():
		v := time.Second
		return &v
	case reflect.TypeFor[*options.Collation]():
		return &options.Collation{Locale: "en", Strength: 2}
	case reflect.TypeFor[*options.ReturnDocument]():
		v := options.After
		return &v
	case reflect.TypeFor[*bson.Timestamp]():
		return &bson.Timestamp{T: 5, I: 1}
	case reflect.TypeFor[any]():
		return doc
	}
	return nil
}

// elsewhere are fields that change nothing of the first command, with where they are
// tested.
var elsewhere = map[string]string{
	"MaxAwaitTime":   "it is a field of getMore: TestCursors",
	"ReadPreference": "it decides on the server: TestReadPreference",
	"WriteConcern":   "TestConcerns",
	"VerboseResults": "",
	"Max":            "", "Min": "",
}

// mayDiffer are options that mgx does not send where they have no effect, or with
// something else beside them.
var mayDiffer = map[string]func(sent string) bool{
	"AggregateOptions.BypassDocumentValidation": func(sent string) bool { return !strings.Contains(sent, "$out") },   // nothing is written
	"AggregateOptions.BatchSize":                func(sent string) bool { return strings.Contains(sent, "$out") },    // nothing is returned
	"CreateCollectionOptions.Capped":            func(sent string) bool { return strings.Contains(sent, "size: 0") }, // no server takes it without
}

// TestOptionsOnTheWire has both drivers send each operation with each of its options
// set, and compares the commands. An option that we do not send is to be refused.
func TestOptionsOnTheWire(t *testing.T) {
	theirs, ours, sent := recorded(t, replicaSet(t), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	run := func(client any, o operation, opt any) error {
		on := client
		if o.on != "client" {
			on = invoke(on, "Database", "d")[0]
		}
		switch o.on {
		case "collection":
			on = invoke(on, "Collection", "c")[0]
		case "indexes":
			on = invoke(invoke(on, "Collection", "c")[0], "Indexes")[0]
		case "bucket":
			on = invoke(on, "GridFSBucket")[0]
		}
		return lastError(ctx, invoke(on, o.method, append(append([]any{ctx}, o.args...), opt)...))
	}
	refused := map[string]bool{}
	for _, o := range operations() {
		for i := range o.options.NumField() {
			f := o.options.Field(i)
			value := sample(f)
			if value == nil {
				continue
			}
			name := o.options.Name() + "." + f.Name
			err := run(ours, o, o.set(f.Name, value))
			got := sent["ours"].take()
			if errors.Is(err, mgx.ErrUnsupported) && got == "" {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%s of %s: it is not refused by name: %v", name, o.method, err)
				}
				refused[name] = true
				continue
			}
			_ = run(theirs, o, o.set(f.Name, value))
			want := sent["theirs"].take()
			if differs := mayDiffer[name]; differs != nil && differs(got) {
				continue
			}
			if got != want {
				t.Errorf("%s of %s:\n ours   %s\n theirs %s", name, o.method, got, want)
			}
			_, other := elsewhere[f.Name]
			_ = run(ours, o, o.set("", nil))
			if plain := sent["ours"].take(); plain == got && !other {
				t.Errorf("%s of %s changes nothing: %s", name, o.method, got)
			}
		}
	}
	var list []string
	for name := range refused {
		list = append(list, name)
	}
	slices.Sort(list)
	if !slices.Equal(list, refusals) {
		t.Errorf("refused are %q, want %q", list, refusals)
	}
}

// refusals are the options of operations that are refused: no less, and no more.
var refusals = []string{
	"AggregateOptions.Custom", "ChangeStreamOptions.Custom", "ChangeStreamOptions.CustomPipeline",
	"CreateCollectionOptions.EncryptedFields", "CreateCollectionOptions.MaxDocuments", "CreateCollectionOptions.SizeInBytes",
	"DropCollectionOptions.EncryptedFields", "FindOneOptions.OplogReplay", "FindOptions.OplogReplay",
}

// lastError is the error of a call, and ends what the call has opened.
func lastError(ctx context.Context, results []any) error {
	for _, r := range results {
		v := reflect.ValueOf(r)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			continue
		}
		if m := v.MethodByName("Close"); m.IsValid() {
			invoke(r, "Close", ctx)
		}
		if m := v.MethodByName("Err"); m.IsValid() {
			if err, ok := invoke(r, "Err")[0].(error); ok {
				return err
			}
		}
	}
	err, _ := results[len(results)-1].(error)
	return err
}
