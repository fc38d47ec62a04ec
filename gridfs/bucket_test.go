package gridfs_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/gridfs"
	"github.com/mgxdb/mgx/internal/scripted"
)

// Uploads wait for each other while one makes the indexes, but no longer than their
// contexts allow.
func TestFirstUploadHoldsUpNobody(t *testing.T) {
	var once sync.Once
	arrived, gate := make(chan struct{}), make(chan struct{})
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			once.Do(func() { close(arrived) })
			<-gate
			return false
		}
		return scripted.Ping(p, r)
	}))
	client, err := mgx.Connect(t.Context(), "mongodb://"+s.Address+"/?retryReads=false")
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := gridfs.New(client.Database("db"), gridfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = bucket.Upload(t.Context(), "first", bytes.NewReader(nil)) })
	<-arrived
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := bucket.Upload(ctx, "second", bytes.NewReader(nil))
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the second upload does not heed its context")
	}
	close(gate)
	wg.Wait()
	if err := client.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
