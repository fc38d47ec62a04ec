package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

const (
	// oidcVersion is the version of the callback's contract.
	oidcVersion = 1

	// Time limits for callbacks. People get theirs even if the context that
	// set the connection up has a shorter deadline.
	machineTimeout = time.Minute
	humanTimeout   = 5 * time.Minute

	// oidcPause is the least time between two calls of the callback.
	oidcPause = 100 * time.Millisecond
)

// IDPInfo says where a person can get an access token.
type IDPInfo struct {
	Issuer        string   // URL of the authorization server
	ClientID      string   // empty if the server names none
	RequestScopes []string // further scopes to ask for
}

// OIDCArgs is what a callback is told. The context's deadline is the time it
// has.
type OIDCArgs struct {
	// Version of this contract, 1 now. It grows with every change.
	Version int
	// Username is the credential's, possibly empty.
	Username string
	// IDP is set for human callbacks.
	IDP *IDPInfo
	// RefreshToken is set for human callbacks if a former call returned one
	// and it may still be good.
	RefreshToken string
}

// OIDCToken is what a callback returns.
type OIDCToken struct {
	// AccessToken is sent to the server as it is.
	AccessToken string
	// ExpiresIn is how long the token is good, 0 if unknown. It must not be
	// negative and is not used otherwise: the server decides.
	ExpiresIn time.Duration
	// RefreshToken is handed to the next call of a human callback.
	RefreshToken string
}

// OIDCCallback returns an access token. At most one call for each client runs
// at a time, at most ten a second.
type OIDCCallback func(ctx context.Context, args OIDCArgs) (OIDCToken, error)

func (a OIDCArgs) String() string {
	return fmt.Sprintf("OIDC arguments{version=%d user=%q idp=%+v refresh=%t}", a.Version, a.Username, a.IDP, a.RefreshToken != "")
}

// GoString is String: no verb prints a secret.
func (a OIDCArgs) GoString() string { return a.String() }

// Format prints String for every verb.
func (a OIDCArgs) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// LogValue is String.
func (a OIDCArgs) LogValue() slog.Value { return slog.StringValue(a.String()) }

func (t OIDCToken) String() string {
	return fmt.Sprintf("OIDC token{access=%t refresh=%t expiresIn=%s}", t.AccessToken != "", t.RefreshToken != "", t.ExpiresIn)
}

// GoString is String: no verb prints a secret.
func (t OIDCToken) GoString() string { return t.String() }

// Format prints String for every verb.
func (t OIDCToken) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// LogValue is String.
func (t OIDCToken) LogValue() slog.Value { return slog.StringValue(t.String()) }

// origin says where a token comes from, which decides what follows if the
// server refuses it.
type origin int

const (
	fresh     origin = iota // the callback returned it just now
	cached                  // it was in the client's cache
	refreshed               // the callback traded a refresh token for it
)

// oidcCache is what the specification calls the client cache, and the one
// place that calls the callback.
type oidcCache struct {
	sealed
	callback OIDCCallback
	human    bool
	username string
	hosts    hostList // human only

	turn chan struct{} // holds one element while the callback runs
	last time.Time     // when it was called last; guarded by turn

	mu      sync.Mutex
	access  string
	refresh string
	idp     *IDPInfo
}

func newOIDCCache(cred *Credential) *oidcCache {
	c := &oidcCache{
		callback: cred.OIDCCallback,
		username: cred.Username,
		turn:     make(chan struct{}, 1),
	}
	if env := cred.Properties[setup.Environment]; env != "" {
		c.callback = oidcEnvironments[env](cred)
	}
	if cred.OIDCHumanCallback != nil {
		c.callback, c.human = cred.OIDCHumanCallback, true
		c.hosts = defaultHosts
		if cred.OIDCAllowedHosts != nil {
			c.hosts = hostList(cred.OIDCAllowedHosts)
		}
	}
	return c
}

// token returns the cached access token, "" if there is none.
func (c *oidcCache) token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.access
}

// invalidate forgets an access token unless a newer one took its place.
func (c *oidcCache) invalidate(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token != "" && c.access == token {
		c.access = ""
	}
}

// dropRefresh forgets a refresh token unless a newer one took its place.
func (c *oidcCache) dropRefresh(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refresh == token {
		c.refresh = ""
	}
}

// machine returns the cached token or asks the callback for one.
func (c *oidcCache) machine(ctx context.Context) (string, origin, error) {
	if err := c.enter(ctx); err != nil {
		return "", 0, err
	}
	defer c.leave()
	if token := c.token(); token != "" {
		return token, cached, nil
	}
	token, err := c.call(ctx, OIDCArgs{}, nil)
	return token, fresh, err
}

// renewed returns a token that needs nobody at a keyboard: the cached one or
// one for the refresh token. It returns "" if there is neither.
func (c *oidcCache) renewed(ctx context.Context) (string, origin, string, error) {
	if token := c.token(); token != "" {
		return token, cached, "", nil
	}
	if err := c.enter(ctx); err != nil {
		return "", 0, "", err
	}
	defer c.leave()
	c.mu.Lock()
	access, refresh, idp := c.access, c.refresh, c.idp
	c.mu.Unlock()
	if access != "" {
		return access, cached, "", nil
	}
	if refresh == "" || idp == nil {
		return "", 0, "", nil
	}
	token, err := c.call(ctx, OIDCArgs{IDP: idp, RefreshToken: refresh}, idp)
	if err == nil {
		return token, refreshed, refresh, nil
	}
	if context.Cause(ctx) != nil {
		return "", 0, "", err
	}
	// Refresh tokens expire, too; the way with a person in it remains.
	c.dropRefresh(refresh)
	return "", 0, "", nil
}

// interactive asks the callback for a token from idp, unless another
// connection has got one in the meantime.
func (c *oidcCache) interactive(ctx context.Context, idp *IDPInfo) (string, origin, error) {
	if err := c.enter(ctx); err != nil {
		return "", 0, err
	}
	defer c.leave()
	if token := c.token(); token != "" {
		return token, cached, nil
	}
	token, err := c.call(ctx, OIDCArgs{IDP: idp}, idp)
	return token, fresh, err
}

// enter waits until no other call of the callback runs.
func (c *oidcCache) enter(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for another connection's OIDC callback: %w", context.Cause(ctx))
	}
}

func (c *oidcCache) leave() { <-c.turn }

// call calls the callback and keeps what it returns. The caller has entered.
func (c *oidcCache) call(ctx context.Context, args OIDCArgs, idp *IDPInfo) (string, error) {
	if err := c.pause(ctx); err != nil {
		return "", err
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	args.Version, args.Username = oidcVersion, c.username
	token, err := c.callback(ctx, args)
	if err != nil {
		return "", fmt.Errorf("the OIDC callback failed: %w", err)
	}
	if token.AccessToken == "" {
		return "", errors.New("the OIDC callback returned no access token")
	}
	if token.ExpiresIn < 0 {
		return "", fmt.Errorf("the OIDC callback returned a token that expires in %s: use 0 if it is unknown", token.ExpiresIn)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.access = token.AccessToken
	if c.human {
		c.refresh, c.idp = token.RefreshToken, idp
	}
	return token.AccessToken, nil
}

// pause waits until the callback may be called again.
func (c *oidcCache) pause(ctx context.Context) error {
	if !c.last.IsZero() {
		if wait := oidcPause - time.Since(c.last); wait > 0 {
			t := time.NewTimer(wait)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	c.last = time.Now()
	return nil
}

// limit gives the callback its time. For a person that is not cut short by the
// deadline of the operation that happens to need the connection, only by its
// being cancelled.
func (c *oidcCache) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if !c.human {
		return context.WithTimeout(ctx, machineTimeout)
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), humanTimeout)
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	return limited, func() { stop(); cancel() }
}
