package main

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bench/internal/benchdata"
	"github.com/mgxdb/mgx/bench/internal/report"
)

func needData(t *testing.T) {
	t.Helper()
	if _, err := benchdata.Dir(); err != nil {
		t.Skip(err)
	}
}

func TestBSONTable(t *testing.T) {
	needData(t)
	var out strings.Builder
	if err := run([]string{"bson", "-quick", "-run", "small/(D|three)"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"MB/s", "official", "encode/small/D", "decode/small/three", "×"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestBSONJSON(t *testing.T) {
	needData(t)
	var out strings.Builder
	if err := run([]string{"bson", "-quick", "-json", "-run", "decode/tweet/three"}, &out); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(out.String()))
	d.DisallowUnknownFields()
	for _, subject := range []string{"mgx", "official"} {
		var line report.Line
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Bench != "bson/decode/tweet/three" || line.Subject != subject || line.NsOp <= 0 || line.AllocsOp <= 0 || line.BytesOp <= 0 {
			t.Errorf("line %+v", line)
		}
	}
	if err := d.Decode(new(report.Line)); err != io.EOF {
		t.Errorf("more follows: %v", err)
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-run", "("}, "missing closing"},
		{[]string{"client", "more"}, "no argument"},
		{[]string{"nothing"}, `no command "nothing"`},
		{[]string{"bson", "more"}, "no argument"},
		{[]string{"bson", "-run", "("}, "missing closing"},
	} {
		if err := run(c.args, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.args, err, c.want)
		}
	}
	if err := run([]string{"bson", "-quick", "-rounds", "x"}, io.Discard); err == nil {
		t.Error("x rounds are fine")
	}
	if err := run([]string{"bson", "-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
	t.Setenv("MGX_BENCHDATA", t.TempDir()+"/none")
	if err := run([]string{"bson"}, io.Discard); !errors.Is(err, benchdata.ErrNoData) {
		t.Errorf("without data: %v", err)
	}
	needless := []string{"bson", "-quick", "-run", "no such case"}
	t.Setenv("MGX_BENCHDATA", "")
	needData(t)
	if err := run(needless, io.Discard); err == nil || !strings.Contains(err.Error(), "nothing matches") {
		t.Errorf("no case: %v", err)
	}
}
