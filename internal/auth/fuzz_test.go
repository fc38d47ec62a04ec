package auth

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func FuzzServerFirst(f *testing.F) {
	f.Add("r=nonceX,s=QSXCR+Q6sek8bf92,i=4096", "nonce")
	f.Add("r=nonceX,s=QSXCR+Q6sek8bf92,i=4096,x=y", "nonce")
	f.Add("m=x,r=nonceX,s=AA==,i=4096", "nonce")
	f.Add(",,,,", "")
	f.Fuzz(func(t *testing.T, msg, nonce string) {
		first, err := parseServerFirst(msg, nonce)
		if err != nil {
			return
		}
		if !strings.HasPrefix(first.nonce, nonce) || len(first.nonce) <= len(nonce) || len(first.salt) == 0 ||
			first.iterations < minIterations || first.iterations > maxIterations || !strings.HasPrefix(msg, "r="+first.nonce+",s=") {
			t.Errorf("%q gives %+v", msg, first.nonce)
		}
	})
}

func FuzzServerFinal(f *testing.F) {
	f.Add("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")
	f.Add("e=other-error")
	f.Add("v=,x")
	f.Fuzz(func(t *testing.T, msg string) {
		if sig, err := parseServerFinal(msg); err == nil && (len(sig) == 0 || !strings.HasPrefix(msg, "v=")) {
			t.Errorf("%q gives %x", msg, sig)
		}
	})
}

func FuzzAWSChallenge(f *testing.F) {
	nonce := bytes.Repeat([]byte{7}, awsNonce)
	f.Add(build("s", bin(append(bytes.Clone(nonce), make([]byte, 32)...)), "h", "sts.amazonaws.com"))
	f.Add(build("s", bin(nonce), "h", ""))
	f.Fuzz(func(t *testing.T, msg []byte) {
		server, host, err := parseAWSChallenge(msg, nonce)
		if err != nil {
			return
		}
		if len(server) != awsServerNonce || !bytes.HasPrefix(server, nonce) {
			t.Errorf("nonce is %x", server)
		}
		region, err := awsRegion(host)
		if err == nil && (region == "" || len(host) > 255 || strings.ContainsAny(host, "\n\r /")) {
			t.Errorf("host %q gives region %q", host, region)
		}
	})
}

func FuzzIDPInfo(f *testing.F) {
	f.Add(build("issuer", "https://issuer", "clientId", "abcd", "requestScopes", list{"a", "b"}))
	f.Add(build("issuer", "x", "requestScopes", kvs{"0", 1}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if info, err := parseIDPInfo(payload); err == nil && info.Issuer == "" {
			t.Error("no issuer")
		}
	})
}

func FuzzSTS(f *testing.F) {
	f.Add([]byte(`{"AssumeRoleWithWebIdentityResponse":{"AssumeRoleWithWebIdentityResult":{"Credentials":{"AccessKeyId":"a","SecretAccessKey":"s","SessionToken":"t","Expiration":1.9e9}}}}`))
	f.Add([]byte(`{"Credentials":{"AccessKeyId":"a","SecretAccessKey":"s","SessionToken":"t","Expiration":"2030-01-02T03:04:05Z"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func(string, []byte) (*AWSCredentials, error){parseSTS, parseAWSCredentials} {
			if c, err := parse("it", body); (err == nil) != (c != nil) || c != nil && !c.complete() {
				t.Errorf("%v, %v", c, err)
			}
		}
	})
}

// FuzzReplies sends arbitrary replies to every mechanism. None may end in
// success for the mechanisms whose server has to prove itself.
func FuzzReplies(f *testing.F) {
	f.Add(saslReply(1, false, nil), saslReply(1, true, nil))
	f.Add(saslReply(1, false, []byte("r=x,s=AAAA,i=4096")), saslReply(1, true, []byte("v=AAAA")))
	f.Add(saslReply(1, false, build("issuer", "x")), errorReply(18, "x", "y"))
	f.Add(errorReply(391, "x", "y"), errorReply(18, "x", "y"))
	var all []*Authenticator
	for _, cred := range []Credential{
		{Static: Static{Mechanism: ScramSHA1, Username: "u", Password: "s3cret-p"}},
		{Static: Static{Username: "u", Password: "s3cret-p"}},
		{Static: Static{Mechanism: Plain, Username: "u", Password: "s3cret-p"}},
		{Static: Static{Mechanism: X509}},
		{Static: Static{Mechanism: AWS, Username: "id", Password: "s3cret-p"}},
	} {
		all = append(all, mustNew(f, cred))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		// OIDC caches and pauses, so each run needs clients of its own.
		clients := append(all[:len(all):len(all)],
			mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: staticToken("s3cret-t")}),
			mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCHumanCallback: staticToken("s3cret-t")}))
		for _, a := range clients {
			conv := mustBegin(t, a)
			replies := [][]byte{nil, one, two, one}
			for i, reply := range replies {
				if reply == nil && i > 0 {
					reply = []byte{}
				}
				cmd, done, err := conv.Next(ctx, reply)
				if err != nil {
					var e *Error
					if !errors.As(err, &e) || strings.Contains(err.Error(), "s3cret") {
						t.Errorf("%s: %v", conv.Mechanism(), err)
					}
					break
				}
				if done {
					if strings.HasPrefix(conv.Mechanism(), "SCRAM") || conv.Mechanism() == AWS {
						t.Errorf("%s trusts the server", conv.Mechanism())
					}
					break
				}
				if len(cmd) == 0 {
					t.Errorf("%s: no command", conv.Mechanism())
				}
			}
		}
	})
}
