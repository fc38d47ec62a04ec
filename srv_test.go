package mgx

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// silentDNS never answers.
type silentDNS struct{}

func (silentDNS) LookupSRV(ctx context.Context, _, _, _ string) (string, []*net.SRV, error) {
	<-ctx.Done()
	return "", nil, ctx.Err()
}

func (silentDNS) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Name servers that do not answer do not end the polling of SRV records.
func TestRescanHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		o := &Options{SRVHost: "db.example.com", Resolver: silentDNS{}, ConnectTimeout: 10 * time.Second}
		began := time.Now()
		_, _, err := o.rescan(ctx)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != o.ConnectTimeout {
			t.Errorf("after %v: %v", took, err)
		}
	})
}
