package integration

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
)

// Users with names and passwords that need care, on a server that others wrote.
func TestUsers(t *testing.T) {
	p := ferretdbcmd.ForTest(t, ferretdbcmd.Options{Username: "root", Password: "pencil"})
	root, err := mgx.Connect(t.Context(), p.UserURI("root", "pencil", "admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close(t.Context())

	tests := []struct{ name, password, same string }{
		{"ann", "sesame", ""},
		{"a:n/n+@?#[]%", "s:e/s+a@m?e#[]%", ""}, // what a URI has to encode
		// The server does not decode commas in user names; internal/auth tests those.
		{"tea", "a,b=c", ""},
		{"Änne", "Straße", ""},
		{"roman", "IX", "\u2168"}, // SASLprep makes the two the same
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mechanisms := []string{"SCRAM-SHA-1", "SCRAM-SHA-256"}
			if _, err := root.Database("shop").RunCommand(t.Context(), bson.D{
				{Key: "createUser", Value: test.name}, {Key: "pwd", Value: test.password}, {Key: "roles", Value: bson.A{}}, {Key: "mechanisms", Value: mechanisms},
			}).Raw(); err != nil {
				t.Fatal(err)
			}
			login := func(password, options string) error {
				uri := "mongodb://" + encode(test.name) + ":" + encode(password) + "@" + p.Addr() + "/shop?serverSelectionTimeoutMS=5000" + options
				client, err := mgx.Connect(t.Context(), uri)
				if err != nil {
					return err
				}
				defer client.Close(t.Context())
				_, err = client.Database("shop").RunCommand(t.Context(), bson.D{{Key: "listCollections", Value: 1}}).Raw()
				return err
			}
			for _, options := range []string{"", "&authMechanism=SCRAM-SHA-1", "&authMechanism=SCRAM-SHA-256", "&authSource=shop"} {
				if err := login(test.password, options); err != nil {
					t.Errorf("%s: %v", options, err)
				}
				err := login(test.password+"x", options)
				if !errors.Is(err, mgx.ErrAuthentication) {
					t.Errorf("%s: a wrong password gives %v", options, err)
				} else if strings.Contains(err.Error(), test.password+"x") {
					t.Errorf("%s: %v shows the password", options, err)
				}
			}
			if err := login(test.password, "&authSource=admin"); !errors.Is(err, mgx.ErrAuthentication) {
				t.Errorf("in another database: %v", err)
			}
			if test.same != "" {
				if err := login(test.same, "&authMechanism=SCRAM-SHA-256"); err != nil {
					t.Errorf("prepared: %v", err)
				}
			}
		})
	}
}

// encode writes a user name or password for a URI.
func encode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
