package report

import (
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bench/internal/measure"
)

func TestJSON(t *testing.T) {
	var b strings.Builder
	err := JSON(&b, "bson/decode/tweet/D", []measure.Result{
		{Subject: "mgx", NsOp: 1234.567, AllocsOp: 3.0012, BytesOp: 100.04},
		{Subject: "official", NsOp: 1e7, AllocsOp: 0, BytesOp: 0},
	})
	const want = `{"bench":"bson/decode/tweet/D","subject":"mgx","ns_op":1234.6,"allocs_op":3,"bytes_op":100}
{"bench":"bson/decode/tweet/D","subject":"official","ns_op":10000000,"allocs_op":0,"bytes_op":0}
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%swant\n%s", err, b.String(), want)
	}
}

func TestTable(t *testing.T) {
	var table Table
	table.Row("", "time", "allocs")
	table.Row("encode", "1.00 µs", "1")
	table.Row("a longer name", "12 ms")
	var b strings.Builder
	const want = "" +
		"                  time  allocs\n" +
		"encode         1.00 µs       1\n" +
		"a longer name    12 ms\n"
	if err := table.Write(&b); err != nil || b.String() != want {
		t.Errorf("%v\n%swant\n%s", err, b.String(), want)
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Time(0.5), "0.50 ns"}, {Time(12.34), "12.3 ns"}, {Time(999), "999 ns"}, {Time(1234), "1.23 µs"},
		{Time(12.34e6), "12.3 ms"}, {Time(2.5e9), "2.50 s"}, {Time(99.96), "100 ns"}, {Time(9.996), "10.0 ns"},
		{Rate(1000, 1000), "1000"}, {Rate(1, 1000), "1.00"},
		{Count(2.96), "3"}, {Ratio(3, 2), "1.50"}, {Ratio(3, 0), "–"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
