package cli

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
)

func TestFind(t *testing.T) {
	uri := server(t)
	tool(t, `{"_id":1,"item":"tea","qty":{"$numberLong":"3"}}
{"_id":2,"item":"coffee","qty":1}
{"_id":3,"item":"tea","qty":5}
`, "insert", uri, "shop.orders").want(t, exitOK, "3 documents", "")

	tests := []struct {
		args []string
		want string
	}{
		{nil, `{"_id":1,"item":"tea","qty":3}
{"_id":2,"item":"coffee","qty":1}
{"_id":3,"item":"tea","qty":5}
`},
		{[]string{`{"qty":{"$gt":1}}`, "--sort", "-qty"}, `{"_id":3,"item":"tea","qty":5}
{"_id":1,"item":"tea","qty":3}
`},
		{[]string{"--sort", "item,-qty", "--project", "qty,-_id"}, `{"qty":1}
{"qty":5}
{"qty":3}
`},
		{[]string{"--sort", `{"_id":-1}`, "--skip", "1", "--limit", "1"}, `{"_id":2,"item":"coffee","qty":1}
`},
		{[]string{"--project", `{"item":0}`, "--batch", "1"}, `{"_id":1,"qty":3}
{"_id":2,"qty":1}
{"_id":3,"qty":5}
`},
		{[]string{`{"_id":1}`, "-o", "canonical"}, `{"_id":{"$numberInt":"1"},"item":"tea","qty":{"$numberLong":"3"}}
`},
		{[]string{`{"item":"milk"}`}, ""},
	}
	for _, test := range tests {
		o := tool(t, "", append([]string{"find", uri, "shop.orders"}, test.args...)...)
		if o.status != exitOK || o.out != test.want || o.err != "" {
			t.Errorf("find %q: status %d\n%s%s\nwant\n%s", test.args, o.status, o.out, o.err, test.want)
		}
	}
	tool(t, "", "find", uri, "shop.nothing").want(t, exitOK, "", "")
	tool(t, "", "find", uri, "shop.orders", `{"$nonsense":1}`).want(t, exitFailure, "", "$nonsense")
	tool(t, "", "find", uri, "bad db.orders").want(t, exitUsage, "", "bad db")
}

// What find prints, insert reads: the types survive.
// Where the URI names the database, the collection's name is enough.
func TestDatabaseOfTheURI(t *testing.T) {
	uri := server(t) + "shop"
	tool(t, `{"_id":1}`, "insert", uri, "orders").want(t, exitOK, "1 document inserted into shop.orders", "")
	tool(t, "", "count", uri, "orders").want(t, exitOK, "1\n", "")
	tool(t, "", "find", uri, "orders").want(t, exitOK, `{"_id":1}`, "")
	tool(t, "", "count", uri, "other.orders").want(t, exitOK, "0\n", "")
	tool(t, "", "find", uri, "").want(t, exitUsage, "", `"" is not the name of a collection`)
}

func TestFindIntoInsert(t *testing.T) {
	uri := server(t)
	in := `{"_id":{"$oid":"507f1f77bcf86cd799439011"},"d":{"$date":{"$numberLong":"-1"}},"n":{"$numberLong":"1"},` +
		`"f":{"$numberDouble":"1.0"},"b":{"$binary":{"base64":"AQI=","subType":"00"}},"r":{"$regularExpression":{"pattern":"^a","options":"i"}},` +
		`"t":{"$timestamp":{"t":1,"i":2}},"a":[true,null,{"x":"ü"}]}` + "\n"
	tool(t, in, "insert", uri, "shop.a").want(t, exitOK, "1 document", "")
	out := tool(t, "", "find", uri, "shop.a", "-o", "canonical").out
	tool(t, out, "insert", uri, "shop.b").want(t, exitOK, "1 document", "")
	if again := tool(t, "", "find", uri, "shop.b", "-o", "canonical").out; again != in || out != in {
		t.Errorf("in:\n%sout:\n%sagain:\n%s", in, out, again)
	}
}

// gone is a pipe whose reader leaves after n bytes.
type gone struct{ n int }

func (g *gone) Write(p []byte) (int, error) {
	if g.n -= len(p); g.n < 0 {
		return 0, syscall.EPIPE
	}
	return len(p), nil
}

func TestReaderGone(t *testing.T) {
	uri := server(t)
	tool(t, strings.Repeat(`{"text":"`+strings.Repeat("x", 200)+"\"}\n", 2000), "insert", uri, "shop.orders").want(t, exitOK, "2,000 documents", "")
	var errs buffer
	status := Run(t.Context(), []string{"find", uri, "shop.orders", "--batch", "100"}, Streams{Out: &gone{n: 100}, Err: &errs})
	if status != exitOK || errs.String() != "" {
		t.Errorf("status %d, errors %q", status, &errs)
	}
	broken := errors.New("disk full")
	status = Run(t.Context(), []string{"find", uri, "shop.orders"}, Streams{Out: writerFunc(func([]byte) (int, error) { return 0, broken }), Err: &errs})
	if status != exitFailure || !strings.Contains(errs.String(), "disk full") {
		t.Errorf("status %d, errors %q", status, &errs)
	}
}

// What failed is told by the status, also where nobody reads the summary.
func TestReaderGoneHidesNoFailure(t *testing.T) {
	uri := server(t)
	const one = `{"_id":1}`
	tool(t, one, "insert", uri, "shop.orders").want(t, exitOK, "", "")
	tool(t, "", "copy", in(uri, "shop"), in(uri, "again")).want(t, exitOK, "", "")
	for status, commands := range map[int][][]string{
		exitFailure: {
			{"", "kill-cursors", uri, "shop.orders", "77"},
		},
		exitPartly: {
			{"", "copy", in(uri, "shop"), in(uri, "again"), "--merge"},
			{one, "insert", uri, "shop.orders"},
			{`{"insertOne":{"document":` + one + `}}`, "bulk", uri, "shop.orders"},
		},
		exitOK: {{"", "copy", in(uri, "shop"), in(uri, "again"), "--drop"}},
	} {
		for _, c := range commands {
			var errs buffer
			got := Run(t.Context(), c[1:], Streams{In: strings.NewReader(c[0]), Out: &gone{}, Err: &errs})
			if got != status {
				t.Errorf("%s: status %d, want %d: %s", c[1], got, status, &errs)
			}
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

var _ io.Writer = writerFunc(nil)
