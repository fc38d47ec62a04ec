package cli

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func count(t *testing.T, uri, namespace string) int {
	t.Helper()
	o := tool(t, "", "find", uri, namespace, "--project", "_id")
	o.want(t, exitOK, "", "")
	return strings.Count(o.out, "\n")
}

func TestInsert(t *testing.T) {
	uri := server(t)
	lines := write(t, "a.jsonl", "{\"_id\":1}\n{\"_id\":2}\n")
	array := write(t, "b.json", "[\n {\"_id\": 3},\n {\"_id\": 4}\n]\n")
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write([]byte("{\"_id\":5}\n"))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	zipped := write(t, "c.jsonl.gz", z.String())

	tool(t, "{\"_id\":6}", "insert", uri, "shop.orders", lines, array, zipped, "-").
		want(t, exitOK, "6 documents inserted into shop.orders in ", "")
	if n := count(t, uri, "shop.orders"); n != 6 {
		t.Errorf("there are %d", n)
	}
	tool(t, "", "insert", uri, "shop.orders").want(t, exitOK, "0 documents", "")
}

func TestInsertManyBatches(t *testing.T) {
	uri := server(t)
	var text strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&text, "{\"_id\":%d}\n", i)
	}
	for i, args := range [][]string{{}, {"--batch", "7"}, {"--unordered"}} {
		namespace := fmt.Sprintf("shop.orders%d", i)
		tool(t, text.String(), append([]string{"insert", uri, namespace}, args...)...).want(t, exitOK, "2,500 documents", "")
		if n := count(t, uri, namespace); n != 2500 {
			t.Errorf("%q: there are %d", args, n)
		}
	}
}

// Lines 2, 4 and 5 cannot go in: a duplicate key, text that is no document, and
// another duplicate.
const troubled = `{"_id":1}
{"_id":1}
{"_id":2}
{"_id":
{"_id":2}
{"_id":3}
`

func TestInsertTrouble(t *testing.T) {
	uri := server(t)
	tests := []struct {
		name  string
		args  []string
		in    int
		lines []int
	}{
		{"ordered", nil, 3, []int{2, 4, 5}},
		{"unordered", []string{"--unordered"}, 3, []int{2, 4, 5}},
		{"small batches", []string{"--batch", "2"}, 3, []int{2, 4, 5}},
		{"stop", []string{"--stop-on-error"}, 1, []int{2}},
		{"stop unordered", []string{"--stop-on-error", "--unordered"}, 1, []int{2}},
		{"stop in small batches", []string{"--stop-on-error", "--batch", "1"}, 1, []int{2}},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			namespace := fmt.Sprintf("shop.orders%d", i)
			o := tool(t, troubled, append([]string{"insert", uri, namespace}, test.args...)...)
			o.want(t, exitPartly, fmt.Sprintf(", %d not", len(test.lines)), "")
			if got := strings.Count(o.err, "line "); got != len(test.lines) {
				t.Errorf("%d lines are reported:\n%s", got, o.err)
			}
			for _, line := range test.lines {
				o.want(t, exitPartly, "", fmt.Sprintf("line %d:", line))
			}
			if n := count(t, uri, namespace); n != test.in {
				t.Errorf("there are %d, want %d", n, test.in)
			}
		})
	}
}

func TestInsertNamesTheFile(t *testing.T) {
	uri := server(t)
	good, bad := write(t, "good.jsonl", "{}"), write(t, "bad.jsonl", "{}\n{]\n")
	tool(t, "", "insert", uri, "shop.orders", good, bad).want(t, exitPartly, "2 documents", "bad.jsonl, line 2: column 2")
}

func TestInsertFromNowhere(t *testing.T) {
	uri := server(t)
	good := write(t, "good.jsonl", "{}")
	tool(t, "", "insert", uri, "shop.orders", good, "/none.jsonl").want(t, exitFailure, "", "/none.jsonl")
	tool(t, "", "insert", uri, "shop.orders", good, t.TempDir()).want(t, exitFailure, "", "is a folder")
	if n := count(t, uri, "shop.orders"); n != 0 {
		t.Errorf("%d went in although an input is missing", n)
	}
	cut := write(t, "cut.gz", "\x1f\x8b\x08\x00")
	tool(t, "", "insert", uri, "shop.orders", cut).want(t, exitFailure, "0 documents", "gzip")
}

// The server's limit of 16 MiB takes long to fill, so a lower one stands in.
func TestInsertTooLarge(t *testing.T) {
	var out, errs buffer
	a := &app{Streams: Streams{Out: &out, Err: &errs}, colors: string(screen.Never)}
	client, err := a.connect(t.Context(), server(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeClient(client) }()
	limit, err := documentLimit(t.Context(), client)
	if err != nil || limit != 16<<20 {
		t.Fatalf("the server's limit is %d (%v)", limit, err)
	}
	// The last one takes 98 bytes without the _id that it gets.
	text := fmt.Sprintf("{\"_id\":1}\n{\"_id\":2,\"text\":%q}\n{\"_id\":3}\n{\"text\":%q}\n", strings.Repeat("x", 100), strings.Repeat("x", 82))
	in := &inserter{app: a, flags: insertFlags{batch: 10}, limit: 100, collection: client.Database("shop").Collection("orders")}
	err = in.run(t.Context(), []string{write(t, "large.jsonl", text)})
	if !errors.Is(err, errPartly) {
		t.Errorf("error is: %v", err)
	}
	outcome{exitPartly, out.String(), errs.String()}.want(t, exitPartly, "2 documents",
		"line 2: the document takes 125 bytes, the server accepts 100\nline 4: the document takes 115 bytes, the server accepts 100\n")
}
