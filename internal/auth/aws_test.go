package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Published examples: the key of the documentation's IAM request, that
// request, and get-vanilla of the signature test suite.
func TestSigV4Vectors(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	list := signedRequest{
		method: "GET", path: "/", query: "Action=ListUsers&Version=2010-05-08",
		headers: []header{
			{"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
			{"host", "iam.amazonaws.com"},
			{"x-amz-date", "20150830T123600Z"},
		},
		date: "20150830T123600Z", region: "us-east-1", service: "iam",
	}
	if got := hexSHA256(list.canonical()); got != "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59" {
		t.Errorf("hash of the canonical request is %s:\n%s", got, list.canonical())
	}
	if got := hex.EncodeToString(list.signingKey(secret)); got != "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9" {
		t.Errorf("signing key is %s", got)
	}
	want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
		"SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
	if got := list.authorization("AKIDEXAMPLE", secret); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	vanilla := signedRequest{
		method: "GET", path: "/",
		headers: []header{{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
		date:    "20150830T123600Z", region: "us-east-1", service: "service",
	}
	if got := vanilla.authorization("AKIDEXAMPLE", secret); !strings.HasSuffix(got, "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31") {
		t.Error(got)
	}
}

func TestAWSRegion(t *testing.T) {
	for _, test := range []struct{ host, want string }{
		{"sts.amazonaws.com", "us-east-1"},
		{"aws.amazonaws.com", "us-east-1"},
		{"sts.us-west-2.amazonaws.com", "us-west-2"},
		{"sts.us-west-2.amazonaws.com.ch", "us-west-2"},
		{"example.com", "com"},
		{"localhost", "us-east-1"},
		{strings.Repeat("a", 255), "us-east-1"},
		{"sts..com", ""}, {".amazonaws.com", ""}, {"sts.amazonaws.", ""}, {"", ""}, {".", ""},
		{strings.Repeat("a", 256), ""},
		{"sts.com\nx-amz-date:20200101T000000Z", ""}, {"a b", ""}, {"a/b", ""}, {"a@b", ""},
	} {
		got, err := awsRegion(test.host)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%q: %q, %v", test.host, got, err)
		}
	}
}

func TestAWSConversation(t *testing.T) {
	for _, token := range []string{"", "session-token"} {
		cred := Credential{Static: Static{Mechanism: AWS, Username: "AKIAICGVLKOKZVY3X3DA", Password: "secret-access-key"}}
		if token != "" {
			cred.Properties = map[string]string{"AWS_SESSION_TOKEN": token}
		}
		a := mustNew(t, cred)
		a.now = func() time.Time { return time.Date(2019, 11, 7, 1, 26, 7, 999, time.FixedZone("", 3600)) }
		clientNonce := unbase64(t, "Wj0lSjp8M0BMKGU+QVAzRSpWfk0hJigqO1V+b0FaVz4=")
		a.random = func(b []byte) { copy(b, clientNonce) }
		if conv, doc, err := a.Speculate(t.Context(), "localhost"); conv != nil || doc != nil || err != nil {
			t.Errorf("Speculate returned %v, %v, %v", conv, doc, err)
		}
		round := 0
		_, err := run(t, mustBegin(t, a), nil, func(cmd []byte) []byte {
			round++
			if round == 1 { // the specification's example of a conversation
				if got := base64.StdEncoding.EncodeToString(payloadOf(cmd)); got != "NAAAAAVyACAAAAAAWj0lSjp8M0BMKGU+QVAzRSpWfk0hJigqO1V+b0FaVz4QcABuAAAAAA==" {
					t.Errorf("the first payload is %s", got)
				}
				return saslReply(1, false, unbase64(t, "ZgAAAAVzAEAAAAAAWj0lSjp8M0BMKGU+QVAzRSpWfk0hJigqO1V+b0FaVz5Rj7x9UOBHJLvPgvgPS9sSzZUWgAPTy8HBbI1cG1WJ9gJoABIAAABzdHMuYW1hem9uYXdzLmNvbQAA"))
			}
			p := payloadOf(cmd)
			headers := "content-length;content-type;host;x-amz-date;"
			if token != "" {
				headers += "x-amz-security-token;"
			}
			prefix := "AWS4-HMAC-SHA256 Credential=AKIAICGVLKOKZVY3X3DA/20191107/us-east-1/sts/aws4_request, SignedHeaders=" +
				headers + "x-mongodb-gs2-cb-flag;x-mongodb-server-nonce, Signature="
			if got := str(p, "a"); !strings.HasPrefix(got, prefix) || len(got) != len(prefix)+64 {
				t.Errorf("authorization is %s, want %s…", got, prefix)
			}
			if got := str(p, "d"); got != "20191107T002607Z" {
				t.Errorf("date is %s", got)
			}
			if v, ok := bsonwire.Lookup(p, "t"); ok != (token != "") || str(p, "t") != token {
				t.Errorf("token is %v", v)
			}
			return saslReply(1, true, nil)
		})
		if err != nil || round != 2 {
			t.Errorf("%d rounds, %v", round, err)
		}
	}
}

// The signature covers all that the server is told to send on.
func TestAWSCanonicalRequest(t *testing.T) {
	nonce := bytes.Repeat([]byte{1}, 64)
	creds := &AWSCredentials{AccessKeyID: "id", SecretAccessKey: "key", SessionToken: "tok"}
	now := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	canonical := "POST\n/\n\ncontent-length:43\ncontent-type:application/x-www-form-urlencoded\nhost:sts.eu-west-1.amazonaws.com\n" +
		"x-amz-date:20200102T030405Z\nx-amz-security-token:tok\nx-mongodb-gs2-cb-flag:n\nx-mongodb-server-nonce:" +
		base64.StdEncoding.EncodeToString(nonce) + "\n\n" +
		"content-length;content-type;host;x-amz-date;x-amz-security-token;x-mongodb-gs2-cb-flag;x-mongodb-server-nonce\n" +
		"ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843" // the body's SHA-256
	toSign := "AWS4-HMAC-SHA256\n20200102T030405Z\n20200102/eu-west-1/sts/aws4_request\n" + hexSHA256(canonical)
	key := []byte("AWS4key")
	for _, part := range []string{"20200102", "eu-west-1", "sts", "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	want := hex.EncodeToString(hmacSHA256(key, toSign))
	got, _ := signCallerIdentity(creds, "sts.eu-west-1.amazonaws.com", "eu-west-1", nonce, now)
	if !strings.HasSuffix(got, "Signature="+want) {
		t.Errorf("%s, want signature %s", got, want)
	}
}

func TestDishonestAWSServers(t *testing.T) {
	good := func(nonce []byte) []byte { return append(slices.Clone(nonce), make([]byte, 32)...) }
	tests := []struct {
		name    string
		payload func(nonce []byte) []byte
		want    string
	}{
		{"garbage", func([]byte) []byte { return []byte("garbage") }, "not a valid document"},
		{"empty", func([]byte) []byte { return nil }, "not a valid document"},
		{"no nonce", func([]byte) []byte { return build("h", "sts.amazonaws.com") }, "no nonce of 64"},
		{"short nonce", func(n []byte) []byte { return build("s", bin(good(n)[:63]), "h", "sts.amazonaws.com") }, "no nonce of 64"},
		{"long nonce", func(n []byte) []byte { return build("s", bin(append(good(n), 1)), "h", "sts.amazonaws.com") }, "no nonce of 64"},
		{"other nonce", func([]byte) []byte { return build("s", bin(make([]byte, 64)), "h", "sts.amazonaws.com") }, "does not extend"},
		{"no host", func(n []byte) []byte { return build("s", bin(good(n))) }, "no STS host"},
		{"number for a host", func(n []byte) []byte { return build("s", bin(good(n)), "h", 1) }, "no STS host"},
		{"empty host", func(n []byte) []byte { return build("s", bin(good(n)), "h", "") }, "invalid length"},
		{"empty label", func(n []byte) []byte { return build("s", bin(good(n)), "h", "abc..def") }, "empty label"},
		{"header in the host", func(n []byte) []byte { return build("s", bin(good(n)), "h", "a\nb") }, "character"},
	}
	for _, test := range tests {
		a := mustNew(t, Credential{Static: Static{Mechanism: AWS, Username: "id", Password: "secret"}})
		_, err := run(t, mustBegin(t, a), nil, func(cmd []byte) []byte {
			v, _ := bsonwire.Lookup(payloadOf(cmd), "r")
			_, nonce, _ := v.AsBinary()
			return saslReply(1, false, test.payload(nonce))
		})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
