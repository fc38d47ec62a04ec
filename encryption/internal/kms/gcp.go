package kms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// GCP is Google Cloud KMS.
type GCP struct {
	Service
	// Email is a service account, which gets access tokens at Endpoint by a signature of its key.
	Email    string
	Key      *rsa.PrivateKey
	Endpoint string // "" is oauth2.googleapis.com
	// Token returns access tokens instead. Without it, and without an account, the machine's service is asked.
	Token func(ctx context.Context) (Token, error)
	// Metadata is the machine's service; "" is GCP's.
	Metadata string

	tokens tokens
}

var gcpFields = []field{
	{name: "projectId", required: true}, {name: "location", required: true}, {name: "keyRing", required: true},
	{name: "keyName", required: true}, {name: "keyVersion"}, {name: "endpoint", endpoint: true},
}

// ParsePrivateKey reads the private key of a service account: PKCS #8, as DER or PEM.
func ParsePrivateKey(key []byte) (*rsa.PrivateKey, error) {
	if block, _ := pem.Decode(key); block != nil {
		key = block.Bytes
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	k, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("the private key of gcp is not an RSA key in PKCS #8")
	}
	return k, nil
}

// Check is Provider's.
func (g *GCP) Check(master bson.Raw) (bson.D, error) { return checkMaster("gcp", master, gcpFields) }

// Wrap is Provider's.
func (g *GCP) Wrap(ctx context.Context, master bson.Raw, material []byte) ([]byte, bson.D, error) {
	stored, err := g.Check(master)
	if err != nil {
		return nil, nil, err
	}
	var answer struct {
		Ciphertext []byte `json:"ciphertext"`
	}
	path := ""
	if version := text(master, "keyVersion"); version != "" {
		path = "/cryptoKeyVersions/" + url.PathEscape(version)
	}
	err = g.ask(ctx, master, path+":encrypt", map[string][]byte{"plaintext": material}, &answer)
	return answer.Ciphertext, stored, err
}

// Unwrap is Provider's. The service knows the version.
func (g *GCP) Unwrap(ctx context.Context, master bson.Raw, wrapped []byte) ([]byte, error) {
	if _, err := g.Check(master); err != nil {
		return nil, err
	}
	var answer struct {
		Plaintext []byte `json:"plaintext"`
	}
	err := g.ask(ctx, master, ":decrypt", map[string][]byte{"ciphertext": wrapped}, &answer)
	return answer.Plaintext, err
}

func (g *GCP) ask(ctx context.Context, master bson.Raw, action string, body, answer any) error {
	endpoint := text(master, "endpoint")
	if endpoint == "" {
		endpoint = "cloudkms.googleapis.com"
	}
	to, err := address(endpoint, "443")
	if err != nil {
		return err
	}
	token, err := g.tokens.get(ctx, g.now, func(ctx context.Context) (Token, error) { return g.token(ctx, endpoint) })
	if err != nil {
		return err
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	path := "/v1"
	for _, part := range [][2]string{{"projects", "projectId"}, {"locations", "location"}, {"keyRings", "keyRing"}, {"cryptoKeys", "keyName"}} {
		path += "/" + part[0] + "/" + url.PathEscape(text(master, part[1]))
	}
	return g.post(ctx, request{address: to, path: path + action, header: bearer(token), body: string(data), secret: true}, answer)
}

// token gets an access token.
func (g *GCP) token(ctx context.Context, service string) (Token, error) {
	switch {
	case g.Token != nil:
		return g.Token(ctx)
	case g.Email == "":
		host := g.Metadata
		if host == "" {
			host = "metadata.google.internal"
		}
		return g.metadata(ctx, host, "/computeMetadata/v1/instance/service-accounts/default/token", metadataHeader{"Metadata-Flavor", "Google"})
	}
	endpoint := g.Endpoint
	if endpoint == "" {
		endpoint = "oauth2.googleapis.com"
	}
	to, err := address(endpoint, "443")
	if err != nil {
		return Token{}, err
	}
	assertion, err := g.assertion(endpoint, service)
	if err != nil {
		return Token{}, err
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	return g.oauth(ctx, to, "/token", form)
}

// assertion is a JSON Web Token by which the account asks for an access token, good for five minutes.
func (g *GCP) assertion(endpoint, service string) (string, error) {
	host, _, _ := strings.Cut(service, ":")
	if _, domain, ok := strings.Cut(host, "."); ok {
		host = domain
	}
	now := g.now()
	claims, err := json.Marshal(map[string]any{
		"iss": g.Email, "aud": "https://" + endpoint + "/token", "scope": "https://www." + host + "/auth/cloudkms",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, g.Key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("the private key of gcp cannot sign")
	}
	return signed + "." + encode(signature), nil
}
