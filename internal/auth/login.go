package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/mgxdb/mgx/internal/setup"
)

// LoginProvider returns user name and password for one connection.
type LoginProvider func(ctx context.Context, args LoginArgs) (Login, error)

// LoginArgs is what a [LoginProvider] is told.
type LoginArgs struct {
	Address          string // of the server
	Username, Source string // the credential's
}

// Login is what a [LoginProvider] returns.
type Login struct {
	Username string // "" is the credential's
	Password string
}

// String shows no secret.
func (l Login) String() string { return fmt.Sprintf("login{user=%q password=***}", l.Username) }

// Format prints String for every verb.
func (l Login) Format(f fmt.State, _ rune) { io.WriteString(f, l.String()) }

// LogValue is String.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }

// loginCache is the authenticator for the last login that was provided. As long as
// that is the same, its connections share derived keys.
type loginCache struct {
	sealed
	mu    sync.Mutex
	login Login
	last  *Authenticator
}

// ForConnection returns the authenticator of one new connection to the server at
// addr: a itself, unless a [LoginProvider] says who it is to be. Errors are of type
// *[Error].
func (a *Authenticator) ForConnection(ctx context.Context, addr string) (*Authenticator, error) {
	provide := a.cred.LoginProvider
	if provide == nil {
		return a, nil
	}
	login, err := provide(ctx, LoginArgs{Address: addr, Username: a.cred.Username, Source: a.cred.Source})
	if login.Username == "" {
		login.Username = a.cred.Username
	}
	who := a.attempt(a.cred.Mechanism)
	if who.mechanism == "" {
		who.mechanism = "SCRAM"
	}
	who.username = login.Username
	switch {
	case err != nil:
		return nil, who.refused(fmt.Errorf("the LoginProvider failed: %w", err))
	case login.Username == "":
		return nil, who.refused(errors.New("the LoginProvider returned no user name, and the credential has none"))
	}
	as, err := a.logins.authenticator(a, login)
	if err != nil {
		return nil, who.refused(fmt.Errorf("what the LoginProvider returned cannot be used: %w", err))
	}
	return as, nil
}

func (c *loginCache) authenticator(a *Authenticator, login Login) (*Authenticator, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && c.login == login {
		return c.last, nil
	}
	cred := *a.cred
	cred.Username, cred.Password, cred.PasswordSet, cred.LoginProvider = login.Username, login.Password, true, nil
	as, err := New(cred)
	if err != nil {
		var wrong *setup.Error
		if errors.As(err, &wrong) {
			return nil, errors.New(wrong.Error()) // not the configuration's fault
		}
		return nil, err
	}
	as.now, as.random = a.now, a.random
	c.login, c.last = login, as
	return as, nil
}
