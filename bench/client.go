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

// Many short rounds: what else the machine does hits a few of them, which the
// medians leave out.
var (
	defaultClient = measure.Settings{Rounds: 21, Time: 40 * time.Millisecond, Limit: 20 * time.Second}
	quickClient   = measure.Settings{Rounds: 3, Time: 8 * time.Millisecond, Limit: 150 * time.Millisecond, Fewest: 1}
)

// The standard benchmark moves a hundred files of documents in parallel, and fifty of
// GridFS: they are of one kind.
const defaultFiles, quickFiles = 8, 2

func runClient(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench client", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON lines instead of a table")
	quick := flags.Bool("quick", false, "measure for less than a minute in all")
	pattern := flags.String("run", "", "measure only what matches this regular `expression`, like findOne/Raw")
	rounds := flags.Int("rounds", defaultClient.Rounds, "rounds to measure, of which the median counts")
	duration := flags.Duration("time", defaultClient.Time, "how long one round of one client takes")
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
	settings := measure.Settings{Rounds: *rounds, Time: *duration, Limit: defaultClient.Limit}
	files := defaultFiles
	if *quick {
		settings, files = quickClient, quickFiles
	}
	dir, err := benchdata.Dir()
	if err != nil {
		return err
	}
	if *asJSON {
		err := clientbench.Run(settings, dir, files, match, func(r clientbench.Result) error { return clientJSON(out, r) })
		if err != nil {
			return err
		}
		return clientbench.Scale(settings.Rounds, match, func(f clientbench.Figure) error { return figureJSON(out, f) })
	}
	if err := clientTable(settings, dir, files, match, out); err != nil {
		return err
	}
	return scaleTable(settings, match, out)
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

func clientTable(settings measure.Settings, dir string, files int, match *regexp.Regexp, out io.Writer) error {
	var t report.Table
	t.Row("", "", "time/op", "CPU/op", "allocs", "bytes", "p50", "p99", "time to mgx", "CPU to mgx")
	results := map[string]clientbench.Result{}
	err := clientbench.Run(settings, dir, files, match, func(r clientbench.Result) error {
		mgx := r.Results[0]
		results[r.Name] = r
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
	if err != nil || len(results) == 0 {
		return err
	}
	fmt.Fprintf(out, "Clients: medians of %d rounds of %v, %s, %s/%s, %d CPUs\n\n",
		settings.Rounds, settings.Time, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if err := t.Write(out); err != nil {
		return err
	}
	return writeAims(out, results)
}

// figureLine is the JSON of one client's figure.
type figureLine struct {
	Bench   string  `json:"bench"`
	Subject string  `json:"subject"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
}

func figureJSON(out io.Writer, f clientbench.Figure) error {
	e := json.NewEncoder(out)
	if err := e.Encode(figureLine{"client/" + f.Name, clientbench.MGX, f.MGX, f.Unit}); err != nil {
		return err
	}
	return e.Encode(figureLine{"client/" + f.Name, clientbench.Official, f.Official, f.Unit})
}

func scaleTable(settings measure.Settings, match *regexp.Regexp, out io.Writer) error {
	var t report.Table
	t.Row("", "mgx", "official", "to mgx")
	n := 0
	err := clientbench.Scale(settings.Rounds, match, func(f clientbench.Figure) error {
		show := func(v float64) string {
			switch f.Unit {
			case "ns":
				return report.Time(v)
			case "B":
				return report.Count(v) + " B"
			}
			return fmt.Sprintf("%.2f", v) + f.Unit
		}
		n++
		t.Row(f.Name, show(f.MGX), show(f.Official), report.Ratio(f.Official, f.MGX)+"×")
		return nil
	})
	if err != nil || n == 0 {
		return err
	}
	fmt.Fprintf(out, "\nScale: medians of rounds that take turns\n\n")
	return t.Write(out)
}

// runServer is the other process: it answers from memory, or stores.
func runServer(args []string, out io.Writer) error {
	dir, err := benchdata.Dir()
	if err != nil {
		return err
	}
	docs, err := benchdata.Load(dir, "tweet")
	if err != nil {
		return err
	}
	if args[0] == clientbench.EmbeddedCommand {
		return clientbench.ServeEmbedded(docs["tweet"], os.Stdin, out)
	}
	return clientbench.Serve(docs["tweet"], os.Stdin, out)
}
