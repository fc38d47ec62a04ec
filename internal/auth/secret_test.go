package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Nothing that holds a secret prints it.
func TestNothingPrintsSecrets(t *testing.T) {
	const secret = "hunter2-s3cret"
	cred := Credential{Static: Static{Mechanism: AWS, Username: "AKIA", Password: secret, Properties: map[string]string{"AWS_SESSION_TOKEN": secret}}}
	aws := mustNew(t, cred)
	awsConv := mustBegin(t, aws)
	awsConv.Next(t.Context(), nil)
	scramAuth := mustNew(t, Credential{Static: Static{Mechanism: ScramSHA1, Username: "u", Password: secret}})
	scramConv := mustBegin(t, scramAuth)
	run(t, scramConv, nil, newScramServer(t, ScramSHA1, "u", secret, 4096).serve)
	oidc := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: staticToken(secret)})
	oidcConv := mustBegin(t, oidc)
	oidcConv.Next(t.Context(), nil)
	plainConv := mustBegin(t, mustNew(t, Credential{Static: Static{Mechanism: Plain, Username: "u", Password: secret}}))
	denied := (attempt{mechanism: Plain}).denied(reply{doc: build("errmsg", "wrong: "+secret)}, secret)

	values := []any{
		cred, &cred, aws, *aws, awsConv, scramAuth, scramConv, oidc, oidcConv, plainConv, denied, *denied,
		AWSCredentials{AccessKeyID: "AKIA", SecretAccessKey: secret, SessionToken: secret, Expires: time.Now()},
		OIDCToken{AccessToken: secret, RefreshToken: secret}, OIDCArgs{RefreshToken: secret, IDP: &IDPInfo{}},
		struct{ C any }{cred}, []Credential{cred}, map[string]AWSCredentials{"x": {SecretAccessKey: secret}},
		plainExchange{password: secret}, scramKeys{client: []byte(secret)}, *scramAuth.sha1,
	}
	var out bytes.Buffer
	for _, logger := range []*slog.Logger{
		slog.New(slog.NewTextHandler(&out, nil)),
		slog.New(slog.NewJSONHandler(&out, nil)),
	} {
		for _, v := range values {
			switch v.(type) {
			case Credential, *Credential, AWSCredentials, OIDCToken, OIDCArgs, error, Error, Conversation, *Authenticator:
				logger.Info("value", "v", v)
			}
		}
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	text := out.String()
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprint([]byte(secret))} {
		if i := strings.Index(text, form); i >= 0 {
			t.Errorf("printed: …%s…", text[max(0, i-200):min(len(text), i+50)])
		}
	}
	if !strings.Contains(text, "AKIA") {
		t.Error("the user name is missing")
	}
	b, err := json.Marshal(aws) //nolint:staticcheck // SA9005: that nothing is exported is what is tested
	if err != nil || strings.Contains(string(b), secret) {
		t.Errorf("JSON: %s, %v", b, err)
	}
}

func TestErrorText(t *testing.T) {
	e := (attempt{ScramSHA256, "admin", "bob", true}).denied(reply{doc: build("code", 18, "codeName", "AuthenticationFailed", "errmsg", "Authentication failed.")})
	want := `authentication failed: SCRAM-SHA-256 (negotiated), user "bob", authSource "admin": ` +
		`the server says: Authentication failed (AuthenticationFailed, code 18); check the user name, the password and authSource`
	if got := fmt.Sprintf("%+v", e); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	refused := (attempt{mechanism: OIDC, source: "$external"}).refused(fmt.Errorf("waiting: %w", context.DeadlineExceeded))
	if !errors.Is(refused, context.DeadlineExceeded) || refused.Server() {
		t.Error("the cause is lost")
	}
}
