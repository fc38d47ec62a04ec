package mgx

import (
	"context"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/inspect"
	"github.com/mgxdb/mgx/internal/sdam"
)

func init() {
	inspect.Prepare = func(o any) error { return o.(*Options).prepare() }
	inspect.Resolve = func(ctx context.Context, o any) error { return o.(*Options).resolve(ctx) }
	inspect.Connections = func(o any) (*conn.Config, error) {
		options := o.(*Options)
		return options.connConfig(options.identity())
	}
	inspect.Deployment = func(o any) sdam.Settings { return o.(*Options).deployment() }
	inspect.Reads = func(o any) *sdam.Selection {
		options := o.(*Options)
		return &sdam.Selection{
			ReadPreference: options.ReadPreference.internal(),
			LocalThreshold: options.LocalThreshold, HeartbeatInterval: options.HeartbeatInterval,
		}
	}
}
