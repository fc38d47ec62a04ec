package auth

import (
	"testing"
	"time"
)

// TestAWSRequest signs the example "post-x-www-form-urlencoded" of AWS's test suite for Signature Version 4, and one
// with a session token.
func TestAWSRequest(t *testing.T) {
	c := &AWSCredentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	request := func() *AWSRequest {
		return &AWSRequest{Method: "POST", Path: "/", Header: map[string]string{
			"content-type": "application/x-www-form-urlencoded", "host": "example.amazonaws.com"},
			Body: "Param1=value1", Region: "us-east-1", Service: "service"}
	}
	r := request()
	c.Sign(r, now)
	const want = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
		"SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
	if r.Header["authorization"] != want {
		t.Errorf("authorization %s, want %s", r.Header["authorization"], want)
	}
	temporary := request()
	c.SessionToken = "token"
	c.Sign(temporary, now)
	if temporary.Header["x-amz-security-token"] != "token" || temporary.Header["authorization"] == want {
		t.Errorf("the session token is not signed: %v", temporary.Header)
	}
}
