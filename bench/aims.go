package main

import (
	"fmt"
	"io"

	"github.com/mgxdb/mgx/bench/internal/clientbench"
	"github.com/mgxdb/mgx/bench/internal/measure"
	"github.com/mgxdb/mgx/bench/internal/report"
)

// aim is what mgx wants to be in one case: at most so many times what the bare socket
// takes, or at least so many times faster than the official driver.
type aim struct {
	what, bench string
	most, least float64 // one of them
	onlyCPU     bool
}

var aims = []aim{
	{what: "find one into Raw, 64 goroutines, to the bare socket", bench: "findOne/Raw/g64", most: 1.4},
	{what: "ping, 1 goroutine, to the bare socket", bench: "ping/g1", most: 1.2, onlyCPU: true},
	{what: "insertMany of 10,000 small, to official", bench: "insertMany/10000/g1", least: 4},
	{what: "insert one of 2.7 MB, to official", bench: "insertOne/large/g1", least: 3},
	{what: "find 2,000 into three fields, to official", bench: "find/2000/three/g1", least: 8},
	{what: "find 2,000 into D, to official", bench: "find/2000/D/g1", least: 4},
	{what: "find 2,000 into Raw, to official", bench: "find/2000/Raw/g1", least: 1.5},
}

// mostAllocations is the aim for find one into Raw.
const mostAllocations = 5

// writeAims prints, as a table in Markdown, how the aims were met whose cases were
// measured.
func writeAims(out io.Writer, results map[string]clientbench.Result) error {
	var rows []string
	for _, a := range aims {
		r, ok := results[a.bench]
		if !ok {
			continue
		}
		rows = append(rows, a.row(r.Results))
	}
	if r, ok := results["findOne/Raw/g64"]; ok {
		rows = append(rows, fmt.Sprintf("| find one into Raw, allocations | ≤ %d | | %s (official: %s) | %s |", mostAllocations,
			report.Count(r.Results[0].AllocsOp), report.Count(r.Results[1].AllocsOp), yes(r.Results[0].AllocsOp < mostAllocations+0.5)))
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprint(out, "\nAims\n\n| case | aim | CPU | time | met |\n| --- | --- | --- | --- | --- |\n"); err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := fmt.Fprintln(out, row); err != nil {
			return err
		}
	}
	return nil
}

func (a aim) row(results []measure.Result) string {
	mgx, official, bare := results[0], results[1], results[len(results)-1]
	want, cpu, time := fmt.Sprintf("≥ %g× faster", a.least), official.CPUOp/mgx.CPUOp, official.NsOp/mgx.NsOp
	met := func(ratio float64) bool { return ratio >= a.least }
	if a.most > 0 {
		want, cpu, time = fmt.Sprintf("≤ %g×", a.most), mgx.CPUOp/bare.CPUOp, mgx.NsOp/bare.NsOp
		met = func(ratio float64) bool { return ratio <= a.most }
	}
	verdict := yes(met(cpu) && met(time))
	switch {
	case a.onlyCPU:
		want, verdict = want+" of CPU", yes(met(cpu))
	case met(cpu) != met(time):
		verdict = "CPU: " + yes(met(cpu)) + ", time: " + yes(met(time))
	}
	return fmt.Sprintf("| %s | %s | %.2f× | %.2f× | %s |", a.what, want, cpu, time, verdict)
}

func yes(met bool) string {
	if met {
		return "yes"
	}
	return "no"
}
