package mgx

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/mgxdb/mgx/internal/auth"
)

// OIDCCallback returns an access token for MONGODB-OIDC. Its context's deadline is
// the time that it has: a minute, or five for a person. At most one call for each
// client runs at a time, at most ten a second.
//
// See the specification "Authentication", "MONGODB-OIDC", "OIDC Callback".
type OIDCCallback func(ctx context.Context, args OIDCArgs) (OIDCToken, error)

func (f OIDCCallback) internal() auth.OIDCCallback {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, a auth.OIDCArgs) (auth.OIDCToken, error) {
		args := OIDCArgs{Version: a.Version, Username: a.Username, IDP: (*OIDCProvider)(a.IDP), RefreshToken: a.RefreshToken}
		token, err := f(ctx, args)
		return auth.OIDCToken(token), err
	}
}

// OIDCArgs is what an OIDCCallback is told. Printing it shows no secret.
type OIDCArgs struct {
	// Version of this contract, 1 now. It grows with every change.
	Version int
	// Username is the credential's, possibly empty.
	Username string
	// IDP is the identity provider, for an OIDCHumanCallback; nil otherwise.
	IDP *OIDCProvider
	// RefreshToken is what an earlier call of an OIDCHumanCallback returned, if it
	// may still be good.
	RefreshToken string
}

// OIDCProvider is an identity provider, where a person can get an access token.
type OIDCProvider struct {
	Issuer        string   // URL of the authorization server
	ClientID      string   // empty if the server names none
	RequestScopes []string // further scopes to ask for
}

// OIDCToken is what an OIDCCallback returns. Printing it shows no secret.
type OIDCToken struct {
	// AccessToken is sent to the server as it is.
	AccessToken string
	// ExpiresIn is how long the token is good, 0 if unknown. It must not be
	// negative, and is not used otherwise: the server decides.
	ExpiresIn time.Duration
	// RefreshToken is handed to the next call of an OIDCHumanCallback.
	RefreshToken string
}

// AWSProvider returns credentials for MONGODB-AWS, for one connection: caching is
// its own business.
type AWSProvider func(ctx context.Context) (AWSCredentials, error)

func (f AWSProvider) internal() auth.AWSProvider {
	if f == nil {
		return nil
	}
	return func(ctx context.Context) (auth.AWSCredentials, error) {
		c, err := f(ctx)
		return auth.AWSCredentials(c), err
	}
}

// AWSCredentials is what AWS requests are signed with. Printing it shows the access
// key ID, which is not secret, and nothing else.
type AWSCredentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // for temporary credentials
	Expires         time.Time // zero: not known
}

// String shows no secret.
func (a OIDCArgs) String() string {
	return fmt.Sprintf("OIDC arguments{version=%d user=%q idp=%+v refresh=%t}", a.Version, a.Username, a.IDP, a.RefreshToken != "")
}

// String shows no secret.
func (t OIDCToken) String() string { return auth.OIDCToken(t).String() }

// String shows no secret.
func (c AWSCredentials) String() string { return auth.AWSCredentials(c).String() }

// Format prints String for every verb.
func (a OIDCArgs) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// Format prints String for every verb.
func (t OIDCToken) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// Format prints String for every verb.
func (c AWSCredentials) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue is String.
func (a OIDCArgs) LogValue() slog.Value { return slog.StringValue(a.String()) }

// LogValue is String.
func (t OIDCToken) LogValue() slog.Value { return slog.StringValue(t.String()) }

// LogValue is String.
func (c AWSCredentials) LogValue() slog.Value { return slog.StringValue(c.String()) }
