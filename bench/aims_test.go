package main

import (
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bench/internal/clientbench"
	"github.com/mgxdb/mgx/bench/internal/measure"
)

func TestAims(t *testing.T) {
	three := func(mgx, official, bare measure.Result) clientbench.Result {
		return clientbench.Result{Results: []measure.Result{mgx, official, bare}}
	}
	var out strings.Builder
	err := writeAims(&out, map[string]clientbench.Result{
		"findOne/Raw/g64": three(measure.Result{NsOp: 130, CPUOp: 150, AllocsOp: 4}, measure.Result{AllocsOp: 78}, measure.Result{NsOp: 100, CPUOp: 100}),
		"ping/g1":         three(measure.Result{NsOp: 300, CPUOp: 110}, measure.Result{}, measure.Result{NsOp: 100, CPUOp: 100}),
		"find/2000/D/g1":  three(measure.Result{NsOp: 10, CPUOp: 10}, measure.Result{NsOp: 39, CPUOp: 30}, measure.Result{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| find one into Raw, 64 goroutines, to the bare socket | ≤ 1.4× | 1.50× | 1.30× | CPU: no, time: yes |",
		"| ping, 1 goroutine, to the bare socket | ≤ 1.2× of CPU | 1.10× | 3.00× | yes |",
		"| find 2,000 into D, to official | ≥ 4× faster | 3.00× | 3.90× | no |",
		"| find one into Raw, allocations | ≤ 5 | | 4 (official: 78) | yes |",
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "insert") {
		t.Error("it has aims that were not measured")
	}
}
