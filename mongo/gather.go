package mongo

import (
	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// gatherer makes mgx's options of an operation, and keeps the first error.
type gatherer[O any] struct {
	codec codec
	list  []O
	err   error
}

// gather returns the options that f adds.
func gather[O any](c codec, f func(*gatherer[O])) ([]O, error) {
	g := &gatherer[O]{codec: c}
	f(g)
	return g.list, g.err
}

func (g *gatherer[O]) add(o O) { g.list = append(g.list, o) }

// value adds an option of any value, unless that is nil.
func (g *gatherer[O]) value(v any, option func(any) O) { g.encoded(v, g.codec.value, option) }

// document adds an option of a document, unless that is nil.
func (g *gatherer[O]) document(v any, option func(any) O) {
	g.encoded(v, func(v any) (any, error) { return g.codec.document(v) }, option)
}

// ordered adds an option of a document whose order matters, or of a name, unless that is
// nil.
func (g *gatherer[O]) ordered(name string, v any, option func(any) O) {
	g.encoded(v, func(v any) (any, error) { return g.codec.ordered(name, v) }, option)
}

func (g *gatherer[O]) encoded(v any, encode func(any) (any, error), option func(any) O) {
	if v == nil || g.err != nil {
		return
	}
	value, err := encode(v)
	if err != nil {
		g.err = err
		return
	}
	g.add(option(value))
}

// updateOptions are what updates and replacements have in common.
type updateOptions struct {
	arrayFilters []any
	bypass       *bool
	collation    *options.Collation
	comment      any
	hint         any
	upsert       *bool
	let          any
}

func (u updateOptions) gather(c *codec, failed *error) []any {
	list, err := gather[any](*c, func(g *gatherer[any]) {
		if u.arrayFilters != nil {
			filters, err := c.documents(u.arrayFilters)
			if err != nil {
				g.err = err
				return
			}
			g.add(mgx.ArrayFilters(filters...))
		}
		if is(u.bypass) {
			g.add(mgx.BypassDocumentValidation(true))
		}
		if u.collation != nil {
			g.add(mgx.WithCollation(collation(u.collation)))
		}
		g.value(u.comment, func(v any) any { return mgx.Comment(v) })
		g.ordered("hint", u.hint, func(v any) any { return mgx.Hint(v) })
		if is(u.upsert) {
			g.add(mgx.Upsert())
		}
		g.document(u.let, func(v any) any { return mgx.Let(v) })
	})
	if *failed == nil {
		*failed = err
	}
	return list
}
