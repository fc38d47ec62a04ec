package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"

	"github.com/mgxdb/mgx/bench/internal/copybench"
	"github.com/mgxdb/mgx/bench/internal/report"
)

func runCopy(args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("bench copy", flag.ContinueOnError)
	s := copybench.Settings{}
	flags.IntVar(&s.Documents, "docs", 500_000, "how many documents")
	flags.IntVar(&s.Collections, "collections", 20, "how many collections they are in")
	flags.IntVar(&s.Parallel, "parallel", 4, "how many collections mgx copies at a time")
	flags.BoolVar(&s.Check, "check", true, "read both copies again and compare them with the source")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("copy takes no argument, but got %q", flags.Args())
	}
	if s.Documents < s.Collections || s.Collections < 1 || s.Parallel < 1 {
		return fmt.Errorf("%d documents in %d collections, %d at a time: that cannot be", s.Documents, s.Collections, s.Parallel)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "mgx-bench-copy-")
	if err != nil {
		return err
	}
	defer func() {
		if removed := os.RemoveAll(dir); err == nil {
			err = removed
		}
	}()
	var t report.Table
	t.Row("", "time", "documents/s", "counting", "client CPU", "target CPU")
	err = copybench.Run(ctx, s, dir, os.Stderr, func(r copybench.Result) error {
		counting := "included"
		if r.Counting > 0 {
			counting = report.Time(float64(r.Counting))
		}
		t.Row(r.Name, report.Time(float64(r.Time)), fmt.Sprintf("%.0f", r.Rate(s.Documents)), counting,
			report.Time(float64(r.Client)), report.Time(float64(r.Server)))
		return nil
	})
	if err != nil {
		return err
	}
	checked := "not compared with the source"
	if s.Check {
		checked = "both compared with the source, document by document"
	}
	fmt.Fprintf(out, "Copying %d documents in %d collections between two embedded servers: %s, %s/%s, %d CPUs; %s\n\n",
		s.Documents, s.Collections, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), checked)
	return t.Write(out)
}
