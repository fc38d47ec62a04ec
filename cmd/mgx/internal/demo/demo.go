// Package demo is a tour of the client, against a real server that it starts.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/embedded"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// Tour goes through what the client does and tells what it did on a screen.
type Tour struct {
	out   io.Writer
	style screen.Style
	err   error // of writing

	server   *embedded.Server
	client   *mgx.Client
	places   *mgx.Collection
	commands commands
}

// New returns a tour that is told on out.
func New(out io.Writer, style screen.Style) *Tour { return &Tour{out: out, style: style} }

// step is a part of the tour.
type step struct {
	title string
	run   func(context.Context) error
}

func (t *Tour) steps() []step {
	return []step{
		{"start a server", t.start},
		{"connect", t.connect},
		{"insert the data set", t.insert},
		{"create an index", t.index},
		{"find one document, into a struct", t.findOne},
		{"find with a filter, a sort and a limit", t.find},
		{"find with operators", t.operators},
		{"list the distinct values of a field", t.distinct},
		{"update many documents", t.update},
		{"find and update one, and get it back", t.findAndUpdate},
		{"aggregate: group, sort, limit", t.aggregate},
		{"read a cursor over many batches", t.cursor},
		{"insert a document twice", t.duplicate},
		{"delete", t.remove},
		{"ask the server what it is", t.serverFacts},
		{"see what the client did", t.clientFacts},
		{"clean up", t.cleanUp},
	}
}

// Run goes on the tour. Whatever happens, the server is gone at its end.
func (t *Tour) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, t.close()) }()
	begin := time.Now()
	t.print(t.style.Bold("A tour of mgx against a real server") + "\n")
	for i, s := range t.steps() {
		if err := t.step(ctx, i+1, s); err != nil {
			return err
		}
	}
	t.print(fmt.Sprintf("\n%s in %s\n", t.style.Good("done"), screen.Duration(time.Since(begin))))
	return t.err
}

func (t *Tour) step(ctx context.Context, n int, s step) error {
	told := &strings.Builder{}
	out := t.out
	t.out = told // the time stands above what the step tells
	begin := time.Now()
	err := s.run(ctx)
	d := time.Since(begin)
	t.out = out
	if err != nil {
		return fmt.Errorf("%s: %w", s.title, err)
	}
	title := fmt.Sprintf("%2d  %s ", n, s.title)
	const column = 60
	dots := strings.Repeat(".", max(3, column-utf8.RuneCountInString(title)))
	t.print(fmt.Sprintf("\n%s%s %s\n", t.style.Bold(title), t.style.Dim(dots), t.style.Good(screen.Duration(d))))
	t.print(told.String())
	return t.err
}

// say tells a line about the step that runs.
func (t *Tour) say(format string, args ...any) {
	t.print("    " + fmt.Sprintf(format, args...) + "\n")
}

// table tells rows of equally many columns.
func (t *Tour) table(rows [][]string) {
	widths := map[int]int{}
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for _, row := range rows {
		line := ""
		for i, text := range row {
			line += text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+2)
		}
		t.say("  %s", strings.TrimRight(line, " "))
	}
}

// code shows what a program would say to do the same.
func (t *Tour) code(line string) { t.say("%s", t.style.Name(line)) }

func (t *Tour) print(s string) {
	if t.err == nil {
		_, t.err = io.WriteString(t.out, s)
	}
}

// closeTimeout bounds the word to the server at the end of an interrupted tour.
const closeTimeout = 2 * time.Second

func (t *Tour) close() error {
	var errs []error
	if t.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		errs = append(errs, t.client.Close(ctx))
		t.client = nil
	}
	if t.server != nil {
		errs = append(errs, t.server.Close())
		t.server = nil
	}
	return errors.Join(errs...)
}
