package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/progress"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// moveFlags are the flags that copy, dump and restore have in common.
type moveFlags struct {
	collections, exclude []string
	parallel             int
	quiet                bool
}

func (m *moveFlags) add(f *pflag.FlagSet) {
	f.StringSliceVar(&m.collections, "collections", nil, "only these collections and views: `names` with commas between them")
	f.StringSliceVar(&m.exclude, "exclude", nil, "all but these collections and views: `names` with commas between them")
	f.IntVar(&m.parallel, "parallel", 4, "`n` collections at a time")
	f.BoolVarP(&m.quiet, "quiet", "q", false, "show no progress, only the summary and what fails")
}

func (m *moveFlags) check() error {
	if m.parallel < 1 {
		return usageError{errors.New("--parallel must be at least 1")}
	}
	return nil
}

// targetFlags say what to do where the target has a collection already.
type targetFlags struct{ drop, merge bool }

func (t *targetFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&t.drop, "drop", false, "drop each collection of the target just before its replacement comes")
	f.BoolVar(&t.merge, "merge", false, "add to collections that the target has already")
}

func (t *targetFlags) check() error {
	if t.drop && t.merge {
		return usageError{errors.New("--drop and --merge exclude each other")}
	}
	return nil
}

// mover shows and sums up how collections move.
type mover struct {
	app  *app
	verb string // copied, dumped, restored
	show *progress.Several
}

func (a *app) newMover(verb string, quiet bool) *mover {
	m := &mover{app: a, verb: verb}
	if !quiet {
		m.show = progress.NewSeveral(a.Err)
	}
	return m
}

// progress shows how far a collection is.
func (m *mover) progress(p mgx.CopyProgress) {
	if p.Done {
		m.show.Finish(p.Collection, m.ended(p))
		return
	}
	text := amount(p.Documents, p.Total, p.Bytes)
	switch p.Stage {
	case mgx.CopyVerify:
		text += ", counting"
	case mgx.CopyIndexes:
		text += ", building indexes"
	default:
		if p.Elapsed >= time.Second {
			text += fmt.Sprintf(", %s a second", screen.Number(int(p.Rate())))
		}
	}
	m.show.Set(p.Collection, progress.State{Done: p.Documents, Total: p.Total, Text: text})
}

func (m *mover) ended(p mgx.CopyProgress) string {
	style := m.app.style(m.app.Err)
	if p.Err != nil {
		return fmt.Sprintf("%s: %s after %s", style.Name(p.Collection), style.Bad("failed"), amount(p.Documents, 0, p.Bytes))
	}
	text := amount(p.Documents, 0, p.Bytes)
	if p.Elapsed > 0 {
		text += " in " + screen.Duration(p.Elapsed)
	}
	return style.Name(p.Collection) + ": " + text
}

func amount(documents, total, bytes int64) string {
	if total > 0 && total != documents {
		return fmt.Sprintf("%s of %s documents, %s", screen.Number(int(documents)), screen.Number(int(total)), bytesText(bytes))
	}
	return screen.Count(int(documents), "document", "documents") + ", " + bytesText(bytes)
}

// summary tells what has moved, and what has not, and returns the error of the whole.
func (m *mover) summary(ctx context.Context, what string, res mgx.CopyResult, err error) error {
	m.show.Close()
	if len(res.Collections) == 0 {
		return err
	}
	a := m.app
	bad := a.style(a.Err)
	done := 0
	for _, c := range res.Collections {
		switch {
		case c.Err == nil:
			done++
		case c.Begun:
			a.tell("%s %s: %s: %v", bad.Bad(m.verb+" in part:"), c.Name, amount(c.Documents, 0, c.Bytes), c.Err)
		default:
			a.tell("%s %s: %v", bad.Bad("not "+m.verb+":"), c.Name, c.Err)
		}
	}
	text := fmt.Sprintf("%s %s: %s, %s in %s", what, m.verb,
		portion(done, len(res.Collections)), amount(res.Documents, 0, res.Bytes), screen.Duration(res.Elapsed))
	if s := res.Elapsed.Seconds(); s >= 0.1 && res.Documents > 0 {
		text += fmt.Sprintf(" (%s documents a second)", screen.Number(int(float64(res.Documents)/s)))
	}
	_, werr := fmt.Fprintln(a.Out, text)
	switch {
	case err == nil:
		return outputError(werr) // which must not stand for a failure of the work
	case ctx.Err() != nil:
		return err
	case done > 0 || res.Documents > 0:
		return errPartly
	}
	return fmt.Errorf("nothing was %s", m.verb) // why stands above, for each
}

func portion(done, all int) string {
	if done == all {
		return screen.Count(all, "collection", "collections")
	}
	return fmt.Sprintf("%s of %s", screen.Number(done), screen.Count(all, "collection", "collections"))
}

// wants tells whether a collection is to move.
func (m *moveFlags) wants(name string) bool {
	return !slices.Contains(m.exclude, name) && (len(m.collections) == 0 || slices.Contains(m.collections, name))
}

// missing is the error of a collection that was asked for and is not there, or of
// nothing to do.
func (m *moveFlags) missing(n int, there func(name string) bool) error {
	for _, name := range m.collections {
		if !there(name) && !slices.Contains(m.exclude, name) {
			return fmt.Errorf("there is no collection %q; nothing was done", name)
		}
	}
	if n == 0 {
		return errors.New("there is no collection to work on")
	}
	return nil
}

// each runs f for collections, a number of them at a time, and returns the first
// error. What is not begun when the context ends, never is.
func (m *mover) each(ctx context.Context, parallel int, list []mgx.CopiedCollection, f func(c *mgx.CopiedCollection, i int) error) error {
	var wg sync.WaitGroup
	turns := make(chan struct{}, parallel)
	for i := range list {
		c := &list[i]
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			c.Err = fmt.Errorf("not begun: %w", context.Cause(ctx))
			continue
		}
		wg.Go(func() {
			defer func() { <-turns }()
			began := time.Now()
			c.Err = f(c, i)
			m.progress(mgx.CopyProgress{Collection: c.Name, Documents: c.Documents, Bytes: c.Bytes, Elapsed: time.Since(began), Done: true, Err: c.Err})
		})
	}
	wg.Wait()
	for i := range list {
		if list[i].Err != nil {
			return list[i].Err
		}
	}
	return nil
}

// total sums collections up.
func total(list []mgx.CopiedCollection, began time.Time) mgx.CopyResult {
	res := mgx.CopyResult{Collections: list, Elapsed: time.Since(began)}
	for _, c := range list {
		res.Documents += c.Documents
		res.Bytes += c.Bytes
	}
	slices.SortFunc(res.Collections, func(a, b mgx.CopiedCollection) int { return strings.Compare(a.Name, b.Name) })
	return res
}
