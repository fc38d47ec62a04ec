package kms

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/mgxdb/mgx/bson"
)

// Azure is Azure Key Vault.
type Azure struct {
	Service
	// TenantID, ClientID and ClientSecret are an application's, which gets access tokens at IdentityPlatform.
	TenantID, ClientID, ClientSecret string
	IdentityPlatform                 string // "" is login.microsoftonline.com
	// Token returns access tokens instead. Without it, and without an application, the machine's service is asked.
	Token func(ctx context.Context) (Token, error)
	// Metadata is the machine's service; "" is Azure's.
	Metadata string

	tokens tokens
}

var azureFields = []field{{name: "keyVaultEndpoint", required: true, endpoint: true}, {name: "keyName", required: true}, {name: "keyVersion"}}

// Check is Provider's.
func (a *Azure) Check(master bson.Raw) (bson.D, error) {
	return checkMaster("azure", master, azureFields)
}

// Wrap is Provider's.
func (a *Azure) Wrap(ctx context.Context, master bson.Raw, material []byte) ([]byte, bson.D, error) {
	stored, err := a.Check(master)
	if err != nil {
		return nil, nil, err
	}
	wrapped, err := a.ask(ctx, master, "wrapkey", material)
	return wrapped, stored, err
}

// Unwrap is Provider's.
func (a *Azure) Unwrap(ctx context.Context, master bson.Raw, wrapped []byte) ([]byte, error) {
	if _, err := a.Check(master); err != nil {
		return nil, err
	}
	return a.ask(ctx, master, "unwrapkey", wrapped)
}

func (a *Azure) ask(ctx context.Context, master bson.Raw, action string, value []byte) ([]byte, error) {
	host, err := address(text(master, "keyVaultEndpoint"), "443")
	if err != nil {
		return nil, err
	}
	token, err := a.tokens.get(ctx, a.now, func(ctx context.Context) (Token, error) { return a.token(ctx, host) })
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"alg": "RSA-OAEP-256", "value": base64.RawURLEncoding.EncodeToString(value)})
	if err != nil {
		return nil, err
	}
	path := "/keys/" + url.PathEscape(text(master, "keyName")) + "/" + url.PathEscape(text(master, "keyVersion")) + "/" + action + "?api-version=7.1"
	var answer struct{ Value string }
	if err := a.post(ctx, request{address: host, path: path, header: bearer(token), body: string(body), secret: true}, &answer); err != nil {
		return nil, err
	}
	got, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(answer.Value, "="))
	if err != nil || len(got) == 0 {
		return nil, &Error{Provider: a.Name, Endpoint: host, Message: "there is no value in the answer"}
	}
	return got, nil
}

// token gets an access token.
func (a *Azure) token(ctx context.Context, vault string) (Token, error) {
	switch {
	case a.Token != nil:
		return a.Token(ctx)
	case a.ClientID == "":
		host := a.Metadata
		if host == "" {
			host = "169.254.169.254"
		}
		query := url.Values{"api-version": {"2018-02-01"}, "resource": {"https://vault.azure.net/"}}
		return a.metadata(ctx, host, "/metadata/identity/oauth2/token?"+query.Encode(), metadataHeader{"Metadata", "true"}, metadataHeader{"Accept", "application/json"})
	}
	endpoint := a.IdentityPlatform
	if endpoint == "" {
		endpoint = "login.microsoftonline.com"
	}
	to, err := address(endpoint, "443")
	if err != nil {
		return Token{}, err
	}
	// The vault's domain without its own name: vault.azure.net, or that of another of Azure's clouds.
	host, _, _ := strings.Cut(vault, ":")
	if _, domain, ok := strings.Cut(host, "."); ok {
		host = domain
	}
	form := url.Values{"client_id": {a.ClientID}, "client_secret": {a.ClientSecret}, "grant_type": {"client_credentials"}, "scope": {"https://" + host + "/.default"}}
	return a.oauth(ctx, to, "/"+url.PathEscape(a.TenantID)+"/oauth2/v2.0/token", form)
}

// oauth gets an access token from an identity platform.
func (s *Service) oauth(ctx context.Context, to, path string, form url.Values) (Token, error) {
	began := s.now()
	var answer tokenAnswer
	header := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
	if err := s.post(ctx, request{address: to, path: path, header: header, body: form.Encode(), secret: true}, &answer); err != nil {
		return Token{}, err
	}
	t, err := answer.token(began)
	if err != nil {
		return t, s.fail(to, err)
	}
	return t, nil
}
