package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bench/internal/clientbench"
)

// TestMain is the server, too, where the benchmark runs its own binary again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == clientbench.ServerCommand || os.Args[1] == clientbench.EmbeddedCommand) {
		if err := run(os.Args[1:], os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestClientTable(t *testing.T) {
	needData(t)
	var out strings.Builder
	if err := run([]string{"-quick", "-rounds", "1", "-run", "^(ping|insertMany.*|find/10000/Raw|updateOne)/g1$"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPU/op", "ping/g1", "insertMany/10000/g1", "find/10000/Raw/g1", "updateOne/g1", "official", "bare"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// The cases with servers and measurements of other kinds.
func TestClientOtherSets(t *testing.T) {
	needData(t)
	var out strings.Builder
	run1 := []string{"-quick", "-run", "^(gridfs/download/g1|parallel/export/g1|embedded/findOne/Raw/g1|scale/(firstOperation|cancelledWait))$"}
	if err := run(run1, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"gridfs/download/g1", "parallel/export/g1", "embedded/findOne/Raw/g1", "scale/firstOperation", "scale/cancelledWait/CPU"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestClientJSON(t *testing.T) {
	needData(t)
	var out strings.Builder
	if err := run([]string{"client", "-quick", "-json", "-run", "^findOne/Raw/g16$"}, &out); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(out.String()))
	for _, subject := range []string{clientbench.MGX, clientbench.Official, clientbench.Bare} {
		var line clientLine
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Bench != "client/findOne/Raw/g16" || line.Subject != subject || line.NsOp <= 0 || line.P50 <= 0 || line.P99 < line.P50 {
			t.Errorf("line %+v", line)
		}
	}
	if err := d.Decode(new(clientLine)); err != io.EOF {
		t.Errorf("more follows: %v", err)
	}
}
