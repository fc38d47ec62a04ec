// Package inspect lets tools of this repository look at what a client's options
// come to below the root package, which they cannot see from outside and which
// users have no need of.
package inspect

import (
	"context"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/sdam"
)

// The steps from options to connections, as a client takes them. The argument is
// a *mgx.Options; the root package, which has to be imported, sets the functions.
var (
	// Prepare fills in the defaults and refuses what cannot be. It must be called
	// once, and before the others.
	Prepare func(options any) error
	// Resolve looks up the DNS records of a mongodb+srv URI.
	Resolve func(ctx context.Context, options any) error
	// Connections says how connections are made. It reads the files of TLS.
	Connections func(options any) (*conn.Config, error)
	// Deployment says what is known of the deployment before it is discovered,
	// and Reads how a server for reads is selected.
	Deployment func(options any) sdam.Settings
	Reads      func(options any) *sdam.Selection
)
