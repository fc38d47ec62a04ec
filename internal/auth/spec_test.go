package auth

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/spectest"
)

// The credentials that the specification's connection strings stand for work,
// and keep their source. (Package connstring runs the suite itself.)
func TestSpecificationCredentials(t *testing.T) {
	dir := spectest.Dir(t, "auth/tests/legacy")
	for _, name := range spectest.Files(t, dir, "*.json") {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Tests []struct {
				Description string
				Credential  *struct {
					Username   string
					Password   *string
					Source     string
					Mechanism  string
					Properties map[string]string `json:"mechanism_properties"`
				}
			}
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		for _, test := range file.Tests {
			c := test.Credential
			if c == nil {
				continue
			}
			cred := Credential{Static: Static{Mechanism: c.Mechanism, Source: c.Source, Username: c.Username, Properties: c.Properties}}
			if c.Password != nil {
				cred.Password, cred.PasswordSet = *c.Password, true
			}
			a, err := New(cred)
			var config *setup.Error
			switch {
			case c.Mechanism == setup.GSSAPI:
				if !errors.As(err, &config) || config.Option != "authMechanism" {
					t.Errorf("%s: %v", test.Description, err)
				}
			case err != nil:
				t.Errorf("%s: %v", test.Description, err)
			case a.Source() != c.Source || a.Username() != c.Username || a.Mechanism() != c.Mechanism:
				t.Errorf("%s: %v", test.Description, a.cred)
			}
		}
	}
}
