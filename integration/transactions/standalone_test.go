package transactions

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/mgxtest"
)

// A server that has neither transactions nor change streams says so, and nothing of the
// transaction is done outside of one.
func TestStandaloneServer(t *testing.T) {
	simulated, err := mgxtest.NewStandalone()
	check(t, err)
	defer simulated.Close()
	ferret, err := embedded.Start(t.Context(), embedded.Options{})
	check(t, err)
	defer func() { _ = ferret.Close() }()
	for name, uri := range map[string]string{"simulated": simulated.URI(), "FerretDB": ferret.URI()} {
		t.Run(name, func(t *testing.T) {
			client, err := mgx.Connect(t.Context(), uri)
			check(t, err)
			defer client.Close(t.Context())
			c := client.Database("db").Collection("c")
			err = client.WithTransaction(t.Context(), func(ctx context.Context) error {
				_, err := c.InsertOne(ctx, bson.D{})
				return err
			})
			if !errors.Is(err, mgx.ErrUnsupported) || !strings.Contains(err.Error(), "transactions need a replica set") || strings.Contains(err.Error(), "retryWrites") {
				t.Errorf("a transaction: %v", err)
			}
			if n, err := c.CountDocuments(t.Context(), nil); n != 0 || err != nil {
				t.Errorf("%d documents of a transaction that was not: %v", n, err)
			}
			for what, watch := range map[string]func() (*mgx.ChangeStream, error){
				"collection": func() (*mgx.ChangeStream, error) { return c.Watch(t.Context(), nil) },
				"client":     func() (*mgx.ChangeStream, error) { return client.Watch(t.Context(), nil) },
			} {
				if _, err := watch(); !errors.Is(err, mgx.ErrUnsupported) {
					t.Errorf("a change stream of a %s: %v", what, err)
				}
			}
		})
	}
}
