package transactions

import (
	"context"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// TestStandaloneServer tells what transactions need, not that retryable writes are to
// be switched off.
func TestStandaloneServer(t *testing.T) {
	server, err := mgxtest.NewStandalone()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := mgx.Connect(t.Context(), server.URI())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	err = client.WithTransaction(t.Context(), func(ctx context.Context) error {
		_, err := client.Database("db").Collection("c").InsertOne(ctx, bson.D{})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "transactions need a replica set") || strings.Contains(err.Error(), "retryWrites") {
		t.Errorf("the error is %v", err)
	}
}
