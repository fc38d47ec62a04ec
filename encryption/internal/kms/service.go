package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mgxdb/mgx/internal/tlsclient"
)

// A Service is how providers reach their services.
type Service struct {
	// Name is the provider's, for errors.
	Name string
	// Dial opens the socket; nil uses a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS makes it secure.
	TLS *tlsclient.Client
	// Now is the time, and Sleep waits; nil: the clock's.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

const (
	// patience bounds one request, if its context does not.
	patience = 10 * time.Second
	// retries is how often a request is repeated that may do better another time.
	retries     = 3
	firstPause  = 200 * time.Millisecond
	maxResponse = 1 << 20
)

// An Error is a service that did not do what it was asked to.
type Error struct {
	// Provider is the KMS provider's name, Endpoint the host that was asked.
	Provider, Endpoint string
	// Status is the HTTP status, or KMIP's result reason; 0 if there was no answer.
	Status int
	// Message is what the service said.
	Message string
	// Err is why there was no answer.
	Err error
}

func (e *Error) Error() string {
	s := "the KMS provider " + e.Provider + ", asking " + e.Endpoint + ": "
	switch {
	case e.Err != nil:
		return s + e.Err.Error()
	case e.Status != 0:
		return fmt.Sprintf("%sit answered with status %d: %s", s, e.Status, e.Message)
	}
	return s + e.Message
}

// Unwrap returns why there was no answer.
func (e *Error) Unwrap() error { return e.Err }

func (s *Service) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Service) fail(endpoint string, err error) error {
	return &Error{Provider: s.Name, Endpoint: endpoint, Err: err}
}

// connect opens a secure connection.
func (s *Service) connect(ctx context.Context, addr string) (net.Conn, error) {
	dial := s.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	secure, err := s.TLS.Handshake(ctx, nc, addr)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return secure, nil
}

// pause waits before a request is repeated.
func (s *Service) pause(ctx context.Context, attempt int) error {
	d := time.Duration(rand.Float64() * float64(firstPause<<attempt))
	if s.Sleep != nil {
		return s.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retry repeats a request that ended in a transient failure.
func (s *Service) retry(ctx context.Context, f func(ctx context.Context) error) error {
	for attempt := 0; ; attempt++ {
		once, cancel := context.WithTimeout(ctx, patience)
		err := f(once)
		cancel()
		if err == nil || attempt == retries || ctx.Err() != nil || !transient(err) {
			return err
		}
		if s.pause(ctx, attempt) != nil {
			return err
		}
	}
}

// transient reports whether a request may do better another time.
func transient(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	if e.Err != nil {
		var certificate *tlsclient.CertificateError
		return !errors.As(e.Err, &certificate)
	}
	return slices.Contains([]int{408, 429, 500, 502, 503, 504, 509}, e.Status)
}

// A request to a service that is asked by HTTP.
type request struct {
	address, path string
	header        map[string]string
	body          string
	// secret reports that answers may hold secrets: their text is not shown.
	secret bool
}

// post sends a request over TLS and decodes the JSON that is answered.
func (s *Service) post(ctx context.Context, r request, into any) error {
	return s.retry(ctx, func(ctx context.Context) error {
		// The connection is for this request alone, and has its deadline, which the transport would leave out.
		tr := &http.Transport{DisableKeepAlives: true, DialTLSContext: func(_ context.Context, _, addr string) (net.Conn, error) {
			return s.connect(ctx, addr)
		}}
		defer tr.CloseIdleConnections()
		return s.exchange(ctx, tr, "POST", "https://"+r.address+r.path, r, into)
	})
}

// exchange sends a request and decodes the JSON that is answered.
func (s *Service) exchange(ctx context.Context, tr http.RoundTripper, method, url string, r request, into any) error {
	hr, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(r.body))
	if err != nil {
		return s.fail(r.address, errors.New("the request is not possible"))
	}
	for name, value := range r.header {
		if name != "host" {
			hr.Header.Set(name, value)
		}
	}
	if host, ok := r.header["host"]; ok {
		hr.Host = host
	}
	client := http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(hr)
	if err != nil {
		return s.fail(r.address, cause(err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	defer clear(body)
	switch {
	case err != nil:
		return s.fail(r.address, err)
	case len(body) > maxResponse:
		return &Error{Provider: s.Name, Endpoint: r.address, Message: "the answer is too large"}
	case response.StatusCode != http.StatusOK:
		return &Error{Provider: s.Name, Endpoint: r.address, Status: response.StatusCode, Message: excerpt(body)}
	}
	if err := json.Unmarshal(body, into); err != nil {
		message := "the answer is not the JSON that was expected"
		if !r.secret {
			message += ": " + excerpt(body)
		}
		return &Error{Provider: s.Name, Endpoint: r.address, Message: message}
	}
	return nil
}

// cause is the error without the URL, which the *Error has.
func cause(err error) error {
	var e interface{ Unwrap() error }
	if errors.As(err, &e) && e.Unwrap() != nil {
		return e.Unwrap()
	}
	return err
}

// excerpt is what an error says of an answer.
func excerpt(body []byte) string {
	const most = 500
	body = bytes.TrimSpace(body)
	if len(body) > most {
		body = append(body[:most:most], "…"...)
	}
	return strings.ToValidUTF8(string(body), "?")
}
