package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func oidcEnv(t *testing.T, env Environment, props ...string) *Authenticator {
	t.Helper()
	cred := Credential{Static: Static{Mechanism: OIDC, Properties: map[string]string{}}, Environment: env}
	for i := 0; i < len(props); i += 2 {
		if props[i] == "username" {
			cred.Username = props[i+1]
			continue
		}
		cred.Properties[props[i]] = props[i+1]
	}
	return mustNew(t, cred)
}

func TestOIDCTokenFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("file-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	os.WriteFile(empty, []byte(" \n"), 0o600)
	big := filepath.Join(dir, "big")
	os.WriteFile(big, make([]byte, maxTokenFile+10), 0o600)
	tests := []struct {
		env, variable, path, want string
	}{
		{"test", "OIDC_TOKEN_FILE", file, ""},
		{"test", "OIDC_TOKEN_FILE", "", "OIDC_TOKEN_FILE is not set"},
		{"test", "OIDC_TOKEN_FILE", filepath.Join(dir, "none"), "no such file"},
		{"test", "OIDC_TOKEN_FILE", empty, "is empty"},
		{"test", "OIDC_TOKEN_FILE", big, "larger than"},
		{"k8s", "AZURE_FEDERATED_TOKEN_FILE", file, ""},
		{"k8s", "AWS_WEB_IDENTITY_TOKEN_FILE", file, ""},
	}
	for _, test := range tests {
		t.Setenv(test.variable, test.path)
		s := &idp{t: t, good: tokens("file-token")}
		_, err := run(t, mustBegin(t, oidcEnv(t, Environment{}, "ENVIRONMENT", test.env)), nil, s.serve)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s with %s=%s: %v", test.env, test.variable, test.path, err)
		}
		t.Setenv(test.variable, "")
	}
}

func TestKubernetesTokenOrder(t *testing.T) {
	vars := map[string]string{}
	env := Environment{
		Getenv:   func(name string) string { return vars[name] },
		ReadFile: func(name string) ([]byte, error) { return []byte("at " + name), nil },
	}
	for _, step := range []struct{ variable, want string }{
		{"", "at /var/run/secrets/kubernetes.io/serviceaccount/token"},
		{"AWS_WEB_IDENTITY_TOKEN_FILE", "at AWS_WEB_IDENTITY_TOKEN_FILE"},
		{"AZURE_FEDERATED_TOKEN_FILE", "at AZURE_FEDERATED_TOKEN_FILE"},
	} {
		if step.variable != "" {
			vars[step.variable] = step.variable
		}
		token, _, err := oidcEnv(t, env, "ENVIRONMENT", "k8s").oidc.machine(t.Context())
		if err != nil || token != step.want {
			t.Errorf("token is %q, %v; want %q", token, err, step.want)
		}
	}
	env.ReadFile = func(string) ([]byte, error) { return nil, fs.ErrPermission }
	if _, _, err := oidcEnv(t, env, "ENVIRONMENT", "k8s").oidc.machine(t.Context()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error is %v", err)
	}
}

func TestOIDCMetadataServices(t *testing.T) {
	var got *http.Request
	answer := func(w http.ResponseWriter) {}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		answer(w)
	}))
	defer server.Close()
	env := Environment{HTTP: redirectTo(server)}
	tests := []struct {
		props            []string
		answer           string
		status           int
		url, header      string
		token, wantError string
	}{
		{[]string{"ENVIRONMENT", "azure", "TOKEN_RESOURCE", "mongodb://a,b"}, `{"access_token":"azure-token","expires_in":"3599"}`, 200,
			"169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=mongodb%3A%2F%2Fa%2Cb", "Metadata: true", "azure-token", ""},
		{[]string{"ENVIRONMENT", "azure", "TOKEN_RESOURCE", "r", "username", "id&x"}, `{"access_token":"t"}`, 200,
			"169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&client_id=id%26x&resource=r", "Metadata: true", "t", ""},
		{[]string{"ENVIRONMENT", "azure", "TOKEN_RESOURCE", "r"}, `{"error":"identity not found"}`, 400, "", "", "", `400 Bad Request: {"error":"identity not found"}`},
		{[]string{"ENVIRONMENT", "azure", "TOKEN_RESOURCE", "r"}, `{"access_token":""}`, 200, "", "", "", "no access token"},
		{[]string{"ENVIRONMENT", "azure", "TOKEN_RESOURCE", "r"}, `<html>s3cret</html>`, 200, "", "", "", "no access token"},
		{[]string{"ENVIRONMENT", "azure", "TOKEN_RESOURCE", "r"}, strings.Repeat(" ", maxTokenFile+9), 200, "", "", "", "larger than"},
		{[]string{"ENVIRONMENT", "gcp", "TOKEN_RESOURCE", "a b&c"}, "gcp-token\n", 200,
			"metadata/computeMetadata/v1/instance/service-accounts/default/identity?audience=a+b%26c", "Metadata-Flavor: Google", "gcp-token", ""},
		{[]string{"ENVIRONMENT", "gcp", "TOKEN_RESOURCE", "r"}, "", 200, "", "", "", "no access token"},
		{[]string{"ENVIRONMENT", "gcp", "TOKEN_RESOURCE", "r"}, "nope", 503, "", "", "", "503 Service Unavailable: nope"},
	}
	for _, test := range tests {
		answer = func(w http.ResponseWriter) { w.WriteHeader(test.status); fmt.Fprint(w, test.answer) }
		a := oidcEnv(t, env, test.props...)
		token, _, err := a.oidc.machine(t.Context())
		if test.wantError != "" {
			if err == nil || !strings.Contains(err.Error(), test.wantError) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v: %v, want %q", test.props, err, test.wantError)
			}
			continue
		}
		if err != nil || token != test.token {
			t.Errorf("%v: %q, %v", test.props, token, err)
		}
		if u := got.Host + got.URL.String(); u != test.url {
			t.Errorf("URL is %s, want %s", u, test.url)
		}
		name, value, _ := strings.Cut(test.header, ": ")
		if got.Header.Get(name) != value {
			t.Errorf("header %s is %q", name, got.Header.Get(name))
		}
	}
}

func TestOIDCMetadataTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		a := oidcEnv(t, Environment{HTTP: silent}, "ENVIRONMENT", "gcp", "TOKEN_RESOURCE", "r")
		start := time.Now()
		_, _, err := a.oidc.machine(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestDefaultHTTPClients(t *testing.T) {
	redirect := httptest.NewServer(http.RedirectHandler("http://example.invalid/", http.StatusFound))
	defer redirect.Close()
	req, _ := http.NewRequest(http.MethodGet, redirect.URL, nil)
	if _, err := (Environment{}).fetch(t.Context(), "it", req); err == nil || !strings.Contains(err.Error(), "302 Found") {
		t.Errorf("a redirect: %v", err)
	}
	if linkLocalHTTP().Transport.(*http.Transport).Proxy != nil {
		t.Error("metadata services are asked through a proxy")
	}
	if internetHTTP().Transport.(*http.Transport).Proxy == nil {
		t.Error("STS is not asked through a proxy")
	}
}
