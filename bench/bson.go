package main

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"runtime"

	"github.com/mgxdb/mgx/bench/internal/benchdata"
	"github.com/mgxdb/mgx/bench/internal/bsonbench"
	"github.com/mgxdb/mgx/bench/internal/measure"
	"github.com/mgxdb/mgx/bench/internal/report"
)

func runBSON(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench bson", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON lines instead of a table")
	quick := flags.Bool("quick", false, "measure as briefly as can be; the figures are worth little")
	pattern := flags.String("run", "", "measure only what matches this regular `expression`, like decode/tweet")
	rounds := flags.Int("rounds", bsonbench.Settings.Rounds, "rounds to measure, of which the median counts")
	duration := flags.Duration("time", bsonbench.Settings.Time, "how long one round of one codec takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("bson takes no argument, but got %q", flags.Args())
	}
	match, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	settings := bsonbench.Settings
	settings.Rounds, settings.Time = *rounds, *duration
	if *quick {
		settings.Rounds, settings.Time = measure.Quick.Rounds, measure.Quick.Time
	}
	dir, err := benchdata.Dir()
	if err != nil {
		return err
	}
	cases, err := bsonbench.Cases(dir, match)
	if err != nil {
		return err
	}
	if len(cases) == 0 {
		return fmt.Errorf("nothing matches %q", *pattern)
	}
	if *asJSON {
		return bsonbench.Run(settings, cases, func(r bsonbench.Result) error {
			return report.JSON(out, "bson/"+r.Name, r.Results)
		})
	}
	return bsonTable(settings, cases, out)
}

func bsonTable(settings measure.Settings, cases []bsonbench.Case, out io.Writer) error {
	var t report.Table
	t.Row("", "size", "mgx", "MB/s", "allocs", "bytes", "official", "MB/s", "allocs", "bytes", "faster", "allocs")
	err := bsonbench.Run(settings, cases, func(r bsonbench.Result) error {
		mgx, official := r.Results[0], r.Results[1]
		row := []string{r.Name, fmt.Sprint(r.Size)}
		for _, one := range r.Results {
			row = append(row, report.Time(one.NsOp), report.Rate(r.Size, one.NsOp), report.Count(one.AllocsOp), report.Count(one.BytesOp))
		}
		row = append(row, report.Ratio(measure.Times(official, mgx), 1)+"×", report.Ratio(official.AllocsOp, mgx.AllocsOp)+"×")
		t.Row(row...)
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "BSON: medians of %d rounds of %v; faster: the median of the rounds' ratios; %s, %s/%s, %d CPUs\n\n",
		settings.Rounds, settings.Time, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	return t.Write(out)
}
