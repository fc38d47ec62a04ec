package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mgxdb/mgx/cmd/mgx/internal/progress"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/internal/transfer"
)

// moveFlags are the flags that copy, dump and restore have in common.
type moveFlags struct {
	collections, exclude []string
	parallel             int
	quiet                bool
}

func (m *moveFlags) add(f *pflag.FlagSet) {
	f.Var((*names)(&m.collections), "collections", "only these collections and views: `names` with commas between them")
	f.Var((*names)(&m.exclude), "exclude", "all but these collections and views: `names` with commas between them; one in a name is \\,")
	f.IntVar(&m.parallel, "parallel", 4, "`n` collections at a time")
	f.BoolVarP(&m.quiet, "quiet", "q", false, "show no progress, only the summary and what fails")
}

func (m *moveFlags) check() error {
	if m.parallel < 1 {
		return usageError{errors.New("--parallel must be at least 1")}
	}
	return nil
}

// names are a list with commas between them. A backslash takes the comma or backslash
// behind it for a part of a name.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }
func (n *names) Type() string   { return "names" }

func (n *names) Set(s string) error {
	name := []byte{}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == ',':
			*n = append(*n, string(name))
			name = name[:0]
			continue
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == ',' || s[i+1] == '\\'):
			i++
		}
		name = append(name, s[i])
	}
	*n = append(*n, string(name))
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
	app     *app
	options transfer.Options
	show    *progress.Several
}

func (a *app) newMover(verb string, flags *moveFlags) *mover {
	m := &mover{app: a, options: transfer.Options{Parallel: flags.parallel, Only: flags.collections, Exclude: flags.exclude, Verb: verb}}
	if !flags.quiet {
		m.show = progress.NewSeveral(a.Err)
	}
	m.options.Progress = m.progress
	return m
}

// move moves what was planned, and tells how that went.
func (m *mover) move(ctx context.Context, t *transfer.Transfer, what string) error {
	if err := t.Missing(); err != nil {
		return err
	}
	res := t.Run(ctx)
	if len(res.Collections) == 0 {
		return errors.New("there is no collection to work on")
	}
	return m.summary(ctx, what, &res)
}

// explain adds what to do where the target has collections already.
func (m *mover) explain(err error) error {
	var refused *transfer.Refusal
	if errors.As(err, &refused) && refused.Kind == transfer.Exists && !m.options.Merge {
		return errors.Join(err, errors.New("--drop replaces collections that are "+m.options.Verb+", --merge adds to them"))
	}
	return err
}

// progress shows how far a collection is.
func (m *mover) progress(p transfer.Progress) {
	name := screen.Name(p.Name)
	if p.Done {
		m.show.Finish(name, m.ended(name, p))
		return
	}
	text := amount(p.Written, p.Total)
	switch p.Stage {
	case transfer.Verify:
		text += ", counting"
	case transfer.Indexes:
		text += ", building indexes"
	default:
		if s := p.Elapsed.Seconds(); s >= 1 {
			text += fmt.Sprintf(", %s a second", screen.Number(int(float64(p.Documents)/s)))
		}
	}
	state := progress.State{Done: p.Documents, Total: p.Total, Text: text}
	if p.Size > 0 {
		state.Done, state.Total = p.Read, p.Size
	}
	m.show.Set(name, state)
}

func (m *mover) ended(name string, p transfer.Progress) string {
	style := m.app.style(m.app.Err)
	if p.Err != nil {
		return fmt.Sprintf("%s: %s after %s", style.Name(name), style.Bad("failed"), amount(p.Written, 0))
	}
	text := amount(p.Written, 0)
	if p.Elapsed > 0 {
		text += " in " + screen.Duration(p.Elapsed)
	}
	return style.Name(name) + ": " + text
}

func amount(w transfer.Written, total int64) string {
	text := screen.Count(int(w.Documents), "document", "documents") + ", " + bytesText(w.Bytes)
	if total > 0 && total != w.Documents {
		text = fmt.Sprintf("%s of %s documents, %s", screen.Number(int(w.Documents)), screen.Number(int(total)), bytesText(w.Bytes))
	}
	if w.Duplicates > 0 {
		text += fmt.Sprintf(", %s there already", screen.Number(int(w.Duplicates)))
	}
	return text
}

// summary tells what has moved, and what has not, and returns the error of the whole.
func (m *mover) summary(ctx context.Context, what string, res *transfer.Result) error {
	m.show.Close()
	a, verb := m.app, m.options.Verb
	bad := a.style(a.Err)
	done := 0
	for i := range res.Collections {
		c := &res.Collections[i]
		switch name := screen.Name(c.Name); {
		case c.Err == nil:
			done++
		case c.Begun:
			a.tell("%s %s: %s: %v", bad.Bad(verb+" in part:"), name, amount(c.Written, 0), c.Err)
		default:
			a.tell("%s %s: %v", bad.Bad("not "+verb+":"), name, c.Err)
		}
	}
	text := fmt.Sprintf("%s %s: %s, %s in %s", what, verb,
		portion(done, len(res.Collections)), amount(res.Written, 0), screen.Duration(res.Elapsed))
	if s := res.Elapsed.Seconds(); s >= 0.1 && res.Documents > 0 {
		text += fmt.Sprintf(" (%s documents a second)", screen.Number(int(float64(res.Documents)/s)))
	}
	_, werr := fmt.Fprintln(a.Out, text)
	err := res.Err()
	switch {
	case err == nil && res.Duplicates > 0:
		return errPartly
	case err == nil:
		return outputError(werr) // which must not stand for a failure of the work
	case ctx.Err() != nil:
		return err
	case done > 0 || res.Documents > 0:
		return errPartly
	}
	return fmt.Errorf("nothing was %s", verb) // why stands above, for each
}

func portion(done, all int) string {
	if done == all {
		return screen.Count(all, "collection", "collections")
	}
	return fmt.Sprintf("%s of %s", screen.Number(done), screen.Count(all, "collection", "collections"))
}

// wants reports whether a collection is to move.
func (m *moveFlags) wants(name string) bool {
	o := transfer.Options{Only: m.collections, Exclude: m.exclude}
	return o.Wants(name)
}
