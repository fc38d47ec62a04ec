package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/mgxdb/mgx/bench/internal/benchdata"
	"github.com/mgxdb/mgx/bench/internal/clientbench"
	"github.com/mgxdb/mgx/bench/internal/measure"
	"github.com/mgxdb/mgx/bench/internal/report"
)

var quickClient = measure.Settings{Rounds: 3, Time: 40 * time.Millisecond}

func runClient(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench client", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON lines instead of a table")
	quick := flags.Bool("quick", false, "measure for less than a minute in all")
	pattern := flags.String("run", "", "measure only what matches this regular `expression`, like findOne/Raw")
	rounds := flags.Int("rounds", measure.Default.Rounds, "rounds to measure, of which the median counts")
	duration := flags.Duration("time", 200*time.Millisecond, "how long one round of one client takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("client takes no argument, but got %q", flags.Args())
	}
	match, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	settings := measure.Settings{Rounds: *rounds, Time: *duration}
	if *quick {
		settings = quickClient
	}
	dir, err := benchdata.Dir()
	if err != nil {
		return err
	}
	if *asJSON {
		return clientbench.Run(settings, dir, match, func(r clientbench.Result) error { return clientJSON(out, r) })
	}
	return clientTable(settings, dir, match, out)
}

// clientLine is the JSON of one client's result.
type clientLine struct {
	report.Line
	CPUOp float64 `json:"cpu_op"`
	P50   float64 `json:"p50_ns"`
	P99   float64 `json:"p99_ns"`
}

func clientJSON(out io.Writer, r clientbench.Result) error {
	e := json.NewEncoder(out)
	for i, one := range r.Results {
		line := clientLine{
			report.Line{Bench: "client/" + r.Name, Subject: one.Subject, NsOp: one.NsOp, AllocsOp: one.AllocsOp, BytesOp: one.BytesOp},
			one.CPUOp, r.Latencies[i].P50, r.Latencies[i].P99,
		}
		if err := e.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func clientTable(settings measure.Settings, dir string, match *regexp.Regexp, out io.Writer) error {
	var t report.Table
	t.Row("", "", "time/op", "CPU/op", "allocs", "bytes", "p50", "p99", "time to mgx", "CPU to mgx")
	err := clientbench.Run(settings, dir, match, func(r clientbench.Result) error {
		mgx := r.Results[0]
		for i, one := range r.Results {
			name := r.Name
			if i > 0 {
				name = ""
			}
			t.Row(name, one.Subject, report.Time(one.NsOp), report.Time(one.CPUOp), report.Count(one.AllocsOp), report.Count(one.BytesOp),
				report.Time(r.Latencies[i].P50), report.Time(r.Latencies[i].P99),
				report.Ratio(one.NsOp, mgx.NsOp)+"×", report.Ratio(one.CPUOp, mgx.CPUOp)+"×")
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Clients: medians of %d rounds of %v, %s, %s/%s, %d CPUs\n\n",
		settings.Rounds, settings.Time, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	return t.Write(out)
}

// runServer is the other process.
func runServer(_ []string, out io.Writer) error {
	dir, err := benchdata.Dir()
	if err != nil {
		return err
	}
	docs, err := benchdata.Load(dir, "tweet")
	if err != nil {
		return err
	}
	return clientbench.Serve(docs["tweet"], os.Stdin, out)
}
