package cli

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serving runs "mgx serve" until the returned function is called, which returns
// what it did.
func serving(t *testing.T, args ...string) (uri string, stop func() outcome) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs buffer
	status := make(chan int, 1)
	go func() {
		status <- Run(ctx, append([]string{"serve"}, args...), Streams{Out: &out, Err: &errs})
	}()
	stop = func() outcome {
		cancel()
		return outcome{<-status, out.String(), errs.String()}
	}
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(out.String(), "\n"); {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come up: %+v", stop())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return strings.TrimSpace(out.String()), stop
}

func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for i := range 2 {
		uri, stop := serving(t, "--listen", "127.0.0.1:0", "--dir", dir)
		if n := count(t, uri, "shop.orders"); n != i {
			t.Errorf("start %d: there are %d", i, n)
		}
		tool(t, "{}", "insert", uri, "shop.orders").want(t, exitOK, "1 document", "")
		o := stop()
		o.want(t, exitOK, uri, "ready; data in "+dir)
		if strings.Count(o.out, "\n") != 1 {
			t.Errorf("output: %q", o.out)
		}
	}
}

func TestServeTLS(t *testing.T) {
	uri, stop := serving(t, "--listen", "127.0.0.1:0", "--tls")
	tool(t, "", "ping", uri).want(t, exitOK, "ping 3", "") // the URI names the authority
	unknown, _, _ := strings.Cut(uri, "&tlsCAFile=")
	tool(t, "", "ping", unknown+"&serverSelectionTimeoutMS=3000").want(t, exitFailure, "", "certificate")
	stop().want(t, exitOK, "tls=true", "temporary folder")
}

func TestServeEverywhere(t *testing.T) {
	uri, stop := serving(t, "--listen", ":0", "--verbose")
	tool(t, "", "ping", uri).want(t, exitOK, "ping 3", "")
	o := stop()
	o.want(t, exitOK, "mongodb://127.0.0.1:", "warning: there are no users")
	o.want(t, exitOK, "", "Connection started")
}

func TestServeWhereItCannot(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	tool(t, "", "serve", "--listen", l.Addr().String()).want(t, exitFailure, "", "address in use")
	tool(t, "", "serve", "--listen", "127.0.0.1:0", "--dir", write(t, "file", "")).want(t, exitFailure, "", "not a directory")
}
