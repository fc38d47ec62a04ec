// Package inspect lets tools of this repository look at what a client's options
// come to below the root package, which they cannot see from outside and which
// users have no need of.
package inspect

import (
	"context"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/sdam"
)

// Prepare takes a *mgx.Options the first step towards connections, as a client does:
// it fills in the defaults and refuses what cannot be. It must be called once. The
// root package, which has to be imported, sets it.
var Prepare func(options any) (Prepared, error)

// Prepared are options as they were given, with their defaults.
type Prepared interface {
	// Deployment says what is known of the deployment so far.
	Deployment() sdam.Settings
	// Resolve looks up the DNS records of a mongodb+srv URI, which may name a database
	// of users, a replica set or a load balancer beside the hosts.
	Resolve(ctx context.Context) (Resolved, error)
}

// Resolved are options that name their hosts, and that connections can be made by.
type Resolved interface {
	// Deployment says what is known of the deployment before it is discovered.
	Deployment() sdam.Settings
	// Connections says how connections are made. It reads the files of TLS.
	Connections() (*conn.Config, error)
	// Reads says how a server for reads is selected.
	Reads() *sdam.Selection
}
