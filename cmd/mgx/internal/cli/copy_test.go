package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/mgxtest"
)

// shop fills a database on a new simulated server.
func shop(t *testing.T) *mgxtest.Deployment {
	t.Helper()
	d := mgxtest.Standalone(t)
	uri := d.URI()
	var lines strings.Builder
	for i := range 300 {
		fmt.Fprintf(&lines, "{\"_id\":%d,\"item\":\"item %d\"}\n", i, i%7)
	}
	for _, name := range []string{"items", "orders"} {
		tool(t, lines.String(), "insert", uri, "shop."+name).want(t, exitOK, "300 documents", "")
	}
	tool(t, "", "create-index", uri, "shop.orders", "item", "--name", "by_item").want(t, exitOK, "by_item\n", "")
	tool(t, "", "run", uri, "shop", `{"create":"log","capped":true,"size":1048576}`).want(t, exitOK, `"ok": 1`, "")
	tool(t, "", "run", uri, "shop", `{"create":"ones","viewOn":"orders","pipeline":[{"$match":{"item":"item 1"}}]}`).want(t, exitOK, "", "")
	return d
}

// in puts the name of a database into a connection string.
func in(uri, database string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	hosts, query, _ := strings.Cut(rest, "?")
	return scheme + "://" + strings.TrimSuffix(hosts, "/") + "/" + database + "?" + query
}

func TestCopy(t *testing.T) {
	from, to := shop(t), mgxtest.Standalone(t)
	source, target := in(from.URI(), "shop"), in(to.URI(), "copy")
	o := tool(t, "", "copy", source, target)
	o.want(t, exitOK, "shop to copy copied: 4 collections, 600 documents, ", "orders: 300 documents, ")
	if strings.Contains(o.err, "\x1b") {
		t.Errorf("not for a terminal: %q", o.err)
	}
	o = tool(t, "", "collections", target)
	if want := "items   collection\nlog     collection  capped at 1 MiB\nones    view        on orders\norders  collection\n"; o.out != want {
		t.Errorf("%s\nwant\n%s", o.out, want)
	}
	tool(t, "", "indexes", to.URI(), "copy.orders", "--names").want(t, exitOK, "_id_\nby_item\n", "")
	tool(t, "", "count", to.URI(), "copy.ones").want(t, exitOK, "43\n", "")

	tool(t, "", "copy", source, target).want(t, exitFailure, "", "has a collection \"items\" already; nothing was copied\n--drop replaces")
	o = tool(t, "", "copy", source, target, "--drop", "--quiet", "--collections", "orders,items", "--exclude", "items")
	o.want(t, exitOK, "copied: 1 collection, 300 documents", "")
	if o.err != "" {
		t.Errorf("not quiet: %q", o.err)
	}
	// Documents that are there already.
	tool(t, "", "copy", source, target, "--merge", "--collections", "orders", "--collections", "log").
		want(t, exitPartly, "copied: 2 collections, 0 documents, 0 bytes, 300 there already", "orders: 0 documents, 0 bytes, 300 there already")
	tool(t, "", "copy", source, target, "--collections", "oders").want(t, exitFailure, "", `no collection "oders"`)
	tool(t, "", "copy", in(from.URI(), "none"), target).want(t, exitFailure, "", "no such database")

	// By name, on one server.
	t.Setenv(uriEnv, to.URI())
	tool(t, "", "copy", "copy", "again").want(t, exitOK, "copy to again copied: 4 collections", "")
	tool(t, "", "copy", "copy", "bad name").want(t, exitUsage, "", "bad name")
}

func TestCopyFails(t *testing.T) {
	from, to := shop(t), mgxtest.Standalone(t)
	source, target := in(from.URI(), "shop"), in(to.URI(), "copy")
	to.FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, ErrorCode: 13})
	o := tool(t, "", "copy", source, target)
	o.want(t, exitPartly, "copied: 2 of 4 collections, 0 documents", "copied in part: orders: 0 documents, 0 bytes: ")
	o.want(t, exitPartly, "", "copied in part: items: ")
	tool(t, "", "copy", source, in(nobody, "copy")).want(t, exitFailure, "", "127.0.0.1:1")
	tool(t, "", "copy", in(nobody, "shop"), target).want(t, exitFailure, "", "127.0.0.1:1")
}

func TestCopyInterrupted(t *testing.T) {
	from, to := shop(t), mgxtest.Standalone(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	ended := make(chan struct{}) // the answer must not overtake the interruption
	to.OnCommand(func(c mgxtest.Command) {
		if c.Name == "createIndexes" {
			once.Do(func() { cancel(); <-ended })
		}
	})
	o := toolIn(t, ctx, nil, "copy", in(from.URI(), "shop"), in(to.URI(), "copy"), "--parallel", "1")
	close(ended)
	o.want(t, exitInterrupted, "copied: 2 of 4 collections, 600 documents", "copied in part: orders: 300 documents")
	o.want(t, exitInterrupted, "", "not copied: ones: not begun")
	o.want(t, exitInterrupted, "", "mgx: interrupted")
}
