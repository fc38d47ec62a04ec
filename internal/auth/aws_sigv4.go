package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// sigV4Time is the time format of AWS Signature Version 4, for UTC.
const sigV4Time = "20060102T150405Z"

const sigV4Algorithm = "AWS4-HMAC-SHA256"

type header struct{ name, value string }

// signedRequest is what AWS Signature Version 4 signs. The path and the query
// are in their canonical form, headers have lower-case names and are sorted.
type signedRequest struct {
	method, path, query string
	headers             []header
	body                string
	date                string // in sigV4Time
	region, service     string
}

func (r signedRequest) scope() string {
	return r.date[:len("20060102")] + "/" + r.region + "/" + r.service + "/aws4_request"
}

func (r signedRequest) signedHeaders() string {
	names := make([]string, len(r.headers))
	for i, h := range r.headers {
		names[i] = h.name
	}
	return strings.Join(names, ";")
}

func (r signedRequest) canonical() string {
	var b strings.Builder
	b.WriteString(r.method + "\n" + r.path + "\n" + r.query + "\n")
	for _, h := range r.headers {
		b.WriteString(h.name + ":" + strings.TrimSpace(h.value) + "\n")
	}
	b.WriteString("\n" + r.signedHeaders() + "\n" + hexSHA256(r.body))
	return b.String()
}

func (r signedRequest) stringToSign() string {
	return sigV4Algorithm + "\n" + r.date + "\n" + r.scope() + "\n" + hexSHA256(r.canonical())
}

func (r signedRequest) signingKey(secret string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range strings.Split(r.scope(), "/") {
		key = hmacSHA256(key, part)
	}
	return key
}

// authorization returns the Authorization header's value.
func (r signedRequest) authorization(accessKeyID, secret string) string {
	signature := hex.EncodeToString(hmacSHA256(r.signingKey(secret), r.stringToSign()))
	return sigV4Algorithm + " Credential=" + accessKeyID + "/" + r.scope() +
		", SignedHeaders=" + r.signedHeaders() + ", Signature=" + signature
}

func hmacSHA256(key []byte, msg string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(msg))
	return m.Sum(nil)
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
