package auth

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

// AWSCredentials are what AWS requests are signed with.
type AWSCredentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // for temporary credentials
	Expires         time.Time // zero: not known
}

// String shows the access key ID, which is not secret, and nothing else.
func (c AWSCredentials) String() string { return fmt.Sprintf("AWS credentials %q", c.AccessKeyID) }

// GoString is String: no verb prints a secret.
func (c AWSCredentials) GoString() string { return c.String() }

// Format prints String for every verb.
func (c AWSCredentials) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue is String.
func (c AWSCredentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c AWSCredentials) complete() bool { return c.AccessKeyID != "" && c.SecretAccessKey != "" }

// AWSProvider returns credentials for one connection.
type AWSProvider func(ctx context.Context) (AWSCredentials, error)

// The services that hand out credentials.
const (
	ecsURL   = "http://169.254.170.2"
	ec2URL   = "http://169.254.169.254"
	stsURL   = "https://sts.amazonaws.com/"
	ec2Roles = ec2URL + "/latest/meta-data/iam/security-credentials/"
)

const (
	// awsTimeout bounds each request to one of them.
	awsTimeout = 10 * time.Second
	// awsEarly is how long before their expiry cached credentials are given up.
	awsEarly = 5 * time.Minute
)

// awsSource finds credentials in the order that the specification gives:
// user name and password, the provider, the cache, environment variables, a
// web identity, the ECS or the EC2 endpoint. What came from one of the last
// three is cached.
type awsSource struct {
	sealed
	static   *AWSCredentials
	provider AWSProvider
	env      Environment
	cache    atomic.Pointer[AWSCredentials]
	now      func() time.Time
	random   func([]byte)
}

func newAWSSource(a *Authenticator) *awsSource {
	s := &awsSource{
		provider: a.cred.AWSProvider,
		env:      a.cred.Environment,
		now:      func() time.Time { return a.now() },
		random:   func(b []byte) { a.random(b) },
	}
	if a.cred.Username != "" {
		token := a.cred.Properties[setup.SessionToken]
		s.static = &AWSCredentials{AccessKeyID: a.cred.Username, SecretAccessKey: a.cred.Password, SessionToken: token}
	}
	return s
}

// credentials holds no lock while it asks: connections may ask at the same
// time, and the last answer stays in the cache.
func (s *awsSource) credentials(ctx context.Context) (*AWSCredentials, error) {
	if s.static != nil {
		return s.static, nil
	}
	if s.provider != nil {
		c, err := s.provider(ctx)
		if err != nil {
			return nil, fmt.Errorf("the AWS credential provider failed: %w", err)
		}
		if !c.complete() {
			return nil, errors.New("the AWS credential provider returned no access key ID or no secret access key")
		}
		return &c, nil
	}
	if c := s.cache.Load(); c != nil && s.now().Add(awsEarly).Before(c.Expires) {
		return c, nil
	}
	c, err := s.fromVariables()
	if c != nil || err != nil {
		return c, err
	}
	if c, err = s.fromService(ctx); err != nil {
		return nil, err
	}
	if !c.Expires.IsZero() {
		s.cache.Store(c)
	}
	return c, nil
}

// forget drops credentials with which an attempt failed from the cache.
func (s *awsSource) forget(c *AWSCredentials) {
	if c != nil {
		s.cache.CompareAndSwap(c, nil)
	}
}

// fromVariables returns nil if no variable is set.
func (s *awsSource) fromVariables() (*AWSCredentials, error) {
	c := AWSCredentials{
		AccessKeyID:     s.env.getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: s.env.getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    s.env.getenv("AWS_SESSION_TOKEN"),
	}
	switch {
	case c.complete():
		return &c, nil
	case c.AccessKeyID == "" && c.SecretAccessKey == "" && c.SessionToken == "":
		return nil, nil
	case c.AccessKeyID == "":
		return nil, errors.New("environment variable AWS_ACCESS_KEY_ID is missing: AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN is set without it")
	}
	return nil, errors.New("environment variable AWS_SECRET_ACCESS_KEY is missing: AWS_ACCESS_KEY_ID is set without it")
}

func (s *awsSource) fromService(ctx context.Context) (*AWSCredentials, error) {
	file, role := s.env.getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), s.env.getenv("AWS_ROLE_ARN")
	if file != "" && role != "" {
		return s.fromWebIdentity(ctx, file, role)
	}
	if path := s.env.getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		return s.fromECS(ctx, path)
	}
	return s.fromEC2(ctx)
}

// fromWebIdentity trades the token of, say, an EKS pod for credentials. The
// token travels in the body: URLs end up in errors and in proxies' logs.
func (s *awsSource) fromWebIdentity(ctx context.Context, file, role string) (*AWSCredentials, error) {
	token, err := s.env.readToken(file)
	if err != nil {
		return nil, fmt.Errorf("AWS web identity: %w", err)
	}
	session := s.env.getenv("AWS_ROLE_SESSION_NAME")
	if session == "" {
		var b [8]byte
		s.random(b[:])
		session = "mgx-" + hex.EncodeToString(b[:])
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"},
		"RoleArn": {role}, "RoleSessionName": {session}, "WebIdentityToken": {token},
	}
	const what = "AWS STS"
	body, err := s.request(ctx, what, http.MethodPost, stsURL, form.Encode(), "Accept", "application/json",
		"Content-Type", "application/x-www-form-urlencoded")
	if err != nil {
		return nil, scrubbed(err, token)
	}
	return parseSTS(what, body)
}

func (s *awsSource) fromECS(ctx context.Context, path string) (*AWSCredentials, error) {
	const what = "the ECS credential endpoint"
	// A leading slash keeps the variable from changing the host.
	body, err := s.request(ctx, what, http.MethodGet, ecsURL+"/"+strings.TrimLeft(path, "/"), "", "Accept", "application/json")
	if err != nil {
		return nil, err
	}
	return parseAWSCredentials(what, body)
}

// fromEC2 asks the instance metadata service, in its second version only.
func (s *awsSource) fromEC2(ctx context.Context) (*AWSCredentials, error) {
	const what = "the EC2 instance metadata service"
	token, err := s.request(ctx, what, http.MethodPut, ec2URL+"/latest/api/token", "", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "30")
	if err != nil {
		return nil, fmt.Errorf("no AWS credentials in the connection string or in the environment, and %w", err)
	}
	key := strings.TrimSpace(string(token))
	roles, err := s.request(ctx, what, http.MethodGet, ec2Roles, "", "X-Aws-Ec2-Metadata-Token", key)
	if err != nil {
		return nil, fmt.Errorf("looking for the instance's IAM role: %w", scrubbed(err, key))
	}
	role, _, _ := strings.Cut(strings.TrimSpace(string(roles)), "\n")
	if role == "" {
		return nil, errors.New("the EC2 instance has no IAM role: attach one or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	body, err := s.request(ctx, what, http.MethodGet, ec2Roles+url.PathEscape(strings.TrimSpace(role)), "", "X-Aws-Ec2-Metadata-Token", key)
	if err != nil {
		return nil, scrubbed(err, key)
	}
	return parseAWSCredentials(what, body)
}

// request sends one request; headers are names and values in turn.
func (s *awsSource) request(ctx context.Context, what, method, target, body string, headers ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: its address is not a valid URL", what)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return s.env.fetch(ctx, what, req)
}

// awsDocument is how ECS, EC2 and STS write credentials down.
type awsDocument struct {
	AccessKeyId     string
	SecretAccessKey string
	Token           string          // ECS, EC2
	SessionToken    string          // STS
	Expiration      json.RawMessage // a time as text, or seconds as a number
}

func parseAWSCredentials(what string, body []byte) (*AWSCredentials, error) {
	var d awsDocument
	if json.Unmarshal(body, &d) != nil {
		return nil, fmt.Errorf("%s answered with something that is no credential document", what)
	}
	return d.credentials(what)
}

// parseSTS takes the document that STS sends as well as the shorter form of it
// in the specification.
func parseSTS(what string, body []byte) (*AWSCredentials, error) {
	var d struct {
		Credentials                       *awsDocument
		AssumeRoleWithWebIdentityResponse struct {
			AssumeRoleWithWebIdentityResult struct{ Credentials *awsDocument }
		}
	}
	if json.Unmarshal(body, &d) != nil {
		return nil, fmt.Errorf("%s answered with something that is no credential document", what)
	}
	c := d.Credentials
	if c == nil {
		c = d.AssumeRoleWithWebIdentityResponse.AssumeRoleWithWebIdentityResult.Credentials
	}
	if c == nil {
		return nil, fmt.Errorf("%s answered without credentials", what)
	}
	return c.credentials(what)
}

func (d awsDocument) credentials(what string) (*AWSCredentials, error) {
	c := &AWSCredentials{AccessKeyID: d.AccessKeyId, SecretAccessKey: d.SecretAccessKey, SessionToken: d.Token}
	if c.SessionToken == "" {
		c.SessionToken = d.SessionToken
	}
	if !c.complete() || c.SessionToken == "" {
		return nil, fmt.Errorf("%s answered without an access key ID, a secret access key or a token", what)
	}
	if e := bytes.TrimSpace(d.Expiration); len(e) > 0 && !bytes.Equal(e, []byte("null")) {
		var seconds float64
		var at time.Time
		switch {
		case json.Unmarshal(e, &at) == nil:
			c.Expires = at
		case json.Unmarshal(e, &seconds) == nil && seconds > 0 && seconds < 1<<40:
			c.Expires = time.Unix(int64(seconds), 0)
		default:
			return nil, fmt.Errorf("%s answered with an expiration that is no time", what)
		}
	}
	return c, nil
}

// scrubbed removes a secret that a service repeated from its error.
func scrubbed(err error, secret string) error {
	text := err.Error()
	if clean := scrub(text, secret); clean != text {
		return errors.New(clean)
	}
	return err
}
