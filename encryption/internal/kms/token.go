package kms

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Token is an access token to Azure or GCP.
type Token struct {
	AccessToken string
	// Expires is when it ends; zero: it is not known, and asked for again with each request.
	Expires time.Time
}

// String hides the token.
func (t Token) String() string { return "access token" }

// GoString is String.
func (t Token) GoString() string { return t.String() }

// early is how long before it ends a token is given up.
const early = time.Minute

// tokens keeps the last access token.
type tokens struct {
	mu   sync.Mutex
	last Token
}

// get returns a token that is still good, or a new one. Who comes while one is asked for waits for it.
func (t *tokens) get(ctx context.Context, now func() time.Time, ask func(ctx context.Context) (Token, error)) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.AccessToken != "" && now().Add(early).Before(t.last.Expires) {
		return t.last.AccessToken, nil
	}
	got, err := ask(ctx)
	if err != nil {
		return "", err
	}
	if got.AccessToken == "" {
		return "", errors.New("there is no access token in the answer")
	}
	t.last = got
	return got.AccessToken, nil
}

// tokenAnswer is how OAuth answers. expires_in is a number, or a string with one.
type tokenAnswer struct {
	AccessToken string          `json:"access_token"`
	ExpiresIn   json.RawMessage `json:"expires_in"`
}

func (a *tokenAnswer) token(now time.Time) (Token, error) {
	t := Token{AccessToken: a.AccessToken}
	if t.AccessToken == "" {
		return t, errors.New("there is no access_token in the answer")
	}
	if len(a.ExpiresIn) == 0 {
		return t, nil
	}
	digits := string(a.ExpiresIn)
	if n := len(digits); n > 1 && digits[0] == '"' {
		digits = digits[1 : n-1]
	}
	seconds, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return t, errors.New("expires_in in the answer is not a number of seconds")
	}
	t.Expires = now.Add(time.Duration(seconds) * time.Second)
	return t, nil
}

// metadataHeader is what a service of the machine's cloud wants to see, to know that it is asked on purpose.
type metadataHeader struct{ name, value string }

// metadata asks a service of the machine's cloud for a token, without TLS, which these do not have.
func (s *Service) metadata(ctx context.Context, host, path string, header ...metadataHeader) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r := request{address: host, header: make(map[string]string), secret: true}
	for _, h := range header {
		r.header[h.name] = h.value
	}
	dial := s.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		return dial(ctx, network, addr)
	}}
	defer tr.CloseIdleConnections()
	var answer tokenAnswer
	began := s.now()
	if err := s.exchange(ctx, tr, "GET", "http://"+host+path, r, &answer); err != nil {
		return Token{}, err
	}
	t, err := answer.token(began)
	if err != nil {
		return t, s.fail(host, err)
	}
	return t, nil
}

// bearer is the header with an access token.
func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json"}
}
