package cli

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mgxdebug"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestTop(t *testing.T) {
	uri := mgxtest.ReplicaSet(t, 1).URI()
	tool(t, "", "top", uri).want(t, exitOK, "RSPrimary", "")
	o := tool(t, "", "top", uri, "--count", "2", "--interval", "100ms")
	if o.want(t, exitOK, "ReplicaSetWithPrimary", ""); strings.Count(o.out, "RSPrimary") != 2 || strings.Contains(o.out, "\x1b") {
		t.Errorf("printed\n%s", o.out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	toolIn(t, ctx, strings.NewReader(""), "top", uri, "--count", "1000").want(t, exitOK, "RSPrimary", "")
}

func TestTopOfAServerWithLessToSay(t *testing.T) {
	tool(t, "", "top", server(t)).want(t, exitOK, "Standalone", "")
}

func TestTopOfAPage(t *testing.T) {
	options, err := mgx.ParseURI(mgxtest.ReplicaSet(t, 1).URI())
	if err != nil {
		t.Fatal(err)
	}
	page := mgxdebug.Instrument(options, mgxdebug.Config{Name: "checkout"})
	client, err := mgx.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(context.Background())
	page.Watch(client)
	if _, err := client.Database("shop").Collection("tea").CountDocuments(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(page)
	defer s.Close()
	o := tool(t, "", "top", s.URL+"/debug/mgx")
	o.want(t, exitOK, "checkout", "")
	o.want(t, exitOK, "shop.tea", "")
}

func TestTopRefuses(t *testing.T) {
	tool(t, "", "top", nobody).want(t, exitFailure, "", "127.0.0.1:1")
	tool(t, "", "top", "--interval", "1ms").want(t, exitUsage, "", "--interval")
	tool(t, "", "top", "shop.orders").want(t, exitUsage, "", "not a connection string")
	tool(t, "", "top", "http://").want(t, exitUsage, "", "address")
}
