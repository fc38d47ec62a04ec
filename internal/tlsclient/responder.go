package tlsclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// maxAnswer is more than any OCSP answer takes.
const maxAnswer = 64 << 10

// askByHTTP returns a function that asks OCSP responders, by RFC 6960, appendix
// A. dial, if not nil, opens the sockets.
func askByHTTP(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, []byte) ([]byte, error) {
	client := &http.Client{
		// There is one question per certificate and day: a connection is not worth
		// keeping, nor a goroutine beside it.
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirections")
			}
			return nil
		},
		Timeout: askTimeout + time.Second, // the context's limit is below
	}
	return func(ctx context.Context, url string, request []byte) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(request))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/ocsp-request")
		req.Header.Set("Accept", "application/ocsp-response")
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	}
}
