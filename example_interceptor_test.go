package mgx_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// A service that only reads keeps itself from writing, and says in its errors which
// part of it ran the operation.
func ExampleInterceptor() {
	uri, stop := shop()
	defer stop()
	options, err := mgx.ParseURI(uri)
	if err != nil {
		log.Fatal(err)
	}
	type component struct{}
	readOnly := errors.New("this service does not write")
	options.Interceptors = []*mgx.Interceptor{{
		Before: func(ctx context.Context, op *event.OperationStarted) (context.Context, error) {
			switch op.Name {
			case "insert", "update", "delete", "findAndModify", "bulkWrite":
				return ctx, readOnly
			}
			return ctx, nil
		},
	}, {
		After: func(ctx context.Context, op *event.OperationEnded) error {
			if op.Err == nil {
				return nil
			}
			return fmt.Errorf("%v: %w", ctx.Value(component{}), op.Err)
		},
	}}
	client, err := mgx.Open(context.Background(), options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(context.Background())

	ctx := context.WithValue(context.Background(), component{}, "report")
	_, err = client.Database("shop").Collection("orders").DeleteMany(ctx, nil)
	fmt.Println(errors.Is(err, readOnly))
	_, err = client.Database("shop").RunCommand(ctx, bson.D{{"explode", 1}}).Raw()
	what, _, _ := strings.Cut(err.Error(), " on ")
	fmt.Println(what)
	// Output:
	// true
	// report: explode
}
