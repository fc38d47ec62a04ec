package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Sizes of the nonces of MONGODB-AWS.
const (
	awsNonce       = 32
	awsServerNonce = 64
)

// awsExchange is the client's side of MONGODB-AWS: it hands the server a
// signed STS GetCallerIdentity request, with which the server asks AWS who the
// client is. The secret key stays here.
type awsExchange struct {
	sealed
	source *awsSource
	nonce  []byte
	creds  *AWSCredentials // in use; nil before they are needed
	sent   bool
}

func (x *awsExchange) first(context.Context) ([]byte, error) {
	x.nonce = make([]byte, awsNonce)
	x.source.random(x.nonce)
	msg, start := bsonwire.Begin(nil)
	msg = bsonwire.AppendBinary(msg, "r", 0, x.nonce)
	msg = bsonwire.AppendInt32(msg, "p", 'n') // no channel binding
	return bsonwire.End(msg, start), nil
}

func (x *awsExchange) step(ctx context.Context, challenge []byte) ([]byte, error) {
	nonce, host, err := parseAWSChallenge(challenge, x.nonce)
	if err != nil {
		return nil, err
	}
	region, err := awsRegion(host)
	if err != nil {
		return nil, err
	}
	if x.creds, err = x.source.credentials(ctx); err != nil {
		return nil, err
	}
	authorization, date := signCallerIdentity(x.creds, host, region, nonce, x.source.now())
	msg, start := bsonwire.Begin(nil)
	msg = bsonwire.AppendString(msg, "a", authorization)
	msg = bsonwire.AppendString(msg, "d", date)
	if x.creds.SessionToken != "" {
		msg = bsonwire.AppendString(msg, "t", x.creds.SessionToken)
	}
	x.sent = true
	return bsonwire.End(msg, start), nil
}

func (x *awsExchange) finished() bool { return x.sent }

func (x *awsExchange) secrets() []string {
	if x.creds == nil {
		return nil
	}
	return []string{x.creds.SessionToken, x.creds.SecretAccessKey}
}

func (x *awsExchange) failed() { x.source.forget(x.creds) }

// parseAWSChallenge reads the server's nonce and STS host.
func parseAWSChallenge(msg, clientNonce []byte) (nonce []byte, host string, err error) {
	if bsonwire.Validate(msg) != nil {
		return nil, "", errors.New("the server's first MONGODB-AWS message is not a valid document")
	}
	v, _ := bsonwire.Lookup(msg, "s")
	subtype, nonce, ok := v.AsBinary()
	if !ok || subtype != 0 || len(nonce) != awsServerNonce {
		return nil, "", errors.New("the server's first MONGODB-AWS message has no nonce of 64 bytes")
	}
	if !bytes.Equal(nonce[:awsNonce], clientNonce) {
		return nil, "", errors.New("the server's nonce does not extend the client's: somebody may be in between")
	}
	v, _ = bsonwire.Lookup(msg, "h")
	host, ok = v.AsString()
	if !ok {
		return nil, "", errors.New("the server's first MONGODB-AWS message names no STS host")
	}
	return nonce, host, nil
}

// awsRegion checks an STS host and derives the region to sign for.
func awsRegion(host string) (string, error) {
	if host == "" || len(host) > 255 {
		return "", errors.New("the server names an STS host of an invalid length")
	}
	for i := range len(host) {
		if c := host[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return "", errors.New("the server names an STS host with a character that host names do not have")
		}
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" {
			return "", errors.New("the server names an STS host with an empty label")
		}
	}
	// The specification's text has the second special name, its table the first.
	if len(labels) == 1 || host == "sts.amazonaws.com" || host == "aws.amazonaws.com" {
		return "us-east-1", nil
	}
	return labels[1], nil
}

// callerIdentity is the body of the request that the client signs.
const callerIdentity = "Action=GetCallerIdentity&Version=2011-06-15"

// signCallerIdentity returns the values of the Authorization and X-Amz-Date
// headers of the request that the server sends to STS in the client's name.
func signCallerIdentity(creds *AWSCredentials, host, region string, nonce []byte, now time.Time) (authorization, date string) {
	date = now.UTC().Format(sigV4Time)
	headers := []header{ // sorted by name
		{"content-length", "43"},
		{"content-type", "application/x-www-form-urlencoded"},
		{"host", host},
		{"x-amz-date", date},
	}
	if creds.SessionToken != "" {
		headers = append(headers, header{"x-amz-security-token", creds.SessionToken})
	}
	headers = append(headers,
		header{"x-mongodb-gs2-cb-flag", "n"},
		header{"x-mongodb-server-nonce", base64.StdEncoding.EncodeToString(nonce)},
	)
	req := signedRequest{
		method: "POST", path: "/", headers: headers, body: callerIdentity,
		date: date, region: region, service: "sts",
	}
	return req.authorization(creds.AccessKeyID, creds.SecretAccessKey), date
}
