package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mgxdb/mgx/mgxdebug"
)

// maxPage bounds what a page may say, and pageTimeout how long it takes.
const (
	maxPage     = 16 << 20
	pageTimeout = 10 * time.Second
)

// page is a program's debug page.
type page struct {
	url    string
	client *http.Client
}

// Page returns the source that the page of package mgxdebug at an address is.
func Page(address string) (Source, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("the address of the page cannot be read")
	}
	q := u.Query()
	q.Set("format", "json")
	u.RawQuery = q.Encode()
	return &page{u.String(), &http.Client{Timeout: pageTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}}, nil
}

func (p *page) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

func (p *page) Look(ctx context.Context) (*View, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		return nil, fmt.Errorf("it answers %s with %q: is a page of package mgxdebug there?", res.Status, res.Header.Get("Content-Type"))
	}
	return parsePage(io.LimitReader(res.Body, maxPage))
}

func parsePage(r io.Reader) (*View, error) {
	var s mgxdebug.Snapshot
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return nil, fmt.Errorf("what the page says cannot be read: %w", err)
	}
	if s.Step <= 0 {
		return nil, errors.New("what the page says has no history: is it one of package mgxdebug?")
	}
	v := &View{
		Title: s.Name, Now: s.Now, Servers: s.Servers, Kinds: s.Kinds, Slow: s.Slow, Errors: s.Errors, Rate: s.PerSecond(),
		Facts: []string{
			"median " + duration(s.Recent.P50), "99 % " + duration(s.Recent.P99), fmt.Sprintf("%d failed", s.Recent.Failed),
			fmt.Sprintf("%d cursors", s.OpenCursors), fmt.Sprintf("%d idle sessions", s.IdleSessions), s.Deployment,
		},
	}
	for _, slot := range s.History[:max(len(s.History)-1, 0)] {
		v.Rates = append(v.Rates, float64(slot.Count)/s.Step.Seconds())
	}
	for _, o := range s.Running {
		v.Running = append(v.Running, Operation{Operation: o})
	}
	return v, nil
}
