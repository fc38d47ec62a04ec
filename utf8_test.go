package mgx

import (
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// Text that is not UTF-8 comes and goes as it is, unless the client, a handle or a call
// wants it to be an error.
func TestTextThatIsNotUTF8(t *testing.T) {
	const odd = "caf\xe9"
	type named struct {
		Name string `bson:"name"`
	}
	asked := make(chan string, 9)
	script := scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		doc := bson.D{{"_id", 1}, {"name", odd}}
		switch r.Name {
		case "find":
			text, _ := r.Document.Lookup("filter", "name").StringValueOK()
			asked <- text
		case "distinct":
			text, _ := r.Document.Lookup("query", "name").StringValueOK()
			asked <- text
		}
		return p.Answer(r, bson.D{{"ok", 1}, {"value", doc}, {"values", bson.A{odd}},
			{"cursor", bson.D{{"id", int64(0)}, {"ns", "d.c"}, {"firstBatch", bson.A{doc}}}}}) == nil
	})
	ctx, filter := t.Context(), bson.D{{"name", odd}}
	read := func(c *Collection, options ...DecodeOption) []error {
		check := func(got string, err error) error {
			if err == nil && got != odd {
				t.Errorf("the text is %q", got)
			}
			return err
		}
		var find []FindOption
		var one []FindOneOption
		var distinct []DistinctOption
		var change []FindOneAndUpdateOption
		for _, o := range options {
			find, one, distinct, change = append(find, o), append(one, o), append(distinct, o), append(change, o)
		}
		list, err := Collect[named](c.Find(ctx, filter, find...))
		errs := []error{err}
		if err == nil {
			errs[0] = check(list[0].Name, nil)
		}
		first, err := FindOne[named](ctx, c, filter, one...)
		errs = append(errs, check(first.Name, err))
		values, err := c.Distinct(ctx, "name", filter, distinct...)
		if err == nil {
			first.Name, _ = values[0].(string)
		}
		errs = append(errs, check(first.Name, err))
		var changed named
		err = c.FindOneAndUpdate(ctx, filter, bson.D{{"$set", bson.D{{"a", odd}}}}, change...).Decode(&changed)
		return append(errs, check(changed.Name, err))
	}
	lenient := openClient(t, scripted.Listen(t, script))
	strict := openClient(t, scripted.Listen(t, script), func(o *Options) { o.StrictUTF8 = true })
	for name, test := range map[string]struct {
		c       *Collection
		options []DecodeOption
		fails   bool
	}{
		"by default":         {lenient.Database("d").Collection("c"), nil, false},
		"strict client":      {strict.Database("d").Collection("c"), nil, true},
		"strict handle":      {lenient.Database("d", WithStrictUTF8(true)).Collection("c"), nil, true},
		"strict call":        {lenient.Database("d").Collection("c"), []DecodeOption{WithStrictUTF8(true)}, true},
		"lenient collection": {strict.Database("d").Collection("c", WithStrictUTF8(false)), nil, false},
		"lenient call":       {strict.Database("d").Collection("c"), []DecodeOption{WithStrictUTF8(false)}, false},
	} {
		for i, err := range read(test.c, test.options...) {
			if test.fails {
				is(t, err, nil, "not valid UTF-8")
			} else if err != nil {
				t.Errorf("%s, operation %d: %v", name, i, err)
			}
		}
		for range 3 { // find twice, and distinct
			if text := <-asked; text != odd {
				t.Errorf("%s: the filter has %q", name, text)
			}
		}
	}
}
