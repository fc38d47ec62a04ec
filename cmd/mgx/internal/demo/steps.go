package demo

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/places"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/event"
)

const (
	databaseName   = "tour"
	collectionName = "places"
)

func (t *Tour) start(ctx context.Context) (err error) {
	if t.server, err = embedded.Start(ctx, embedded.Options{}); err != nil {
		return err
	}
	t.code("server, err := embedded.Start(ctx, embedded.Options{})")
	t.say("FerretDB %s on SQLite, in this process, at %s", embedded.ServerVersion, t.server.Addr())
	return nil
}

func (t *Tour) connect(ctx context.Context) error {
	options, err := mgx.ParseURI(t.server.URI())
	if err != nil {
		return err
	}
	options.AppName = "mgx demo"
	options.CommandMonitors = []*event.CommandMonitor{t.commands.monitor()}
	if t.client, err = mgx.Open(ctx, options); err != nil {
		return err
	}
	t.places = t.client.Database(databaseName).Collection(collectionName)
	t.code(fmt.Sprintf("client, err := mgx.Connect(ctx, %q)", t.server.URI()))
	return nil
}

func (t *Tour) insert(ctx context.Context) error {
	all, err := places.All()
	if err != nil {
		return err
	}
	result, err := t.places.InsertMany(ctx, all)
	if err != nil {
		return err
	}
	t.code("result, err := collection.InsertMany(ctx, places)")
	t.say("%s: the places that name the world's time zones (IANA, public domain)", screen.Count(int(result.InsertedCount), "document", "documents"))
	return nil
}

func (t *Tour) index(ctx context.Context) error {
	name, err := t.places.CreateIndex(ctx, mgx.Index{Keys: mgx.Keys("country.code", "name")})
	if err != nil {
		return err
	}
	t.code(`name, err := collection.CreateIndex(ctx, mgx.Index{Keys: mgx.Keys("country.code", "name")})`)
	t.say("%s", name)
	return nil
}

func (t *Tour) findOne(ctx context.Context) error {
	p, err := mgx.FindOne[places.Place](ctx, t.places, bson.D{{Key: "_id", Value: "Asia/Kolkata"}})
	if err != nil {
		return err
	}
	t.code(`place, err := mgx.FindOne[Place](ctx, collection, bson.D{{"_id", "Asia/Kolkata"}})`)
	t.say("%s, %s, at %s; clocks are %s", p.Name, p.Country.Name, coordinates(p), clock(p.Clocks.July))
	return nil
}

func (t *Tour) find(ctx context.Context) error {
	filter := bson.D{{Key: "region", Value: bson.D{{Key: "$ne", Value: "Antarctica"}}}}
	list, err := mgx.Collect[places.Place](t.places.Find(ctx, filter, mgx.Sort("location.coordinates.1"), mgx.Limit(3)))
	if err != nil {
		return err
	}
	t.code(`cur := collection.Find(ctx, filter, mgx.Sort("location.coordinates.1"), mgx.Limit(3))`)
	t.code(`list, err := mgx.Collect[Place](cur)`)
	t.say("the southernmost places outside Antarctica:")
	rows := make([][]string, 0, len(list))
	for _, p := range list {
		rows = append(rows, []string{p.Name, p.Country.Name, coordinates(p)})
	}
	t.table(rows)
	return nil
}

func (t *Tour) operators(ctx context.Context) error {
	odd := bson.D{{Key: "utcMinutes.july", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$mod", Value: bson.A{30, 0}}}}}}}
	t.code(`for place, err := range mgx.Each[Place](collection.Find(ctx, filter)) { … }`)
	t.say("clocks that are off by neither whole nor half hours:")
	var rows [][]string
	for p, err := range mgx.Each[places.Place](t.places.Find(ctx, odd, mgx.Sort("_id"))) {
		if err != nil {
			return err
		}
		rows = append(rows, []string{p.Name, p.Country.Name, clock(p.Clocks.July)})
	}
	t.table(rows)
	return nil
}

func (t *Tour) distinct(ctx context.Context) error {
	regions, err := mgx.Distinct[string](ctx, t.places, "region", nil)
	if err != nil {
		return err
	}
	t.code(`regions, err := mgx.Distinct[string](ctx, collection, "region", nil)`)
	t.say("%s", strings.Join(regions, ", "))
	return nil
}

func (t *Tour) update(ctx context.Context) error {
	filter := bson.D{{Key: "location.coordinates.1", Value: bson.D{{Key: "$lt", Value: 0}}}}
	change := bson.D{{Key: "$set", Value: bson.D{{Key: "hemisphere", Value: "southern"}}}}
	result, err := t.places.UpdateMany(ctx, filter, change)
	if err != nil {
		return err
	}
	t.code(`result, err := collection.UpdateMany(ctx, filter, bson.D{{"$set", bson.D{{"hemisphere", "southern"}}}})`)
	t.say("%d matched, %d modified", result.MatchedCount, result.ModifiedCount)
	return nil
}

func (t *Tour) findAndUpdate(ctx context.Context) error {
	var now struct {
		Name   string `bson:"name"`
		Visits int    `bson:"visits"`
	}
	filter := bson.D{{Key: "_id", Value: "Asia/Tokyo"}}
	change := bson.D{{Key: "$inc", Value: bson.D{{Key: "visits", Value: 1}}}}
	if err := t.places.FindOneAndUpdate(ctx, filter, change, mgx.ReturnAfter()).Decode(&now); err != nil {
		return err
	}
	t.code(`err := collection.FindOneAndUpdate(ctx, filter, change, mgx.ReturnAfter()).Decode(&place)`)
	t.say("%s has %d visit now", now.Name, now.Visits)
	return nil
}

func (t *Tour) aggregate(ctx context.Context) error {
	pipeline := bson.A{
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$country.name"}, {Key: "zones", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
		bson.D{{Key: "$sort", Value: bson.D{{Key: "zones", Value: -1}, {Key: "_id", Value: 1}}}},
		bson.D{{Key: "$limit", Value: 5}},
	}
	type group struct {
		Country string `bson:"_id"`
		Zones   int    `bson:"zones"`
	}
	list, err := mgx.Collect[group](t.places.Aggregate(ctx, pipeline))
	if err != nil {
		return err
	}
	t.code(`list, err := mgx.Collect[group](collection.Aggregate(ctx, pipeline))`)
	t.say("the countries with the most time zones:")
	rows := make([][]string, 0, len(list))
	for _, g := range list {
		rows = append(rows, []string{g.Country, strings.Repeat("▇", g.Zones) + " " + strconv.Itoa(g.Zones)})
	}
	t.table(rows)
	return nil
}

func (t *Tour) cursor(ctx context.Context) error {
	const batch = 25
	n, before := 0, t.commands.count("getMore")
	cur := t.places.Find(ctx, nil, mgx.BatchSize(batch))
	defer func() { _ = cur.Close() }() // its error is Err's
	for cur.Next() {
		n++
	}
	if err := cur.Err(); err != nil {
		return err
	}
	t.code(fmt.Sprintf(`for cur := collection.Find(ctx, nil, mgx.BatchSize(%d)); cur.Next(); { … }`, batch))
	t.say("%s in a find and %s", screen.Count(n, "document", "documents"), screen.Count(t.commands.count("getMore")-before, "getMore", "getMores"))
	return nil
}

func (t *Tour) duplicate(ctx context.Context) error {
	_, err := t.places.InsertOne(ctx, bson.D{{Key: "_id", Value: "Europe/Berlin"}})
	if !errors.Is(err, mgx.ErrDuplicateKey) {
		return fmt.Errorf("the server did not refuse a second document with the same _id: %w", err)
	}
	t.code(`if errors.Is(err, mgx.ErrDuplicateKey) { … }`)
	t.say("refused, as it should be: %v", err)
	return nil
}

func (t *Tour) remove(ctx context.Context) error {
	result, err := t.places.DeleteMany(ctx, bson.D{{Key: "region", Value: "Antarctica"}})
	if err != nil {
		return err
	}
	left, err := t.places.CountDocuments(ctx, nil)
	if err != nil {
		return err
	}
	t.code(`result, err := collection.DeleteMany(ctx, bson.D{{"region", "Antarctica"}})`)
	t.say("%s deleted, %d left", screen.Count(int(result.DeletedCount), "document", "documents"), left)
	return nil
}

func (t *Tour) serverFacts(ctx context.Context) error {
	var hello struct {
		MinWire  int `bson:"minWireVersion"`
		MaxWire  int `bson:"maxWireVersion"`
		Document int `bson:"maxBsonObjectSize"`
		Message  int `bson:"maxMessageSizeBytes"`
		Batch    int `bson:"maxWriteBatchSize"`
	}
	var build struct {
		Version string `bson:"version"`
	}
	admin := t.client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return err
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&build); err != nil {
		return err
	}
	names, err := t.client.ListDatabaseNames(ctx, nil)
	if err != nil {
		return err
	}
	t.code(`err := client.Database("admin").RunCommand(ctx, bson.D{{"hello", 1}}).Decode(&hello)`)
	t.say("it speaks MongoDB %s, wire versions %d to %d", build.Version, hello.MinWire, hello.MaxWire)
	t.say("documents up to %s bytes, messages up to %s, %s writes in one", screen.Number(hello.Document), screen.Number(hello.Message), screen.Number(hello.Batch))
	t.say("databases: %s", strings.Join(names, ", "))
	return nil
}

func (t *Tour) clientFacts(context.Context) error {
	list, total, failed := t.commands.summary()
	n, words := 0, []string(nil)
	for _, s := range list {
		n += s.n
		words = append(words, fmt.Sprintf("%d %s", s.n, s.name))
	}
	t.code(`options.CommandMonitors = []*event.CommandMonitor{{Succeeded: …}}`)
	t.say("mgx %s on %s, %s/%s", mgx.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	t.say("%s, %d failed, answered in %s altogether:", screen.Count(n, "command", "commands"), failed, screen.Duration(total))
	for chunk := range slices.Chunk(words, 6) {
		t.say("%s", strings.Join(chunk, ", "))
	}
	return nil
}

func (t *Tour) cleanUp(ctx context.Context) error {
	if err := t.client.Database(databaseName).Drop(ctx); err != nil {
		return err
	}
	if err := t.close(); err != nil {
		return err
	}
	t.code("err := database.Drop(ctx); err = client.Close(ctx); err = server.Close()")
	t.say("nothing is left behind")
	return nil
}

// coordinates writes where a place is: "22.53° N 88.37° E".
func coordinates(p places.Place) string {
	lon, lat := p.Location.Coordinates[0], p.Location.Coordinates[1]
	ns, ew := "N", "E"
	if lat < 0 {
		lat, ns = -lat, "S"
	}
	if lon < 0 {
		lon, ew = -lon, "W"
	}
	return fmt.Sprintf("%.2f° %s %.2f° %s", lat, ns, lon, ew)
}

// clock writes how far clocks are ahead of UTC: "UTC+05:30".
func clock(minutes int32) string {
	sign := "+"
	if minutes < 0 {
		sign, minutes = "-", -minutes
	}
	return fmt.Sprintf("UTC%s%02d:%02d", sign, minutes/60, minutes%60)
}
