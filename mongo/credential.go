package mongo

import (
	"context"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func setCredential(o *mgx.Options, auth *options.Credential) error {
	if auth == nil {
		return nil
	}
	c := &mgx.Credential{
		Username: auth.Username, Password: auth.Password, PasswordSet: auth.PasswordSet || auth.Password != "",
		Source: auth.AuthSource, Mechanism: auth.AuthMechanism,
		OIDCCallback: oidcCallback(auth.OIDCMachineCallback), OIDCHumanCallback: oidcCallback(auth.OIDCHumanCallback),
	}
	for key, value := range auth.AuthMechanismProperties {
		if key == "ALLOWED_HOSTS" {
			c.OIDCAllowedHosts = strings.Split(value, ",")
			continue
		}
		if c.Properties == nil {
			c.Properties = map[string]string{}
		}
		c.Properties[key] = value
	}
	if p := auth.AWSCredentialsProvider; p != nil {
		c.AWSProvider = func(ctx context.Context) (mgx.AWSCredentials, error) {
			got, err := p.Retrieve(ctx)
			if err != nil {
				return mgx.AWSCredentials{}, err
			}
			creds := mgx.AWSCredentials{AccessKeyID: got.AccessKeyID, SecretAccessKey: got.SecretAccessKey, SessionToken: got.SessionToken}
			if got.CanExpire {
				creds.Expires = got.Expires
			}
			return creds, nil
		}
	}
	o.Credential = c
	return nil
}

func oidcCallback(f options.OIDCCallback) mgx.OIDCCallback {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, args mgx.OIDCArgs) (mgx.OIDCToken, error) {
		given := &options.OIDCArgs{Version: args.Version}
		if args.RefreshToken != "" {
			given.RefreshToken = &args.RefreshToken
		}
		if args.IDP != nil {
			given.IDPInfo = &options.IDPInfo{Issuer: args.IDP.Issuer, ClientID: args.IDP.ClientID, RequestScopes: args.IDP.RequestScopes}
		}
		got, err := f(ctx, given)
		if err != nil || got == nil {
			return mgx.OIDCToken{}, err
		}
		token := mgx.OIDCToken{AccessToken: got.AccessToken}
		if got.ExpiresAt != nil {
			token.ExpiresIn = max(0, time.Until(*got.ExpiresAt))
		}
		if got.RefreshToken != nil {
			token.RefreshToken = *got.RefreshToken
		}
		return token, nil
	}
}
