package mgx_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/mgxdb/mgx"
)

// Users that a vault issues for an hour: each connection asks for one, and none
// outlives it.
func ExampleLoginProvider() {
	issue := func(context.Context) (user, password string, err error) {
		return "v-shop-7f3a", "…", nil // from a vault, or a file that is rotated
	}
	options, err := mgx.ParseURI("mongodb://db.example.com/shop")
	if err != nil {
		log.Fatal(err)
	}
	options.Credential = &mgx.Credential{
		Source: "admin",
		LoginProvider: func(ctx context.Context, args mgx.LoginArgs) (mgx.Login, error) {
			user, password, err := issue(ctx)
			return mgx.Login{Username: user, Password: password}, err
		},
	}
	options.MaxConnectionAge = time.Hour
	client, err := mgx.New(options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(context.Background())
	fmt.Println(options.Credential)
	// Output: {Username: , Source: admin, Mechanism: }
}
