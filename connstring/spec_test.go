package connstring_test

import (
	"net"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/spectest"
)

// load reads a file's "tests" array.
func load[T any](t *testing.T, file string) []T {
	t.Helper()
	var suite struct{ Tests []T }
	spectest.Read(t, file, &suite)
	if len(suite.Tests) == 0 {
		t.Fatalf("%s has no tests", file)
	}
	return suite.Tests
}

// uriCase is a test of the connection-string, uri-options and
// read-write-concern suites.
type uriCase struct {
	Description string
	URI         string
	Valid       bool
	Warning     *bool
	Hosts       []struct {
		Type string
		Host string
		Port *int
	}
	Auth *struct {
		Username, Password, DB *string
	}
	Options      map[string]any
	ReadConcern  map[string]any
	WriteConcern map[string]any
}

func TestSpecConnectionString(t *testing.T) {
	runURICases(t, "connection-string", nil)
}

func TestSpecURIOptions(t *testing.T) {
	runURICases(t, "uri-options", nil)
}

func TestSpecConcerns(t *testing.T) {
	runURICases(t, "read-write-concern/tests/connection-string", nil)
}

func runURICases(t *testing.T, suite string, skips spectest.Skips) {
	dir := spectest.Dir(t, suite)
	tally := spectest.NewTally(t, suite, skips)
	for _, file := range spectest.Files(t, dir, "*.json") {
		for _, test := range load[uriCase](t, file) {
			tally.Run(t, spectest.Name(dir, file)+"/"+test.Description, func(t *testing.T) { test.run(t) })
		}
	}
}

func (test *uriCase) run(t *testing.T) {
	c, err := connstring.Parse(test.URI)
	if !test.Valid {
		// "warning": null leaves it open whether a bad value is an error or is
		// ignored with a warning.
		if err == nil && (test.Warning != nil || len(c.Warnings) == 0) {
			t.Fatalf("accepted %q", test.URI)
		}
		return
	}
	if err != nil {
		t.Fatalf("%q: %v", test.URI, err)
	}
	if test.Warning != nil && *test.Warning != (len(c.Warnings) > 0) {
		t.Errorf("warnings %v, want some: %v", c.Warnings, *test.Warning)
	}
	test.checkHosts(t, c)
	if test.Auth != nil {
		checkText(t, "user name", c.Username, c.Username != "", test.Auth.Username)
		checkText(t, "password", c.Password, c.PasswordSet, test.Auth.Password)
		checkText(t, "database", c.Database, c.Database != "", test.Auth.DB)
	}
	for name, want := range test.Options {
		checkOption(t, c, name, want)
	}
	for name, option := range map[string]string{"level": "readConcernLevel"} {
		checkConcern(t, c, option, name, test.ReadConcern)
	}
	for name, option := range map[string]string{"w": "w", "wtimeoutMS": "wTimeoutMS", "journal": "journal"} {
		checkConcern(t, c, option, name, test.WriteConcern)
	}
}

func (test *uriCase) checkHosts(t *testing.T, c *connstring.ConnString) {
	t.Helper()
	var want []string
	for _, h := range test.Hosts {
		port := connstring.DefaultPort
		if h.Port != nil {
			port = *h.Port
		}
		if h.Type == "unix" {
			want = append(want, h.Host)
		} else {
			want = append(want, net.JoinHostPort(h.Host, strconv.Itoa(port)))
		}
	}
	if want != nil && !reflect.DeepEqual(c.Hosts, want) {
		t.Errorf("hosts %q, want %q", c.Hosts, want)
	}
}

func checkText(t *testing.T, what, got string, set bool, want *string) {
	t.Helper()
	if want == nil && set || want != nil && (got != *want || !set) {
		t.Errorf("%s %q (given: %v) differs from what the test wants", what, got, set)
	}
}

// checkConcern demands that exactly the fields of the concern are set.
func checkConcern(t *testing.T, c *connstring.ConnString, option, name string, concern map[string]any) {
	t.Helper()
	if concern == nil {
		return
	}
	if want, ok := concern[name]; ok {
		checkOption(t, c, option, want)
	} else if got := optionValue(t, c, option); got != nil {
		t.Errorf("%s is %v, want it absent", option, got)
	}
}

func checkOption(t *testing.T, c *connstring.ConnString, name string, want any) {
	t.Helper()
	if strings.EqualFold(name, "ssl") || strings.EqualFold(name, "tls") {
		if c.UseTLS() != want {
			t.Errorf("TLS is %v, want %v", c.UseTLS(), want)
		}
		return
	}
	if got := optionValue(t, c, name); !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %#v, want %#v", name, got, want)
	}
}

// optionValue returns the value as JSON would have it, nil if absent.
func optionValue(t *testing.T, c *connstring.ConnString, name string) any {
	t.Helper()
	for _, info := range connstring.AllOptions() {
		if !strings.EqualFold(info.Name, name) {
			continue
		}
		field := reflect.ValueOf(c).Elem().FieldByName(info.Field)
		if field.IsZero() {
			return nil
		}
		switch value := field.Interface().(type) {
		case *bool:
			return *value
		case *int:
			return float64(*value)
		case *time.Duration:
			return float64(value.Milliseconds())
		case *connstring.W:
			if value.Tag != "" {
				return value.Tag
			}
			return float64(value.Number)
		case map[string]string:
			return jsonMap(value)
		case []map[string]string:
			var list []any
			for _, tags := range value {
				list = append(list, jsonMap(tags))
			}
			return list
		case []string:
			var list []any
			for _, s := range value {
				list = append(list, s)
			}
			return list
		default:
			return value
		}
	}
	t.Errorf("no option %s", name)
	return nil
}

func jsonMap(m map[string]string) map[string]any {
	out := map[string]any{}
	for name, value := range m {
		out[name] = value
	}
	return out
}

// authSkips are the cases of the authentication suite that are not run.
var authSkips = spectest.Skips{
	"connection-string/should throw an exception if username and password provided (MONGODB-AWS)": "contradicts the case \"should use username and password if specified (MONGODB-AWS)\" of the same file; keys in the URI are accepted",
}

func TestSpecAuth(t *testing.T) {
	dir := spectest.Dir(t, "auth/tests/legacy")
	tally := spectest.NewTally(t, "auth/tests/legacy", authSkips)
	type authCase struct {
		Description, URI string
		Valid            bool
		Credential       *struct {
			Username, Password, Source, Mechanism *string
			Properties                            map[string]string `json:"mechanism_properties"`
		}
	}
	for _, file := range spectest.Files(t, dir, "*.json") {
		for _, test := range load[authCase](t, file) {
			tally.Run(t, spectest.Name(dir, file)+"/"+strings.ReplaceAll(test.Description, "/", " or "), func(t *testing.T) {
				c, err := connstring.Parse(test.URI)
				var cred *connstring.Credential
				if err == nil {
					if cred = c.Credential(); cred != nil {
						err = cred.Validate(false)
					}
				}
				if (err == nil) != test.Valid {
					t.Fatalf("%q: valid is %v, want %v: %v", test.URI, err == nil, test.Valid, err)
				}
				if err != nil {
					return
				}
				if (cred == nil) != (test.Credential == nil) {
					t.Fatalf("credential %v, want one: %v", cred, test.Credential != nil)
				}
				if cred == nil {
					return
				}
				want := test.Credential
				checkText(t, "user name", cred.Username, cred.Username != "", want.Username)
				checkText(t, "password", cred.Password, cred.PasswordSet, want.Password)
				checkText(t, "source", cred.Source, cred.Source != "", want.Source)
				checkText(t, "mechanism", cred.Mechanism, cred.Mechanism != "", want.Mechanism)
				if len(cred.Properties)+len(want.Properties) > 0 && !reflect.DeepEqual(cred.Properties, want.Properties) {
					t.Errorf("properties %v, want %v", cred.Properties, want.Properties)
				}
			})
		}
	}
}

func TestSpecInitialDNSSeedlistDiscovery(t *testing.T) {
	dir := spectest.Dir(t, "initial-dns-seedlist-discovery/tests")
	tally := spectest.NewTally(t, "initial-dns-seedlist-discovery", nil)
	for _, file := range spectest.Files(t, dir, "*.json") {
		tally.Run(t, filepath.ToSlash(spectest.Name(dir, file)), func(t *testing.T) { runSeedlistCase(t, file) })
	}
}

func runSeedlistCase(t *testing.T, file string) {
	var test struct {
		URI      string
		Seeds    []string
		NumSeeds *int
		Error    bool
		Options  map[string]any
		Parsed   map[string]string `json:"parsed_options"`
		// What is discovered from the seeds, and whether it answers, takes servers.
		Hosts    []string
		NumHosts *int
		Ping     *bool
	}
	spectest.Read(t, file, &test)
	c, err := connstring.Parse(test.URI)
	if err == nil {
		err = c.Resolve(t.Context(), specRecords)
	}
	if (err != nil) != test.Error {
		t.Fatalf("%s: error %v, want one: %v", test.URI, err, test.Error)
	}
	if err != nil {
		return
	}
	seeds := map[string]bool{}
	for _, host := range c.Hosts {
		seeds[host] = true
	}
	if test.NumSeeds != nil && len(seeds) != *test.NumSeeds {
		t.Errorf("%d seeds, want %d", len(seeds), *test.NumSeeds)
	}
	want := map[string]bool{}
	for _, seed := range test.Seeds {
		want[seed] = true
	}
	if test.Seeds != nil && !reflect.DeepEqual(seeds, want) {
		t.Errorf("seeds %v, want %v", seeds, want)
	}
	for name, value := range test.Options {
		checkOption(t, c, name, value)
	}
	for name, value := range test.Parsed {
		got, ok := map[string]string{
			"user": c.Username, "password": c.Password, "db": c.Database,
			"auth_database": c.Database, "defaultDatabase": c.Database,
		}[name]
		if !ok || got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}
