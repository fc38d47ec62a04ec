package kms

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/cryptdata"
	"github.com/mgxdb/mgx/encryption/internal/kms/kmip"
	"github.com/mgxdb/mgx/encryption/internal/kms/kmiptest"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/internal/tlsclient"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A cloud is a stand-in for all services that are asked by HTTP. It "encrypts" by a prefix.
type cloud struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // method, host, path
	headers  []http.Header
	bodies   []string
	// answer, if it is not nil, answers instead: a status, and a body.
	answer func(path string) (int, string)
}

func startCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{}
	c.Server = httptest.NewTLSServer(c)
	c.Config.ErrorLog = nil
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.requests = append(c.requests, r.Method+" "+r.Host+r.URL.String())
	c.headers = append(c.headers, r.Header)
	c.bodies = append(c.bodies, string(body))
	answer := c.answer
	c.mu.Unlock()
	if answer != nil {
		if status, text := answer(r.URL.Path); status != 0 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
			return
		}
	}
	var in map[string]string
	_ = json.Unmarshal(body, &in)
	path := r.URL.Path
	out := map[string]any{}
	switch target := r.Header.Get("X-Amz-Target"); {
	case target == "TrentService.Encrypt":
		out["CiphertextBlob"] = wrapText(base64.StdEncoding, in["Plaintext"])
	case target == "TrentService.Decrypt":
		out["Plaintext"] = unwrapText(base64.StdEncoding, in["CiphertextBlob"])
	case strings.HasSuffix(path, "/wrapkey"):
		out["value"] = wrapText(base64.RawURLEncoding, in["value"])
	case strings.HasSuffix(path, "/unwrapkey"):
		out["value"] = unwrapText(base64.RawURLEncoding, in["value"])
	case strings.HasSuffix(path, ":encrypt"):
		out["ciphertext"] = wrapText(base64.StdEncoding, in["plaintext"])
	case strings.HasSuffix(path, ":decrypt"):
		out["plaintext"] = unwrapText(base64.StdEncoding, in["ciphertext"])
	case strings.HasSuffix(path, "/token"):
		out["access_token"], out["expires_in"] = "token", "3600"
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func wrapText(e *base64.Encoding, s string) string {
	b, _ := e.DecodeString(s)
	return e.EncodeToString(append([]byte("wrapped:"), b...))
}

func unwrapText(e *base64.Encoding, s string) string {
	b, _ := e.DecodeString(s)
	return e.EncodeToString(bytes.TrimPrefix(b, []byte("wrapped:")))
}

// service asks the stand-in, whatever host is named.
func (c *cloud) service(t *testing.T, name string) Service {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(c.Certificate())
	secure, err := tlsclient.New(tlsclient.Options{Config: &tls.Config{RootCAs: pool, ServerName: "example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	return Service{Name: name, TLS: secure, Sleep: func(context.Context, time.Duration) error { return nil },
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, c.Listener.Addr().String())
		}}
}

func raw(t testing.TB, d bson.D) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// TestClouds wraps and unwraps by each service, and looks at what was asked.
func TestClouds(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	c := startCloud(t)
	aws := &AWS{Service: c.service(t, "aws"), Credentials: func(context.Context) (auth.AWSCredentials, error) {
		return auth.AWSCredentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "session"}, nil
	}}
	aws.Now = now
	azure := &Azure{Service: c.service(t, "azure"), TenantID: "tenant", ClientID: "client", ClientSecret: "hush"}
	gcp := &GCP{Service: c.service(t, "gcp"), Email: "mail@example.com", Key: rsaKey()}
	for name, x := range map[string]struct {
		p      Provider
		master bson.D
		asked  []string
	}{
		"aws": {aws, bson.D{{"region", "us-east-1"}, {"key", "arn"}}, []string{"POST kms.us-east-1.amazonaws.com/"}},
		"aws, another endpoint": {aws, bson.D{{"region", "us-east-1"}, {"key", "arn"}, {"endpoint", "kms.example.com:8443"}},
			[]string{"POST kms.example.com:8443/"}},
		"azure": {azure, bson.D{{"keyVaultEndpoint", "name.vault.azure.net"}, {"keyName", "key"}, {"keyVersion", "7"}},
			[]string{"POST login.microsoftonline.com:443/tenant/oauth2/v2.0/token", "POST name.vault.azure.net:443/keys/key/7/"}},
		"gcp": {gcp, bson.D{{"projectId", "p"}, {"location", "l"}, {"keyRing", "r"}, {"keyName", "k"}, {"keyVersion", "3"}},
			[]string{"POST oauth2.googleapis.com:443/token", "POST cloudkms.googleapis.com:443/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.requests, c.headers, c.bodies = nil, nil, nil
			wrapped, stored, err := x.p.Wrap(t.Context(), raw(t, x.master), []byte("material"))
			if err != nil || string(wrapped) != "wrapped:material" {
				t.Fatalf("wrapped %q (%v)", wrapped, err)
			}
			if fmt.Sprint(stored) != fmt.Sprint(x.master) {
				t.Errorf("stored %v, want %v", stored, x.master)
			}
			got, err := x.p.Unwrap(t.Context(), raw(t, append(bson.D{{"provider", name}}, stored...)), wrapped)
			if err != nil || string(got) != "material" {
				t.Fatalf("unwrapped %q (%v)", got, err)
			}
			for i, want := range x.asked {
				if !strings.HasPrefix(strings.ReplaceAll(c.requests[i], ":443", ""), strings.ReplaceAll(want, ":443", "")) {
					t.Errorf("asked %q, want %q", c.requests[i], want)
				}
			}
			if len(c.requests) != len(x.asked)+1 {
				t.Errorf("asked %q: the token should be kept", c.requests)
			}
		})
	}
}

// TestAWSSignature compares a request with one that was signed by AWS's rules.
func TestAWSRequest(t *testing.T) {
	c := startCloud(t)
	a := &AWS{Service: c.service(t, "aws"), Credentials: func(context.Context) (auth.AWSCredentials, error) {
		return auth.AWSCredentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "session"}, nil
	}}
	a.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	if _, _, err := a.Wrap(t.Context(), raw(t, bson.D{{"region", "eu-west-1"}, {"key", "arn"}}), []byte("m")); err != nil {
		t.Fatal(err)
	}
	h := c.headers[0]
	if h.Get("X-Amz-Date") != "20260102T030405Z" || h.Get("X-Amz-Security-Token") != "session" || h.Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("headers %v", h)
	}
	const scope = "AWS4-HMAC-SHA256 Credential=id/20260102/eu-west-1/kms/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature="
	if !strings.HasPrefix(h.Get("Authorization"), scope) {
		t.Errorf("authorization %s", h.Get("Authorization"))
	}
	if c.bodies[0] != `{"KeyId":"arn","Plaintext":"bQ=="}` {
		t.Errorf("body %s", c.bodies[0])
	}
}

// TestGCPAssertion checks the signature by which a service account asks for a token.
func TestGCPAssertion(t *testing.T) {
	der, err := x509.MarshalPKCS8PrivateKey(rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		key, err := ParsePrivateKey(form)
		if err != nil {
			t.Fatal(err)
		}
		g := &GCP{Email: "mail", Key: key}
		token, err := g.assertion("oauth2.googleapis.com", "cloudkms.googleapis.com:443")
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(token, ".")
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			t.Error(err)
		}
		claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
		if !strings.Contains(string(claims), `"aud":"https://oauth2.googleapis.com/token"`) || !strings.Contains(string(claims), `"scope":"https://www.googleapis.com/auth/cloudkms"`) {
			t.Errorf("claims %s", claims)
		}
	}
	if _, err := ParsePrivateKey([]byte("x")); err == nil {
		t.Error("nonsense is a key")
	}
}

// TestRetries are the specification's prose tests of KMS retries: transient failures of the network and of the service
// are tried again, three times at most.
func TestRetries(t *testing.T) {
	c := startCloud(t)
	for name, x := range map[string]struct {
		failures int
		status   int
		ok       bool
		requests int
	}{
		"once": {1, 429, true, 2}, "three times": {3, 503, true, 4}, "four times": {4, 500, false, 4}, "for good": {1, 403, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			failures := x.failures
			c.requests = nil
			c.answer = func(string) (int, string) {
				if failures--; failures >= 0 {
					return x.status, `{"message":"busy"}`
				}
				return 0, ""
			}
			a := &Azure{Service: c.service(t, "azure"), Token: func(context.Context) (Token, error) { return Token{AccessToken: "x"}, nil }}
			_, _, err := a.Wrap(t.Context(), raw(t, bson.D{{"keyVaultEndpoint", "v.azure.net"}, {"keyName", "k"}}), []byte("m"))
			if (err == nil) != x.ok || len(c.requests) != x.requests {
				t.Errorf("%d requests, %v", len(c.requests), err)
			}
			var e *Error
			if !x.ok && (!errors.As(err, &e) || e.Status != x.status || e.Provider != "azure" || !strings.Contains(err.Error(), "busy")) {
				t.Errorf("error %v", err)
			}
		})
	}
	c.answer = nil
	s, failures := c.service(t, "azure"), 2
	dial := s.Dial
	s.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "v.azure.net:443" {
			t.Errorf("dialled %s", address)
		}
		if _, ok := ctx.Deadline(); !ok {
			t.Error("Dial has no deadline")
		}
		if failures--; failures >= 0 {
			return nil, errors.New("network down")
		}
		return dial(ctx, network, address)
	}
	a := &Azure{Service: s, Token: func(context.Context) (Token, error) { return Token{AccessToken: "x"}, nil }}
	if _, _, err := a.Wrap(t.Context(), raw(t, bson.D{{"keyVaultEndpoint", "v.azure.net"}, {"keyName", "k"}}), []byte("m")); err != nil {
		t.Error(err)
	}
}

// TestMetadata are the specification's prose tests of credentials that the machine's cloud has.
func TestMetadata(t *testing.T) {
	c := &cloud{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	host := server.Listener.Addr().String()
	secure, err := tlsclient.New(tlsclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := Service{Name: "azure", TLS: secure}
	ask := func() (Token, error) {
		return (&Azure{Service: s, Metadata: host}).token(t.Context(), "v.vault.azure.net:443")
	}
	got, err := ask()
	if err != nil || got.AccessToken != "token" || time.Until(got.Expires) < 50*time.Minute {
		t.Errorf("%s until %v (%v)", got.AccessToken, got.Expires, err)
	}
	if c.headers[0].Get("Metadata") != "true" || !strings.Contains(c.requests[0], "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net%2F") {
		t.Errorf("asked %s with %v", c.requests[0], c.headers[0])
	}
	g := &GCP{Service: s, Metadata: host}
	if got, err := g.token(t.Context(), "cloudkms.googleapis.com"); err != nil || got.AccessToken != "token" {
		t.Errorf("%s (%v)", got.AccessToken, err)
	}
	if c.headers[1].Get("Metadata-Flavor") != "Google" || !strings.HasSuffix(c.requests[1], "/computeMetadata/v1/instance/service-accounts/default/token") {
		t.Errorf("asked %s with %v", c.requests[1], c.headers[1])
	}
	for name, x := range map[string]struct {
		status int
		body   string
	}{"empty": {200, "{}"}, "no JSON": {200, "{{"}, "not found": {404, "gone"}, "broken": {500, "ouch"}, "no number": {200, `{"access_token":"t","expires_in":"soon"}`}} {
		c.answer = func(string) (int, string) { return x.status, x.body }
		_, err := ask()
		if err == nil {
			t.Errorf("%s is taken for a token", name)
		}
		if x.status != 200 && !strings.Contains(err.Error(), x.body) {
			t.Errorf("%s: the error does not have the answer: %v", name, err)
		}
	}
}

// TestCertificates are the specification's prose tests of KMS TLS: a server with a wrong certificate is not asked, and
// not tried again.
func TestCertificates(t *testing.T) {
	c := startCloud(t)
	pool := x509.NewCertPool()
	pool.AddCert(c.Certificate())
	for name, config := range map[string]*tls.Config{"an unknown authority": {}, "another host": {RootCAs: pool, ServerName: "other.org"}} {
		s := c.service(t, "azure")
		var err error
		if s.TLS, err = tlsclient.New(tlsclient.Options{Config: config}); err != nil {
			t.Fatal(err)
		}
		dialled := 0
		dial := s.Dial
		s.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled++
			return dial(ctx, network, address)
		}
		a := &Azure{Service: s, Token: func(context.Context) (Token, error) { return Token{AccessToken: "x"}, nil }}
		_, _, err = a.Wrap(t.Context(), raw(t, bson.D{{"keyVaultEndpoint", "v.azure.net"}, {"keyName", "k"}}), []byte("m"))
		var certificate *tlsclient.CertificateError
		if !errors.As(err, &certificate) || len(c.requests) != 0 || dialled != 1 {
			t.Errorf("%s: %v after %d connections, asked %q", name, err, dialled, c.requests)
		}
	}
}

func TestTokensAreKept(t *testing.T) {
	now, asked := time.Now(), 0
	var kept tokens
	get := func() string {
		s, err := kept.get(t.Context(), func() time.Time { return now }, func(context.Context) (Token, error) {
			asked++
			return Token{AccessToken: fmt.Sprint("t", asked), Expires: now.Add(10 * time.Minute)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for range 2 {
		if got := get(); got != "t1" {
			t.Errorf("token %s: one that is still good is asked for again", got)
		}
	}
	now = now.Add(9*time.Minute + time.Second) // less than a minute is left
	if get() != "t2" {
		t.Error("a token about to end is used")
	}
}

// TestMasterKeys are libmongocrypt's vectors of master keys.
func TestMasterKeys(t *testing.T) {
	var vectors []struct {
		Input  map[string]any
		Expect string
	}
	cryptdata.JSON(t, &vectors, "kek-tests.json")
	providers := map[string]Provider{"aws": &AWS{}, "azure": &Azure{}, "gcp": &GCP{}, "kmip": &KMIP{}, "local": new(Local)}
	for i, v := range vectors {
		provider, _ := v.Input["provider"].(string)
		p := providers[provider]
		if p == nil {
			continue
		}
		doc, err := bson.Marshal(v.Input)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Check(doc); (err == nil) != (v.Expect == "ok") {
			t.Errorf("%d, %v: %v, want %s", i, v.Input, err, v.Expect)
		}
	}
	if len(vectors) < 10 {
		t.Errorf("%d vectors", len(vectors))
	}
}

func startKMIP(t *testing.T) (*kmiptest.Server, *KMIP) {
	t.Helper()
	c := startCloud(t) // for its certificate
	server, err := kmiptest.Start(c.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	k := &KMIP{Service: c.service(t, "kmip"), Endpoint: server.Addr()}
	k.Dial = nil
	return server, k
}

func TestKMIP(t *testing.T) {
	server, k := startKMIP(t)
	for name, master := range map[string]bson.D{
		"given": {{"keyId", "1"}}, "new": {}, "delegated": {{"delegated", true}}, "another endpoint": {{"endpoint", server.Addr()}},
	} {
		t.Run(name, func(t *testing.T) {
			material := bytes.Repeat([]byte("m"), 96)
			wrapped, stored, err := k.Wrap(t.Context(), raw(t, master), material)
			if err != nil {
				t.Fatal(err)
			}
			id := fmt.Sprint(stored[0].Value)
			if stored[0].Key != "keyId" || name != "given" && !server.Active(id) {
				t.Errorf("stored %v", stored)
			}
			if bytes.Contains(wrapped, material[:16]) {
				t.Error("the material is not encrypted")
			}
			got, err := k.Unwrap(t.Context(), raw(t, append(bson.D{{"provider", "kmip"}}, stored...)), wrapped)
			if err != nil || !bytes.Equal(got, material) {
				t.Errorf("unwrapped %x (%v)", got, err)
			}
		})
	}
	for name, master := range map[string]bson.D{"unknown": {{"keyId", "nobody"}}, "short": {{"keyId", "short"}}, "unknown and delegated": {{"keyId", "x"}, {"delegated", true}}} {
		if _, _, err := k.Wrap(t.Context(), raw(t, master), make([]byte, 96)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	server.Fail = func(uint32) uint32 { return 3 }
	_, _, err := k.Wrap(t.Context(), raw(t, bson.D{}), make([]byte, 96))
	var e *Error
	if !errors.As(err, &e) || e.Status != 3 || e.Message != "no way" {
		t.Errorf("refused: %v", err)
	}
}

// TestKMIPIsCancelled ends a request whose server does not answer.
func TestKMIPIsCancelled(t *testing.T) {
	_, k := startKMIP(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = k.Unwrap(ctx, raw(t, bson.D{{"keyId", "1"}, {"endpoint", l.Addr().String()}}), make([]byte, 160))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server: %v", err)
	}
}

func TestLocal(t *testing.T) {
	if _, err := NewLocal(make([]byte, 95)); err == nil {
		t.Error("95 bytes are a master key")
	}
	l, err := NewLocal(bytes.Repeat([]byte("k"), 96))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, stored, err := l.Wrap(t.Context(), nil, make([]byte, 96))
	if err != nil || len(stored) != 0 {
		t.Fatal(stored, err)
	}
	if _, err := l.Unwrap(t.Context(), nil, wrapped[1:]); err == nil {
		t.Error("a damaged key is unwrapped")
	}
	if _, _, err := l.Wrap(t.Context(), raw(t, bson.D{{"x", 1}}), make([]byte, 96)); err == nil {
		t.Error("a local master key has fields")
	}
}

func FuzzKMIP(f *testing.F) {
	f.Add(kmip.Get("1"))
	f.Add(kmip.Encrypt("1", []byte("x")))
	f.Add([]byte{0x42, 0, 0x7b, 1, 0, 0, 0, 8, 0x42, 0, 0x0f, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = kmip.Identifier(data)
		_, _ = kmip.Secret(data)
		_, _, _ = kmip.Encrypted(data)
		_, _ = kmip.Decrypted(data)
		_, _ = kmip.Read(bytes.NewReader(data))
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a.b", "a.b:443", "https://a.b", ":1", "a:", "a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := address(s, "443")
		if err != nil {
			return
		}
		if host, port, err := net.SplitHostPort(got); err != nil || host == "" || port == "" {
			t.Fatalf("%q became %q", s, got)
		}
	})
}
