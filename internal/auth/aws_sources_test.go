package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// awsStandIn is the ECS, EC2 and STS endpoints in one local server.
type awsStandIn struct {
	mu       sync.Mutex
	requests []string
	expires  any // of the credentials handed out
	key      string
	broken   func(w http.ResponseWriter, r *http.Request) bool
	form     url.Values
}

func (s *awsStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.Host+r.URL.Path)
	if s.broken != nil && s.broken(w, r) {
		return
	}
	expires := `"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`
	if s.expires != nil {
		expires = fmt.Sprint(s.expires)
	}
	doc := func(token string) string {
		return fmt.Sprintf(`{"AccessKeyId":%q,"SecretAccessKey":"s3cret-key","Expiration":%s,%q:"s3ssion"}`, s.key, expires, token)
	}
	metadata := func() bool {
		if r.Header.Get("X-aws-ec2-metadata-token") == "imds-t0ken" {
			return true
		}
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	switch r.Method + " " + r.Host + r.URL.Path {
	case "PUT 169.254.169.254/latest/api/token":
		if r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") == "30" {
			fmt.Fprint(w, "imds-t0ken")
		}
	case "GET 169.254.169.254/latest/meta-data/iam/security-credentials/":
		if metadata() {
			fmt.Fprint(w, "my role\n")
		}
	case "GET 169.254.169.254/latest/meta-data/iam/security-credentials/my role":
		if metadata() {
			fmt.Fprint(w, doc("Token"))
		}
	case "GET 169.254.170.2/v2/credentials/x":
		fmt.Fprint(w, doc("Token"))
	case "POST sts.amazonaws.com/":
		r.ParseForm()
		s.form = r.PostForm
		if r.Header.Get("Accept") != "application/json" || r.URL.RawQuery != "" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"AssumeRoleWithWebIdentityResponse":{"AssumeRoleWithWebIdentityResult":{"Credentials":%s}}}`, doc("SessionToken"))
	default:
		http.NotFound(w, r)
	}
}

// start runs the stand-in and returns an environment that leads there.
func (s *awsStandIn) start(t *testing.T, vars map[string]string) Environment {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return Environment{
		Getenv: func(name string) string { s.mu.Lock(); defer s.mu.Unlock(); return vars[name] },
		HTTP:   redirectTo(server),
		ReadFile: func(name string) ([]byte, error) {
			if name == "/token/file" {
				return []byte("web-t0ken\n"), nil
			}
			return nil, errors.New("no such file")
		},
	}
}

// redirectTo sends all requests to one server, whatever their host.
func redirectTo(server *httptest.Server) *http.Client {
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		host := r.URL.Host
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host, r.Host = "http", strings.TrimPrefix(server.URL, "http://"), host
		return transport.RoundTrip(r)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAWSSources(t *testing.T) {
	ec2 := []string{
		"PUT 169.254.169.254/latest/api/token",
		"GET 169.254.169.254/latest/meta-data/iam/security-credentials/",
		"GET 169.254.169.254/latest/meta-data/iam/security-credentials/my role",
	}
	ecs := []string{"GET 169.254.170.2/v2/credentials/x"}
	sts := []string{"POST sts.amazonaws.com/"}
	env := map[string]string{"AWS_ACCESS_KEY_ID": "env", "AWS_SECRET_ACCESS_KEY": "s"}
	with := func(m map[string]string, kv ...string) map[string]string {
		out := map[string]string{}
		for k, v := range m {
			out[k] = v
		}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = kv[i+1]
		}
		return out
	}
	web := map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token/file", "AWS_ROLE_ARN": "arn:role", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}
	provider := func(context.Context) (AWSCredentials, error) {
		return AWSCredentials{AccessKeyID: "provided", SecretAccessKey: "s"}, nil
	}
	tests := []struct {
		name     string
		cred     Credential
		vars     map[string]string
		id       string
		token    string
		requests []string
		cached   bool
	}{
		{"uri", Credential{Static: Static{Username: "uri", Password: "s"}, AWSProvider: provider}, env, "uri", "", nil, false},
		{"provider", Credential{AWSProvider: provider}, env, "provided", "", nil, false},
		{"environment", Credential{}, with(web, "AWS_ACCESS_KEY_ID", "env", "AWS_SECRET_ACCESS_KEY", "s"), "env", "", nil, false},
		{"environment with token", Credential{}, with(env, "AWS_SESSION_TOKEN", "tok"), "env", "tok", nil, false},
		{"web identity", Credential{}, web, "fetched", "s3ssion", sts, true},
		{"role without token file", Credential{}, with(nil, "AWS_ROLE_ARN", "arn:role"), "fetched", "s3ssion", ec2, true},
		{"ecs", Credential{}, with(nil, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x"), "fetched", "s3ssion", ecs, true},
		{"ecs without slash", Credential{}, with(nil, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "v2/credentials/x"), "fetched", "s3ssion", ecs, true},
		{"ec2", Credential{}, nil, "fetched", "s3ssion", ec2, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			standIn := &awsStandIn{key: "fetched"}
			test.cred.Mechanism = AWS
			test.cred.Environment = standIn.start(t, test.vars)
			a := mustNew(t, test.cred)
			for range 2 {
				c, err := a.aws.credentials(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if c.AccessKeyID != test.id || c.SessionToken != test.token {
					t.Errorf("credentials are %s with token %q", c.AccessKeyID, c.SessionToken)
				}
			}
			standIn.mu.Lock()
			defer standIn.mu.Unlock()
			if !slices.Equal(standIn.requests, test.requests) {
				t.Errorf("requests are %q, want %q", standIn.requests, test.requests)
			}
			if got := a.aws.cache.Load() != nil; got != test.cached {
				t.Errorf("cached is %v", got)
			}
		})
	}
}

func TestWebIdentityRequest(t *testing.T) {
	for _, session := range []string{"", "app1"} {
		standIn := &awsStandIn{key: "k", expires: 1.9e9}
		env := standIn.start(t, map[string]string{
			"AWS_WEB_IDENTITY_TOKEN_FILE": "/token/file", "AWS_ROLE_ARN": "arn:role", "AWS_ROLE_SESSION_NAME": session})
		a := mustNew(t, Credential{Static: Static{Mechanism: AWS}, Environment: env})
		c, err := a.aws.credentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !c.Expires.Equal(time.Unix(1900000000, 0)) {
			t.Errorf("expires %s", c.Expires)
		}
		f := standIn.form
		if f.Get("Action") != "AssumeRoleWithWebIdentity" || f.Get("Version") != "2011-06-15" || f.Get("RoleArn") != "arn:role" ||
			f.Get("WebIdentityToken") != "web-t0ken" {
			t.Errorf("form is %v", f)
		}
		if got := f.Get("RoleSessionName"); got == "" || session != "" && got != session {
			t.Errorf("session name is %q", got)
		}
	}
}

func TestAWSCacheLifetime(t *testing.T) {
	standIn := &awsStandIn{key: "first"}
	vars := map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}
	a := mustNew(t, Credential{Static: Static{Mechanism: AWS}, Environment: standIn.start(t, vars)})
	now := time.Now()
	a.now = func() time.Time { return now }
	get := func() string {
		t.Helper()
		c, err := a.aws.credentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c.AccessKeyID
	}
	get()
	standIn.mu.Lock()
	standIn.key = "second"
	standIn.mu.Unlock()
	if got := get(); got != "first" {
		t.Errorf("the cache is not used: %s", got)
	}
	now = now.Add(54 * time.Minute)
	if got := get(); got != "first" {
		t.Errorf("the cache is not used 6 minutes before expiry: %s", got)
	}
	now = now.Add(2 * time.Minute)
	if got := get(); got != "second" {
		t.Errorf("the cache is used 4 minutes before expiry: %s", got)
	}

	// An attempt that fails clears the cache, one that succeeds does not.
	now = time.Now()
	attempt := func(last []byte) error {
		_, err := run(t, mustBegin(t, a), nil, func(cmd []byte) []byte {
			if commandName(cmd) == "saslContinue" {
				return last
			}
			v, _ := bsonwire.Lookup(payloadOf(cmd), "r")
			_, nonce, _ := v.AsBinary()
			return saslReply(1, false, build("s", bin(append(slices.Clone(nonce), make([]byte, 32)...)), "h", "localhost"))
		})
		return err
	}
	if err := attempt(saslReply(1, true, nil)); err != nil || a.aws.cache.Load() == nil {
		t.Errorf("after success: %v, cache %v", err, a.aws.cache.Load())
	}
	err := attempt(errorReply(18, "AuthenticationFailed", "bad token s3ssion"))
	if err == nil || strings.Contains(err.Error(), "s3ssion") || a.aws.cache.Load() != nil {
		t.Errorf("after failure: %v, cache %v", err, a.aws.cache.Load())
	}

	// Once something is cached, variables that appear later do not matter.
	get()
	standIn.mu.Lock()
	vars["AWS_ACCESS_KEY_ID"], vars["AWS_SECRET_ACCESS_KEY"] = "env", "s"
	standIn.mu.Unlock()
	if got := get(); got != "second" {
		t.Errorf("got %s", got)
	}
}

func TestAWSBrokenServices(t *testing.T) {
	ecs := map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}
	web := map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token/file", "AWS_ROLE_ARN": "arn:role"}
	answer := func(text string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool { fmt.Fprint(w, text); return true }
	}
	tests := []struct {
		name   string
		vars   map[string]string
		broken func(http.ResponseWriter, *http.Request) bool
		want   string
	}{
		{"garbage", ecs, answer("<html>"), "no credential document"},
		{"empty", ecs, answer(""), "no credential document"},
		{"incomplete", ecs, answer(`{"AccessKeyId":"a","SecretAccessKey":"s3cret-key"}`), "without an access key ID"},
		{"bad type", ecs, answer(`{"AccessKeyId":1,"SecretAccessKey":"s3cret-key"}`), "no credential document"},
		{"bad expiration", ecs, answer(`{"AccessKeyId":"a","SecretAccessKey":"s3cret-key","Token":"t","Expiration":"soon"}`), "no time"},
		{"huge", ecs, answer(strings.Repeat("x", maxTokenFile+2)), "larger than"},
		{"status", ecs, func(w http.ResponseWriter, r *http.Request) bool { http.Error(w, "go away", 403); return true }, "403 Forbidden: go away"},
		{"hang up", ecs, func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) }, "did not answer"},
		{"no imds", nil, func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }, "no AWS credentials in the connection string or in the environment"},
		{"no role", nil, func(w http.ResponseWriter, r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "security-credentials/")
		}, "no IAM role"},
		{"sts repeats the token", web, func(w http.ResponseWriter, r *http.Request) bool {
			r.ParseForm()
			http.Error(w, "invalid "+r.PostForm.Get("WebIdentityToken"), 400)
			return true
		}, "invalid ***"},
		{"sts without credentials", web, answer("{}"), "without credentials"},
		{"no token file", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/nothing", "AWS_ROLE_ARN": "x"}, nil, "no such file"},
		{"id alone", map[string]string{"AWS_ACCESS_KEY_ID": "x"}, nil, "AWS_SECRET_ACCESS_KEY is missing"},
		{"secret alone", map[string]string{"AWS_SECRET_ACCESS_KEY": "s3cret-key"}, nil, "AWS_ACCESS_KEY_ID is missing"},
		{"token alone", map[string]string{"AWS_SESSION_TOKEN": "s3cret-key"}, nil, "AWS_ACCESS_KEY_ID is missing"},
		{"other host", map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@evil.example/x"}, nil, "404"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			standIn := &awsStandIn{broken: test.broken}
			a := mustNew(t, Credential{Static: Static{Mechanism: AWS}, Environment: standIn.start(t, test.vars)})
			c, err := a.aws.credentials(t.Context())
			if c != nil || err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 1000 {
				t.Errorf("%v, %v", c, err)
			}
			if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken")) {
				t.Errorf("error has a secret: %v", err)
			}
			if a.aws.cache.Load() != nil {
				t.Error("something is cached")
			}
			standIn.mu.Lock()
			defer standIn.mu.Unlock()
			for _, r := range standIn.requests {
				if strings.Contains(strings.SplitN(r, "/", 2)[0], "evil") {
					t.Errorf("request to %s", r)
				}
			}
		})
	}
}

func TestAWSProviderFailures(t *testing.T) {
	cause := errors.New("vault sealed")
	for _, provider := range []AWSProvider{
		func(context.Context) (AWSCredentials, error) { return AWSCredentials{}, cause },
		func(context.Context) (AWSCredentials, error) { return AWSCredentials{AccessKeyID: "x"}, nil },
	} {
		a := mustNew(t, Credential{Static: Static{Mechanism: AWS}, AWSProvider: provider})
		if c, err := a.aws.credentials(t.Context()); c != nil || err == nil || !strings.Contains(err.Error(), "provider") {
			t.Errorf("%v, %v", c, err)
		}
	}
}

// A service that does not answer costs ten seconds, or what the context allows.
func TestAWSTimeouts(t *testing.T) {
	silent := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}
	for _, limit := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			a := mustNew(t, Credential{Static: Static{Mechanism: AWS}, Environment: Environment{HTTP: silent, Getenv: func(string) string { return "" }}})
			ctx, want := t.Context(), awsTimeout
			if limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, limit)
				defer cancel()
				want = limit
			}
			start := time.Now()
			_, err := a.aws.credentials(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != want {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	}
}
