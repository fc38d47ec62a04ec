package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/internal/setup"
)

// oidcEnvironments are the values of the property ENVIRONMENT: built-in
// callbacks for machines.
var oidcEnvironments = map[string]func(*Credential) OIDCCallback{
	"test":  testToken,
	"azure": azureToken,
	"gcp":   gcpToken,
	"k8s":   kubernetesToken,
}

// testToken is for tests of drivers.
func testToken(c *Credential) OIDCCallback {
	return fileToken(c.Environment, func() (string, error) {
		name := c.Environment.getenv("OIDC_TOKEN_FILE")
		if name == "" {
			return "", errors.New("environment variable OIDC_TOKEN_FILE is not set")
		}
		return name, nil
	})
}

// kubernetesToken reads the token of the pod's service account, from where
// Azure's, Amazon's or nobody's workload identity mounts it.
func kubernetesToken(c *Credential) OIDCCallback {
	return fileToken(c.Environment, func() (string, error) {
		for _, name := range []string{"AZURE_FEDERATED_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
			if file := c.Environment.getenv(name); file != "" {
				return file, nil
			}
		}
		return "/var/run/secrets/kubernetes.io/serviceaccount/token", nil
	})
}

func fileToken(env Environment, file func() (string, error)) OIDCCallback {
	return func(context.Context, OIDCArgs) (OIDCToken, error) {
		name, err := file()
		if err != nil {
			return OIDCToken{}, err
		}
		token, err := env.readToken(name)
		return OIDCToken{AccessToken: token}, err
	}
}

// azureToken asks the Azure instance metadata service. The user name is the
// client ID of a managed identity.
func azureToken(c *Credential) OIDCCallback {
	resource := c.Properties[setup.TokenResource]
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {resource}}
	if c.Username != "" {
		query.Set("client_id", c.Username)
	}
	target := "http://169.254.169.254/metadata/identity/oauth2/token?" + query.Encode()
	return func(ctx context.Context, _ OIDCArgs) (OIDCToken, error) {
		const what = "the Azure instance metadata service"
		body, err := getToken(ctx, c.Environment, what, target, "Metadata", "true")
		if err != nil {
			return OIDCToken{}, err
		}
		var d struct {
			AccessToken string `json:"access_token"`
		}
		if json.Unmarshal(body, &d) != nil || d.AccessToken == "" {
			return OIDCToken{}, fmt.Errorf("%s answered with something that has no access token", what)
		}
		return OIDCToken{AccessToken: d.AccessToken}, nil
	}
}

// gcpToken asks the Google Cloud metadata server, whose whole answer is the
// token.
func gcpToken(c *Credential) OIDCCallback {
	resource := c.Properties[setup.TokenResource]
	target := "http://metadata/computeMetadata/v1/instance/service-accounts/default/identity?" +
		url.Values{"audience": {resource}}.Encode()
	return func(ctx context.Context, _ OIDCArgs) (OIDCToken, error) {
		body, err := getToken(ctx, c.Environment, "the Google Cloud metadata server", target, "Metadata-Flavor", "Google")
		return OIDCToken{AccessToken: strings.TrimSpace(string(body))}, err
	}
}

func getToken(ctx context.Context, env Environment, what, target, headerName, headerValue string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set(headerName, headerValue)
	return env.fetch(ctx, what, req)
}

// hostList are the hosts to which tokens of people may go.
type hostList []string

var defaultHosts = hostList{
	"*.mongodb.net", "*.mongodb-qa.net", "*.mongodb-dev.net", "*.mongodbgov.net",
	"localhost", "127.0.0.1", "::1", "*.mongo.com",
}

func (l hostList) String() string {
	if len(l) == 0 {
		return "none"
	}
	return strings.Join(l, ", ")
}

// check fails for patterns that would match other than they look.
func (l hostList) check() error {
	for _, p := range l {
		if rest := strings.TrimPrefix(p, "*."); rest == "" || strings.Contains(rest, "*") {
			return &setup.Error{Option: setup.AllowedHosts, Message: fmt.Sprintf("%q is neither a host nor \"*.\" and a domain", p)}
		}
	}
	return nil
}

// allow reports whether the host of addr, a host with or without a port, is in
// the list. Names match without regard to case; a "*." stands for one label or
// more.
func (l hostList) allow(addr string) bool {
	host := hostOf(addr)
	return slices.ContainsFunc(l, func(p string) bool {
		p = strings.ToLower(p)
		if domain, ok := strings.CutPrefix(p, "*"); ok {
			return len(host) > len(domain) && strings.HasSuffix(host, domain)
		}
		return host == strings.Trim(p, "[]")
	})
}

// hostOf cuts the port and an IPv6 address's brackets off.
func hostOf(addr string) string {
	host := addr
	if h, _, err := net.SplitHostPort(addr); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
