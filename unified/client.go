package unified

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// logDocumentLength keeps documents in log messages whole.
const logDocumentLength = 10_000

// client is a client entity, with all that it lets observe.
type client struct {
	*mgx.Client
	*observer
	logs *recorded // nil: none asked for
}

// newClient makes a client entity.
func (r *run) newClient(spec bson.D) (*client, error) {
	many, said := lookup(spec, "useMultipleMongoses")
	uri, err := withOptions(r.d.uriFor(many == true || !said && !r.oneRouter), get[bson.D](spec, "uriOptions"))
	if err != nil {
		return nil, err
	}
	options, err := mgx.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	if err := r.d.logIn(options); err != nil {
		return nil, err
	}
	if err := serverAPI(options, get[bson.D](spec, "serverApi")); err != nil {
		return nil, err
	}
	// Where servers are made to fail, they are not to be missed for long.
	if r.failing && !strings.Contains(strings.ToLower(uri), "heartbeatfrequencyms=") {
		options.HeartbeatInterval = 500 * time.Millisecond
	}
	c := &client{observer: newObserver(spec)}
	options.CommandMonitors = []*event.CommandMonitor{c.commands()}
	options.PoolMonitors = []func(event.PoolEvent){c.pool}
	options.TopologyMonitors = []func(event.TopologyEvent){c.discovery}
	if wanted := get[bson.D](spec, "observeLogMessages"); wanted != nil {
		rec := newRecorder(wanted)
		c.logs = rec.shared
		options.Logger = slog.New(rec)
		options.LogMaxDocumentLength = logDocumentLength
	}
	if c.Client, err = mgx.New(options); err != nil {
		return nil, err
	}
	return c, r.awaitPool(c, spec, options)
}

// logIn gives options for MONGODB-OIDC the deployment's token.
func (d *Deployment) logIn(options *mgx.Options) error {
	if options.Credential == nil || options.Credential.Mechanism != "MONGODB-OIDC" {
		return nil
	}
	if d.Token == "" {
		return skipf("no token for MONGODB-OIDC is at hand")
	}
	options.Credential.OIDCCallback = func(context.Context, mgx.OIDCArgs) (mgx.OIDCToken, error) {
		return mgx.OIDCToken{AccessToken: d.Token}, nil
	}
	return nil
}

// awaitPool waits until a client has its least number of connections, and forgets
// what it took to make them.
func (r *run) awaitPool(c *client, spec bson.D, options *mgx.Options) error {
	v, ok := lookup(spec, "awaitMinPoolSizeMS")
	if !ok {
		return nil
	}
	ms, _ := integer(v)
	err := c.wait(r.ctx, time.Duration(ms)*time.Millisecond, func() bool { return c.ready >= options.MinPoolSize })
	c.mu.Lock()
	c.events = nil
	c.mu.Unlock()
	return err
}

func serverAPI(options *mgx.Options, d bson.D) error {
	if d == nil {
		return nil
	}
	api := &mgx.ServerAPI{Version: get[string](d, "version")}
	if api.Version != "1" {
		return malformedf("there is no version %q of the Stable API", api.Version)
	}
	for _, e := range d {
		b, ok := e.Value.(bool)
		if !ok {
			continue
		}
		switch e.Key {
		case "strict":
			api.Strict = &b
		case "deprecationErrors":
			api.DeprecationErrors = &b
		}
	}
	options.ServerAPI = api
	return nil
}
