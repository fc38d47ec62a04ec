package dropin

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

func pointer[T any](v T) *T { return &v }

// both runs a call on both drivers and compares what they send. It returns that.
func both(t *testing.T, name string, ours, theirs *recorder, run func(ours bool) error) string {
	t.Helper()
	ours.take()
	theirs.take()
	err := run(true)
	_ = run(false)
	got, want := ours.take(), theirs.take()
	if got != want {
		t.Errorf("%s (%v):\n ours   %s\n theirs %s", name, err, got, want)
	}
	return got
}

// eachField calls try for each field of an options struct, with a value for it.
func eachField[T any](t *testing.T, values map[string]any, try func(name string, l *lister[T])) {
	t.Helper()
	typ := reflect.TypeFor[T]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		v, ok := values[f.Name]
		if !ok {
			v = sample(f)
		}
		if !f.IsExported() || f.Name == "Internal" {
			continue
		}
		if v == nil {
			t.Errorf("no value for %s.%s", typ.Name(), f.Name)
			continue
		}
		try(typ.Name()+"."+f.Name, &lister[T]{f.Name, v})
	}
}

func TestIndexOptions(t *testing.T) {
	theirs, ours, sent := recorded(t, replicaSet(t), nil)
	plain := ""
	run := func(name string, l *lister[options.IndexOptions]) string {
		return both(t, name, sent["ours"], sent["theirs"], func(own bool) error {
			model := mongo.IndexModel{Keys: bson.D{{"a", 1}}, Options: &options.IndexOptionsBuilder{Opts: l.List()}}
			if own {
				_, err := ours.Database("d").Collection("c").Indexes().CreateOne(t.Context(), model)
				return err
			}
			_, err := theirs.Database("d").Collection("c").Indexes().CreateOne(t.Context(), model)
			return err
		})
	}
	plain = run("none", &lister[options.IndexOptions]{})
	eachField(t, nil, func(name string, l *lister[options.IndexOptions]) {
		if got := run(name, l); got == plain {
			t.Errorf("%s changes nothing: %s", name, got)
		}
	})
}

func TestTimeSeries(t *testing.T) {
	theirs, ours, sent := recorded(t, replicaSet(t), nil)
	eachField(t, map[string]any{"TimeField": "t"}, func(name string, l *lister[options.TimeSeriesOptions]) {
		series := &options.TimeSeriesOptionsBuilder{Opts: l.List()}
		o := options.CreateCollection().SetTimeSeriesOptions(series)
		got := both(t, name, sent["ours"], sent["theirs"], func(own bool) error {
			if own {
				return ours.Database("d").CreateCollection(t.Context(), "c", o)
			}
			return theirs.Database("d").CreateCollection(t.Context(), "c", o)
		})
		if !strings.Contains(got, "timeseries") {
			t.Errorf("%s: %s", name, got)
		}
	})
}

func TestCollation(t *testing.T) {
	theirs, ours, sent := recorded(t, replicaSet(t), nil)
	typ := reflect.TypeFor[options.Collation]()
	for i := range typ.NumField() {
		c := options.Collation{Locale: "en"}
		f := reflect.ValueOf(&c).Elem().Field(i)
		switch f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int:
			f.SetInt(2)
		default:
			f.SetString("shifted")
		}
		o := options.Find().SetCollation(&c)
		got := both(t, typ.Field(i).Name, sent["ours"], sent["theirs"], func(own bool) error {
			if own {
				_, err := ours.Database("d").Collection("c").Find(t.Context(), bson.D{}, o)
				return err
			}
			_, err := theirs.Database("d").Collection("c").Find(t.Context(), bson.D{}, o)
			return err
		})
		if !strings.Contains(strings.ToLower(got), strings.ToLower(typ.Field(i).Name)+":") {
			t.Errorf("%s: %s", typ.Field(i).Name, got)
		}
	}
}

func TestSearchIndexes(t *testing.T) {
	theirs, ours, sent := recorded(t, replicaSet(t), nil)
	ctx := t.Context()
	a, b := theirs.Database("d").Collection("c").SearchIndexes(), ours.Database("d").Collection("c").SearchIndexes()
	name := options.SearchIndexes().SetName("n").SetType("vectorSearch")
	model := mongo.SearchIndexModel{Definition: bson.D{{"mappings", bson.D{{"dynamic", true}}}}, Options: name}
	calls := map[string][]any{
		"CreateOne": {ctx, model}, "CreateMany": {ctx, []mongo.SearchIndexModel{model, model}}, "DropOne": {ctx, "n"},
		"UpdateOne": {ctx, "n", bson.D{{"a", 1}}}, "List": {ctx, name},
	}
	for method, args := range calls {
		got := both(t, method, sent["ours"], sent["theirs"], func(own bool) error {
			if own {
				return lastError(ctx, invoke(b, method, args...))
			}
			return lastError(ctx, invoke(a, method, args...))
		})
		if !strings.Contains(got, `"n"`) {
			t.Errorf("%s: %s", method, got)
		}
	}
	list := &options.ListSearchIndexesOptionsBuilder{}
	list.Opts = append(list.Opts, func(o *options.ListSearchIndexesOptions) error {
		o.AggregateOptions = &options.AggregateOptions{Custom: bson.M{"a": 1}}
		return nil
	})
	if _, err := b.List(ctx, name, list); !errors.Is(err, mgx.ErrUnsupported) {
		t.Error(err)
	}
	list.Opts = append(list.Opts[:0], func(o *options.ListSearchIndexesOptions) error {
		o.AggregateOptions = &options.AggregateOptions{BatchSize: pointer(int32(7))}
		return nil
	})
	_, _ = b.List(ctx, name, list)
	if got := sent["ours"].take(); !strings.Contains(got, "batchSize: 7") {
		t.Error(got)
	}
}

func handleValues() map[string]any {
	return map[string]any{
		"ReadConcern": readconcern.Majority(), "WriteConcern": &writeconcern.WriteConcern{W: 1, Journal: pointer(true)},
		"ReadPreference": readpref.SecondaryPreferred(readpref.WithTags("dc", "a")),
		"BSONOptions":    &options.BSONOptions{NilSliceAsEmpty: true}, "Registry": upperCase(),
	}
}

// upperCase is a registry that writes strings in a way of its own.
func upperCase() *bson.Registry {
	r := bson.NewRegistry()
	r.RegisterTypeEncoder(reflect.TypeFor[string](), bson.ValueEncoderFunc(func(_ bson.EncodeContext, w bson.ValueWriter, v reflect.Value) error {
		return w.WriteString(strings.ToUpper(v.String()))
	}))
	return r
}

type listed struct {
	Name string
	List []int
}

func TestHandles(t *testing.T) {
	uri := replicaSet(t)
	theirs, ours, sent := recorded(t, uri, nil)
	ctx := t.Context()
	use := func(coll any) {
		invoke(coll, "InsertOne", ctx, listed{Name: "x"})
		_ = lastError(ctx, invoke(coll, "Find", ctx, listed{Name: "x"}))
		_ = lastError(ctx, invoke(coll, "UpdateOne", ctx, listed{Name: "x"}, bson.D{{"$set", listed{Name: "y"}}}))
	}
	plain := both(t, "none", sent["ours"], sent["theirs"], func(own bool) error {
		if own {
			use(ours.Database("d").Collection("c"))
		} else {
			use(theirs.Database("d").Collection("c"))
		}
		return nil
	})
	try := func(name string, own, their func() any) {
		got := both(t, name, sent["ours"], sent["theirs"], func(o bool) error {
			if o {
				use(own())
			} else {
				use(their())
			}
			return nil
		})
		if got == plain {
			t.Errorf("%s changes nothing", name)
		}
	}
	eachField(t, handleValues(), func(name string, l *lister[options.CollectionOptions]) {
		try(name, func() any { return ours.Database("d").Collection("c", l) }, func() any { return theirs.Database("d").Collection("c", l) })
		try(name+" of Clone", func() any { return ours.Database("d").Collection("c").Clone(l) }, func() any { return theirs.Database("d").Collection("c").Clone(l) })
	})
	eachField(t, handleValues(), func(name string, l *lister[options.DatabaseOptions]) {
		try(name, func() any { return ours.Database("d", l).Collection("c") }, func() any { return theirs.Database("d", l).Collection("c") })
	})
	for name, v := range handleValues() {
		theirs, ours, sent = recorded(t, uri, func(o *options.ClientOptions) {
			reflect.ValueOf(o).Elem().FieldByName(name).Set(reflect.ValueOf(v))
		})
		try("ClientOptions."+name, func() any { return ours.Database("d").Collection("c") }, func() any { return theirs.Database("d").Collection("c") })
	}
}

func TestHandleOfWrongOptions(t *testing.T) {
	_, ours := drivers(t, server.URI(), nil)
	coll := ours.Database("d").Collection("c", options.Collection().SetReadPreference(readpref.Nearest(readpref.WithHedgeEnabled(true)))) //nolint:staticcheck // it is refused
	if _, err := coll.Find(t.Context(), bson.D{}); !errors.Is(err, mgx.ErrUnsupported) {
		t.Error(err)
	}
}
