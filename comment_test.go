package mgx

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/scripted"
)

// Commands without a comment get one from the operation's context, where servers know
// it; one that the call says stays, and every command keeps its other fields.
func TestCommandComment(t *testing.T) {
	for _, test := range []struct {
		wire int
		want []string
	}{
		{9, []string{`insert "insert of db"`, `find "mine"`, `getMore "mine"`, `ping "runCommand of db"`}},
		{8, []string{"insert", `find "mine"`, "getMore", "ping"}},
	} {
		t.Run(fmt.Sprint(test.wire), func(t *testing.T) {
			var mu sync.Mutex
			var lines []string
			s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "maxWireVersion", Value: test.wire}), func(p *scripted.Peer, r scripted.Request) bool {
				line := r.Name
				if v, err := r.Document.LookupErr("comment"); err == nil {
					line += " " + v.String()
				}
				mu.Lock()
				lines = append(lines, line)
				mu.Unlock()
				cursor := bson.D{{"id", int64(7)}, {"ns", "db.c"}, {"firstBatch", bson.A{bson.D{}}}}
				switch r.Name {
				case "getMore":
					cursor = bson.D{{"id", int64(0)}, {"ns", "db.c"}, {"nextBatch", bson.A{}}}
					fallthrough
				case "find":
					return p.Answer(r, bson.D{{"ok", 1}, {"cursor", cursor}}) == nil
				}
				return scripted.Ping(p, r)
			}))
			type name struct{}
			c := openClient(t, s, func(o *Options) {
				o.OperationMonitors = []*event.OperationMonitor{{Started: func(ctx context.Context, e *event.OperationStarted) context.Context {
					return context.WithValue(ctx, name{}, e.Name+" of "+e.Database)
				}}}
				o.CommandComment = func(ctx context.Context) string { text, _ := ctx.Value(name{}).(string); return text }
			})
			mu.Lock()
			lines = nil
			mu.Unlock()
			coll := c.Database("db").Collection("c")
			if _, err := coll.InsertOne(t.Context(), bson.D{}); err != nil {
				t.Error(err)
			}
			if _, err := Collect[bson.D](coll.Find(t.Context(), nil, Comment("mine"))); err != nil {
				t.Error(err)
			}
			if _, err := c.Database("db").RunCommand(t.Context(), bson.D{{"ping", 1}}).Raw(); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(lines, test.want) {
				t.Errorf("%q\nwant\n%q", lines, test.want)
			}
		})
	}
}
