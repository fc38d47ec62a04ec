package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Environment is what MONGODB-AWS and the built-in environments of
// MONGODB-OIDC see of the world. Fields left nil are the process's own.
type Environment struct {
	// Getenv reads an environment variable; "" is the same as unset.
	Getenv func(name string) string
	// ReadFile reads a token file.
	ReadFile func(name string) ([]byte, error)
	// HTTP is used for metadata services and STS. The default follows no
	// redirect, keeps no connection, and goes to link-local metadata services
	// directly even if the environment names a proxy.
	HTTP *http.Client
}

func (e Environment) getenv(name string) string {
	if e.Getenv != nil {
		return e.Getenv(name)
	}
	return os.Getenv(name)
}

// maxTokenFile bounds what is read from a token file or an HTTP body.
const maxTokenFile = 256 << 10

// readToken returns the trimmed contents of a token file.
func (e Environment) readToken(name string) (string, error) {
	read := e.ReadFile
	if read == nil {
		read = readFile
	}
	data, err := read(name)
	if err != nil {
		return "", err
	}
	if len(data) > maxTokenFile {
		return "", fmt.Errorf("token file %s is larger than %d bytes", name, maxTokenFile)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fmt.Errorf("token file %s is empty", name)
	}
	return token, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTokenFile+1))
}

// The defaults of Environment.HTTP: one for metadata services on the machine's
// own link, one for the internet.
var (
	linkLocalHTTP = sync.OnceValue(func() *http.Client { return newHTTPClient(false) })
	internetHTTP  = sync.OnceValue(func() *http.Client { return newHTTPClient(true) })
)

func newHTTPClient(proxy bool) *http.Client {
	t := &http.Transport{
		TLSHandshakeTimeout: 10 * time.Second,
		DisableKeepAlives:   true, // rare requests; leave no goroutine behind
	}
	if proxy {
		t.Proxy = http.ProxyFromEnvironment
	}
	return &http.Client{
		Transport: t,
		// A redirect would carry a credential elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch sends req and returns the body of a 200 reply. Errors name what, the
// service, and quote the body of other replies, as the specification asks.
func (e Environment) fetch(ctx context.Context, what string, req *http.Request) ([]byte, error) {
	client := e.HTTP
	if client == nil {
		if client = linkLocalHTTP(); req.URL.Scheme == "https" {
			client = internetHTTP()
		}
	}
	resp, err := client.Do(req.WithContext(ctx))
	if err != nil {
		if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
			err = cause
		}
		return nil, fmt.Errorf("%s did not answer: %w", what, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: reading its answer: %w", what, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %s", what, resp.Status, shorten(string(body)))
	}
	if len(body) > maxTokenFile {
		return nil, fmt.Errorf("%s: its answer is larger than %d bytes", what, maxTokenFile)
	}
	return body, nil
}
