package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/progress"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

const insertHelp = `
Insert reads documents in Extended JSON, from files or from the standard input, and
inserts them. The documents stand one a line, or formatted over several lines, or all
in one array; input compressed with gzip is recognised. Inputs of any size are
streamed.

A document that is not Extended JSON, or that the server refuses, is reported with
its line, and the others go on; --stop-on-error ends at the first one. --unordered
lets the server insert documents in any order, which is faster where many are
refused.

Outside of an array, a line that begins with an opening brace and goes on begins a
document, whatever stands before it.
`

const insertExample = `  mgx insert shop.orders orders.jsonl
  mgx insert mongodb://localhost:27018/ shop.orders *.json.gz --unordered
  mgx find shop.orders -o canonical | mgx insert mongodb://elsewhere/ shop.orders`

type insertFlags struct {
	batch       int
	unordered   bool
	stopOnError bool
}

func (a *app) insert() *cobra.Command {
	var flags insertFlags
	cmd := &cobra.Command{
		Use:     "insert [URI] DATABASE.COLLECTION [FILE...]",
		Short:   "Insert documents from files or the standard input",
		Long:    help(insertHelp),
		Example: insertExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runInsert(cmd.Context(), args, flags)
		},
	}
	f := cmd.Flags()
	f.IntVar(&flags.batch, "batch", 1000, "insert `n` documents at a time")
	f.BoolVar(&flags.unordered, "unordered", false, "let the server insert in any order")
	f.BoolVar(&flags.stopOnError, "stop-on-error", false, "end at the first document that cannot be inserted")
	return cmd
}

func (a *app) runInsert(ctx context.Context, args []string, flags insertFlags) error {
	uri, args := takeURI(args)
	database, collection, files, err := takeNamespace(uri, args)
	if err != nil {
		return err
	}
	if flags.batch < 1 {
		return usageError{errors.New("--batch must be at least 1")}
	}
	total, err := totalSize(a.In, files)
	if err != nil {
		return err
	}
	return a.withClient(ctx, uri, func(client *mgx.Client) error {
		limit, err := documentLimit(ctx, client)
		if err != nil {
			return err
		}
		in := &inserter{
			app: a, flags: flags, limit: limit,
			collection: client.Database(database).Collection(collection),
			bar:        progress.NewBar(a.Err, total, a.style(a.Err) != screen.Style{}),
			several:    len(files) > 1,
		}
		return in.run(ctx, files)
	})
}

// totalSize adds the sizes of the inputs up, or returns -1 if one is not a file. It
// finds files that cannot be read before anything is inserted.
func totalSize(stdin io.Reader, files []string) (total int64, err error) {
	if len(files) == 0 {
		files = []string{"-"}
	}
	known := true
	for _, name := range files {
		var info os.FileInfo
		if name != "-" {
			info, err = stat(name)
		} else if f, ok := stdin.(*os.File); ok {
			info, err = f.Stat()
		}
		if err != nil {
			return 0, err
		}
		known = known && info != nil && info.Mode().IsRegular()
		if known {
			total += info.Size()
		}
	}
	if !known {
		return -1, nil
	}
	return total, nil
}

// stat is os.Stat, and sees that the file can be opened and is not a folder. A pipe is
// not tried: to open it waits for who writes, and to close it again tells them that
// nobody reads.
func stat(name string) (os.FileInfo, error) {
	if info, err := os.Stat(name); err != nil || info.Mode()&os.ModeNamedPipe != 0 {
		return info, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only looked at
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", name)
	}
	return info, err
}

// run inserts what the inputs hold and tells how many went in.
func (in *inserter) run(ctx context.Context, files []string) error {
	begin := time.Now()
	err := in.app.readInputs(ctx, files, in.bar, in)
	if errors.Is(err, errStopped) {
		err = nil
	}
	in.bar.Close()
	d := time.Since(begin)
	style := in.app.style(in.app.Out)
	text := fmt.Sprintf("%s inserted into %s in %s", screen.Count(in.inserted, "document", "documents"), in.collection.Namespace(), screen.Duration(d))
	if s := d.Seconds(); s >= 0.1 && in.inserted > 0 {
		text += fmt.Sprintf(" (%s a second)", screen.Number(int(float64(in.inserted)/s)))
	}
	if in.failed > 0 {
		text += ", " + style.Bad(screen.Number(in.failed)+" not")
	}
	if err == nil && in.failed > 0 {
		err = errPartly
	}
	if _, werr := fmt.Fprintln(in.app.Out, text); err == nil {
		err = outputError(werr)
	}
	return err
}
