package auth

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// AWSRequest is a request to a service of AWS other than the one that logs in. Its path is in canonical form, and it has
// no query.
type AWSRequest struct {
	Method, Path    string
	Header          map[string]string // by lower-case names; "host" is one of them
	Body            string
	Region, Service string
}

// Sign adds to the header what Signature Version 4 needs: the date, the session token, and the authorization.
func (c *AWSCredentials) Sign(r *AWSRequest, now time.Time) {
	r.Header["x-amz-date"] = now.UTC().Format(sigV4Time)
	if c.SessionToken != "" {
		r.Header["x-amz-security-token"] = c.SessionToken
	}
	s := signedRequest{method: r.Method, path: r.Path, body: r.Body, date: r.Header["x-amz-date"], region: r.Region, service: r.Service}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		s.headers = append(s.headers, header{strings.ToLower(name), r.Header[name]})
	}
	r.Header["authorization"] = s.authorization(c.AccessKeyID, c.SecretAccessKey)
}

// AWSCredentials finds credentials as MONGODB-AWS does: in the environment, if there is no user name.
func (a *Authenticator) AWSCredentials(ctx context.Context) (AWSCredentials, error) {
	c, err := a.aws.credentials(ctx)
	if err != nil {
		return AWSCredentials{}, err
	}
	return *c, nil
}
