package unified

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

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
	logs   *recorded               // nil: none asked for
	traces *tracetest.SpanRecorder // likewise
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
	if wanted, ok := lookup(spec, "observeTracingMessages"); ok {
		c.traces = observeTraces(options, wanted)
	}
	if spec := get[bson.D](spec, "autoEncryptOpts"); spec != nil {
		if options.Encryption, err = automatic(spec); err != nil {
			return nil, err
		}
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

// dataBearing are the kinds of servers whose pools fill up.
var dataBearing = []string{"Standalone", "Mongos", "RSPrimary", "RSSecondary", "LoadBalancer"}

// filled reports whether every pool of a server that bears data has so many
// connections, once all servers are known.
func (o *observer) filled(least int) bool {
	pools := 0
	for _, s := range o.topology.Servers {
		if slices.Contains(dataBearing, s.Kind) {
			pools++
		}
		if s.Kind == "Unknown" || slices.Contains(dataBearing, s.Kind) && o.ready[s.Address] < least {
			return false
		}
	}
	return pools > 0
}

// awaitPool waits until a client's pools have their least number of connections, and
// forgets what it took to make them.
func (r *run) awaitPool(c *client, spec bson.D, options *mgx.Options) error {
	v, ok := lookup(spec, "awaitMinPoolSizeMS")
	if !ok || options.MinPoolSize == 0 {
		return nil
	}
	ms, _ := integer(v)
	err := c.wait(r.ctx, time.Duration(ms)*time.Millisecond, func() bool { return c.filled(options.MinPoolSize) })
	if err != nil {
		return fmt.Errorf("minPoolSize: %w", err)
	}
	c.mu.Lock()
	c.events = nil
	c.mu.Unlock()
	if c.logs != nil {
		c.logs.forget()
	}
	return nil
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
