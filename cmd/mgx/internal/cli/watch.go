package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

const watchHelp = `
Watch prints what changes in a collection, a database or, without a name, the whole
deployment: each event in Extended JSON, one a line, until Ctrl-C. It needs a replica
set or a sharded cluster, and goes on by itself when a server is lost.

The pipeline is an array of stages that the events go through, in Extended JSON. With
--resume-file the place of the last event that was printed is kept in a file, and the
next watch with that file goes on behind it.
`

const watchExample = `  mgx watch shop.orders
  mgx watch mongodb://localhost/?replicaSet=rs0 shop '[{"$match":{"operationType":"insert"}}]'
  mgx watch shop.orders --full-document updateLookup --resume-file orders.token | jq .fullDocument`

type watchFlags struct {
	full, before, file string
	expanded, split    bool
	limit              int64
	output             output
}

func (a *app) watch() *cobra.Command {
	var flags watchFlags
	cmd := &cobra.Command{
		Use:     "watch [URI] [DATABASE[.COLLECTION]] [PIPELINE]",
		Short:   "Print changes as they happen",
		Long:    help(watchHelp),
		Example: watchExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runWatch(cmd.Context(), args, &flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.full, "full-document", "", "`mode` of whole documents in updates: updateLookup, whenAvailable, required")
	f.StringVar(&flags.before, "before", "", "`mode` of documents as they were: whenAvailable, required")
	f.StringVar(&flags.file, "resume-file", "", "`file` that keeps the place of the last event")
	f.BoolVar(&flags.expanded, "expanded", false, "show changes of collections and indexes, too")
	f.BoolVar(&flags.split, "split-large", false, "have the server split events above 16 MiB, and put them together")
	f.Int64Var(&flags.limit, "limit", 0, "end after `n` events (default: never)")
	f.VarP(&flags.output, "output", "o", outputUsage)
	return cmd
}

func (a *app) runWatch(ctx context.Context, args []string, flags *watchFlags) error {
	uri, args := takeURI(args)
	namespace := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "[") && !strings.HasPrefix(args[0], "{") {
		namespace, args = args[0], args[1:]
	}
	var pipeline any
	if len(args) > 1 {
		return usageError{errors.New("there is more than one pipeline; quote it for the shell: '…'")}
	}
	if len(args) == 1 {
		var err error
		if pipeline, err = parsePipeline("the pipeline", args[0]); err != nil {
			return err
		}
	}
	options, err := flags.options()
	if err != nil {
		return err
	}
	return a.withClient(ctx, uri, func(client *mgx.Client) error {
		stream, err := openStream(ctx, client, namespace, pipeline, options)
		if err != nil {
			return err
		}
		return a.printEvents(ctx, stream, flags)
	})
}

func openStream(ctx context.Context, client *mgx.Client, namespace string, pipeline any, options []mgx.WatchOption) (*mgx.ChangeStream, error) {
	database, collection, both := strings.Cut(namespace, ".")
	switch {
	case both:
		return client.Database(database).Collection(collection).Watch(ctx, pipeline, options...)
	case namespace != "":
		return client.Database(database).Watch(ctx, pipeline, options...)
	}
	return client.Watch(ctx, pipeline, options...)
}

func (f *watchFlags) options() ([]mgx.WatchOption, error) {
	if f.limit < 0 {
		return nil, usageError{errors.New("--limit cannot be negative")}
	}
	var options []mgx.WatchOption
	if f.full != "" {
		options = append(options, mgx.FullDocument(f.full))
	}
	if f.before != "" {
		options = append(options, mgx.FullDocumentBeforeChange(f.before))
	}
	if f.expanded {
		options = append(options, mgx.ShowExpandedEvents())
	}
	if f.split {
		options = append(options, mgx.SplitLargeEvents())
	}
	token, err := readToken(f.file)
	if err != nil {
		return nil, err
	}
	return append(options, mgx.StartAfter(token)), nil
}

// idleSave is how often the place is kept while there are no events.
const idleSave = 10 * time.Second

// printEvents writes the events of a stream until the context ends.
func (a *app) printEvents(ctx context.Context, stream *mgx.ChangeStream, flags *watchFlags) error {
	defer func() { _ = stream.Close(ctx) }()
	out := newDocuments(a.Out, flags.output.canonical)
	saved := time.Time{}
	for printed := int64(0); flags.limit == 0 || printed < flags.limit; {
		waited, cancel := context.WithTimeout(ctx, idleSave)
		found := stream.Next(waited)
		idle := waited.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case found:
			if err := errors.Join(out.write(stream.Current()), out.flush()); err != nil {
				return err // who reads no more has not seen it
			}
			printed++
		case ctx.Err() != nil:
			return ctx.Err()
		case stream.Err() != nil && !idle:
			return stream.Err()
		case stream.Closed():
			return nil
		}
		if found || time.Since(saved) >= idleSave {
			if err := writeToken(flags.file, stream.ResumeToken()); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	return nil
}

// readToken reads the place that a watch has got to; nil: there is none yet.
func readToken(file string) (bson.Raw, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var token bson.D
	if err := bson.UnmarshalExtJSON(data, true, &token); err != nil || len(token) == 0 {
		return nil, fmt.Errorf("%s holds no resume token; remove it to begin with the changes from now on", file)
	}
	return bson.Marshal(token)
}

// writeToken keeps the place: the file has the one before or the new one, whole.
func writeToken(file string, token bson.Raw) error {
	if file == "" || token == nil {
		return nil
	}
	data, err := bson.MarshalExtJSON(token, true, false)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }() // unless it has the file's name by then
	_, err = next.Write(append(data, '\n'))
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), file)
}
