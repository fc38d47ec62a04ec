package transfer

import (
	"bytes"
	"context"
	"fmt"
	"slices"
)

// Kind is why a transfer was refused.
type Kind uint8

// The reasons to refuse a transfer.
const (
	// Missing is a database or a collection that is not in the source.
	Missing Kind = iota
	// Exists is a collection that is in the target already.
	Exists
	// Same is a source that seems to be the target.
	Same
)

// Refusal is why a transfer was not begun.
type Refusal struct {
	Kind Kind
	Text string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

func refuse(kind Kind, format string, args ...any) error {
	return &Refusal{kind, fmt.Sprintf(format, args...)}
}

// Add plans to move a database, and returns how many of its collections that is.
// Nothing is changed yet. prefix goes before the names of the collections in what the
// transfer says. The error is a *Refusal if the plan cannot be.
func (t *Transfer) Add(ctx context.Context, from Source, to Target, prefix string) (int, error) {
	specs, err := from.Collections(ctx)
	if err != nil {
		return 0, err
	}
	if len(specs) == 0 {
		return 0, refuse(Missing, "there is no such database, or it has no collections")
	}
	existing, err := to.Existing(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for i := range specs {
		spec := &specs[i]
		if slices.Contains(t.options.Only, spec.Name) {
			t.only[spec.Name] = true
		}
		if !t.options.Wants(spec.Name) {
			continue
		}
		one := task{from: from, to: to, spec: *spec, out: Moved{Name: prefix + spec.Name, View: spec.View()}}
		if i := slices.IndexFunc(existing, func(e Collection) bool { return e.Name == spec.Name }); i >= 0 {
			if one.conflict, err = t.conflict(spec, &existing[i], to.Name()); err != nil {
				return 0, err
			}
		} else if t.options.Merge {
			one.conflict = FreeOrMerge
		}
		if spec.View() {
			t.views = append(t.views, one)
		} else {
			t.collections = append(t.collections, one)
		}
		n++
	}
	return n, nil
}

// conflict decides about a collection that the target has already.
func (t *Transfer) conflict(source, target *Collection, database string) (Conflict, error) {
	switch {
	case t.options.Merge && source.View() != target.View():
		return 0, refuse(Exists, "of %q, one of source and target is a view and the other a collection, which cannot be merged; nothing was %s",
			source.Name, t.options.Verb)
	case t.options.Merge:
		return Merge, nil
	case !t.options.Drop:
		return 0, refuse(Exists, "the target %s has a collection %q already; nothing was %s", database, source.Name, t.options.Verb)
	case len(source.Info.UUID.Data) > 0 && bytes.Equal(source.Info.UUID.Data, target.Info.UUID.Data):
		// Two addresses may lead to one server.
		return 0, refuse(Same, "the collection %q has the same UUID in source and target, so they seem to be one; nothing was dropped or %s",
			source.Name, t.options.Verb)
	}
	return Replace, nil
}

// Missing returns an error if a name of Options.Only is not in any of the databases.
func (t *Transfer) Missing() error {
	for _, name := range t.options.Only {
		if !t.only[name] && !slices.Contains(t.options.Exclude, name) {
			return refuse(Missing, "there is no collection %q; nothing was %s", name, t.options.Verb)
		}
	}
	return nil
}

// inOrder sorts views such that each comes behind the one that it is on.
func inOrder(views []task) []task {
	sorted := make([]task, 0, len(views))
	placed := make([]bool, len(views))
	var place func(i int)
	place = func(i int) {
		if placed[i] {
			return
		}
		placed[i] = true // before the others: views may be in a circle
		on := views[i].spec.viewOn()
		for j := range views {
			if views[j].to == views[i].to && views[j].spec.Name == on {
				place(j)
			}
		}
		sorted = append(sorted, views[i])
	}
	for i := range views {
		place(i)
	}
	return sorted
}
