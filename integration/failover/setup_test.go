// Package failover tests what a client does while its servers come and go, on
// simulated deployments and on the embedded server.
//
// MGX_SOAK=30s makes the tests under load last that long.
package failover

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/internal/leaktest"
)

// patience is more than anything here takes.
const patience = 30 * time.Second

func TestMain(m *testing.M) { leaktest.Main(m) }

// soak is how long a test under load lasts.
func soak(t testing.TB, short time.Duration) time.Duration {
	t.Helper()
	s := os.Getenv("MGX_SOAK")
	if s == "" {
		return short
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("MGX_SOAK: %v", err)
	}
	return max(d, short)
}

// connect returns a client that notices failures fast.
func connect(t testing.TB, uri string, change ...func(*mgx.Options)) *mgx.Client {
	t.Helper()
	o, err := mgx.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	o.ConnectTimeout, o.HeartbeatInterval = 500*time.Millisecond, 500*time.Millisecond
	for _, f := range change {
		f(o)
	}
	client, err := mgx.Open(bounded(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return client
}

// bounded is the test's context, so that nothing waits for ever.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
