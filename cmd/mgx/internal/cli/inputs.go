package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mgxdb/mgx/cmd/mgx/internal/jsonlines"
	"github.com/mgxdb/mgx/cmd/mgx/internal/progress"
)

// sink takes the documents of inputs.
type sink interface {
	// begin names the input that follows.
	begin(label string)
	add(ctx context.Context, doc jsonlines.Document) error
	malformed(ctx context.Context, wrong *jsonlines.Error) error
	// flush is called at an input's end.
	flush(ctx context.Context) error
}

// readInputs reads documents from files, of which "-" is the standard input, as is
// no file at all.
func (a *app) readInputs(ctx context.Context, files []string, bar *progress.Bar, s sink) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if err := a.readInput(ctx, name, bar, s); err != nil {
			return err
		}
	}
	return nil
}

// readInput reads one input. A line number counts within its input, so no batch goes
// over its end.
func (a *app) readInput(ctx context.Context, name string, bar *progress.Bar, s sink) error {
	r, label := a.In, "standard input"
	if name != "-" {
		f, err := openInput(ctx, name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read
		r, label = f, name
	}
	s.begin(label)
	docs := jsonlines.NewReader(&interruptible{ctx: ctx, r: bar.Reader(r)})
	for {
		doc, err := docs.Next()
		var wrong *jsonlines.Error
		switch {
		case err == io.EOF:
			return s.flush(ctx)
		case errors.As(err, &wrong):
			err = s.malformed(ctx, wrong)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return errors.Join(s.flush(ctx), fmt.Errorf("%s: %w", label, err))
		default:
			err = s.add(ctx, doc)
		}
		if err != nil {
			return err
		}
	}
}

// openInput opens a file. That of a pipe waits until somebody writes, or until the
// context ends: then it is left behind.
func openInput(ctx context.Context, name string) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(name)
		done <- result{f, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case got := <-done:
		return got.f, got.err
	}
}
