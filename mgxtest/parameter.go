package mgxtest

import (
	"fmt"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// parameter is one that servers have.
type parameter struct {
	name  string
	value any
	// startup ones cannot be changed while a server runs.
	startup bool
}

// knownParameters are the parameters with the values that servers have of themselves
// (manual: MongoDB Server Parameters).
var knownParameters = []parameter{
	{"acceptApiVersion2", false, true},
	{"authenticationMechanisms", mechanisms, true},
	{"cursorTimeoutMillis", int64(600_000), false},
	{"disableLogicalSessionCacheRefresh", false, true},
	{"enableTestCommands", true, true},
	{"featureCompatibilityVersion", bson.D{{Key: "version", Value: "8.0"}}, true},
	{"indexBuildMinAvailableDiskSpaceMB", int64(500), false},
	{"ingressConnectionEstablishmentBurstCapacitySecs", 1.0, false},
	{"ingressConnectionEstablishmentMaxQueueDepth", int32(0), false},
	{"ingressConnectionEstablishmentRateLimiterEnabled", false, false},
	{"ingressConnectionEstablishmentRatePerSec", float64(maxRate), false},
	{"internalQueryExecYieldIterations", int32(1000), false},
	{"internalQueryExecYieldPeriodMS", int32(10), false},
	{"internalQueryMaxBlockingSortMemoryUsageBytes", int32(100 << 20), false},
	{"localLogicalSessionTimeoutMinutes", int32(30), true},
	{"logLevel", int32(0), false},
	{"logicalSessionRefreshMillis", int32(300_000), true},
	{"maxIndexBuildMemoryUsageMegabytes", int32(200), false},
	{"maxNumActiveUserIndexBuilds", int32(3), false},
	{"maxTransactionLockRequestTimeoutMillis", int32(5), false},
	{"minSnapshotHistoryWindowInSeconds", int32(300), false},
	{"notablescan", false, false},
	{"periodicNoopIntervalSecs", int32(10), true},
	{"quiet", false, false},
	{"requireApiVersion", false, false},
	{"shutdownTimeoutMillisForSignaledShutdown", int32(15_000), false},
	{"transactionLifetimeLimitSeconds", int32(60), false},
	{"ttlMonitorEnabled", true, false},
	{"ttlMonitorSleepSecs", int32(60), false},
	{"writePeriodicNoops", true, true},
}

// maxRate is the rate of new connections that means no limit.
const maxRate = 1<<31 - 1

// parameters are what one process has set.
type parameters struct {
	mu   sync.Mutex
	list []parameter
}

// startParameters are the parameters of a process that begins: those of the
// options in the place of what servers have of themselves.
func (d *Deployment) startParameters() []parameter {
	out := slices.Clone(knownParameters)
	if d.takesTokens() {
		set(out, "authenticationMechanisms", append(slices.Clone(mechanisms), oidc))
	}
	if d.cfg.sessionMinutes > 0 {
		set(out, "localLogicalSessionTimeoutMinutes", d.cfg.sessionMinutes)
	}
	for _, p := range d.cfg.parameters {
		if v, err := optionValue(p); err == nil {
			set(out, p.Key, v)
		}
	}
	return out
}

// optionValue gives the value of the option Parameter the type that servers want.
func optionValue(p bson.E) (any, error) {
	i := slices.IndexFunc(knownParameters, func(known parameter) bool { return known.name == p.Key })
	if i < 0 {
		return nil, errorf("servers have no parameter %q that is simulated", p.Key)
	}
	kind, data, err := bson.MarshalValue(p.Value)
	if err != nil {
		return nil, errorf("parameter %s: %w", p.Key, err)
	}
	v, err := coerced(bson.RawValue{Type: kind, Value: data}, knownParameters[i].value)
	if err != nil {
		// Lists and documents are taken as they are.
		if kind == bson.TypeArray || kind == bson.TypeEmbeddedDocument {
			return p.Value, nil
		}
		return nil, errorf("parameter %s: %w", p.Key, err)
	}
	return v, nil
}

// checkParameters refuses options that no server takes.
func (c *config) checkParameters() error {
	for _, p := range c.parameters {
		if _, err := optionValue(p); err != nil {
			return err
		}
	}
	return nil
}

func set(list []parameter, name string, value any) bool {
	i := slices.IndexFunc(list, func(p parameter) bool { return p.name == name })
	if i >= 0 {
		list[i].value = value
	}
	return i >= 0
}

func (p *parameters) reset(list []parameter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = list
}

func (p *parameters) get(name string) (parameter, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.list, func(p parameter) bool { return p.name == name })
	if i < 0 {
		return parameter{}, false
	}
	return p.list[i], true
}

func (p *parameters) set(name string, value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set(p.list, name, value)
}

// number is the value of a parameter that is one.
func (p *parameters) number(name string) float64 {
	v, _ := p.get(name)
	switch n := v.value.(type) {
	case int:
		return float64(n)
	case int32:
		return float64(n)
	case int64:
		return float64(n)
	case float64:
		return n
	}
	return 0
}

// switchedOn reports whether a parameter is true.
func (r *request) switchedOn(name string) bool {
	if r.conn == nil {
		return false
	}
	p, _ := r.conn.m.params.get(name)
	return p.value == true
}

func (m *Member) getParameter(r *request) (bson.D, error) {
	v, _ := r.get("getParameter")
	all := v.Type == bson.TypeString && v.StringValue() == "*" || asBool(r.valueAt("getParameter", "allParameters"))
	detailed := asBool(r.valueAt("getParameter", "showDetails"))
	m.params.mu.Lock()
	defer m.params.mu.Unlock()
	var out bson.D
	for _, p := range m.params.list {
		if _, asked := r.get(p.name); !all && !asked {
			continue
		}
		var shown any = p.value
		if detailed {
			shown = doc("value", p.value, "settableAtRuntime", !p.startup, "settableAtStartup", true)
		}
		out = append(out, bson.E{Key: p.name, Value: shown})
	}
	if len(out) == 0 {
		return nil, failf(codeInvalidOptions, "no option found to get")
	}
	return out, nil
}

// valueAt looks into a document that a command has for a field.
func (r *request) valueAt(path ...string) bson.RawValue {
	v, _ := r.body.LookupErr(path...)
	return v
}

func (m *Member) setParameter(r *request) (bson.D, error) {
	elems, _ := r.body.Elements()
	var was any
	found := false
	for _, e := range elems[1:] {
		if _, generic := genericNames[e.Key()]; generic {
			continue
		}
		old, ok := m.params.get(e.Key())
		if !ok {
			return nil, failf(codeInvalidOptions, "attempted to set unrecognized parameter [%s], use help:true to see options ", e.Key())
		}
		if old.startup {
			return nil, failf(codeIllegalOperation, "not allowed to change [%s] at runtime", e.Key())
		}
		value, err := coerced(e.Value(), old.value)
		if err != nil {
			return nil, failf(codeBadValue, "%s: %v", e.Key(), err)
		}
		if !found {
			was, found = old.value, true
		}
		m.params.set(e.Key(), value)
	}
	if !found {
		return nil, failf(codeInvalidOptions, "no option found to set, use help:true to see options ")
	}
	return doc("was", was), nil
}

// coerced gives a value the type that its parameter has.
func coerced(v bson.RawValue, like any) (any, error) {
	n, isInt := asInt(v)
	f, isDouble := v.DoubleOK()
	switch like.(type) {
	case bool:
		return asBool(v), nil
	case float64:
		if isDouble {
			return f, nil
		}
		if isInt {
			return float64(n), nil
		}
	case int32:
		if isInt && n == int64(int32(n)) {
			return int32(n), nil
		}
	case int64:
		if isInt {
			return n, nil
		}
	}
	return nil, fmt.Errorf("cannot take a value of type %s", typeNameOf(v))
}
