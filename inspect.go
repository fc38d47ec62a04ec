package mgx

import (
	"context"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/inspect"
	"github.com/mgxdb/mgx/internal/sdam"
)

func init() {
	inspect.Prepare = func(options any) (inspect.Prepared, error) {
		p, err := options.(*Options).prepare()
		return inspectPrepared{p}, err
	}
}

// inspectPrepared and inspectResolved are the steps of options to connections as
// package inspect shows them.
type (
	inspectPrepared struct{ prepared }
	inspectResolved struct{ resolved }
)

func (p inspectPrepared) Deployment() sdam.Settings { return p.deployment() }

func (p inspectPrepared) Resolve(ctx context.Context) (inspect.Resolved, error) {
	r, err := p.resolve(ctx)
	return inspectResolved{r}, err
}

func (r inspectResolved) Deployment() sdam.Settings { return r.deployment() }

func (r inspectResolved) Connections() (*conn.Config, error) { return r.connConfig(r.identity()) }

func (r inspectResolved) Reads() *sdam.Selection {
	return &sdam.Selection{
		ReadPreference: r.ReadPreference.internal(),
		LocalThreshold: r.LocalThreshold, HeartbeatInterval: r.HeartbeatInterval,
	}
}
