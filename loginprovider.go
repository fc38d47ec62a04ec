package mgx

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/mgxdb/mgx/internal/auth"
)

// LoginProvider returns who to authenticate as on one new connection, with SCRAM or
// PLAIN: from a vault that issues users for a time, or a file that a rotation rewrites.
// Connections that are open keep the login they began with; Options.MaxConnectionAge
// bounds for how long.
//
// Its context ends with ConnectTimeout. It is called once for each connection, by up to
// MaxConnecting goroutines for each server at a time: caching is its own business. An
// error fails the connection, and what waits for it, as an ErrAuthentication that wraps
// it.
type LoginProvider func(ctx context.Context, args LoginArgs) (Login, error)

func (f LoginProvider) internal() auth.LoginProvider {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, a auth.LoginArgs) (auth.Login, error) {
		login, err := f(ctx, LoginArgs(a))
		return auth.Login(login), err
	}
}

// LoginArgs is what a LoginProvider is told.
type LoginArgs struct {
	// Address of the server, as the client knows it: host and port, or the path of a
	// Unix socket.
	Address string
	// Username is the Credential's, possibly empty; Source the database that knows the
	// user.
	Username, Source string
}

// Login is what a LoginProvider returns. Printing it shows no secret.
type Login struct {
	Username string // "" is that of LoginArgs
	Password string
}

// String shows no secret.
func (l Login) String() string { return auth.Login(l).String() }

// Format prints String for every verb.
func (l Login) Format(f fmt.State, _ rune) { io.WriteString(f, l.String()) }

// LogValue is String.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }
