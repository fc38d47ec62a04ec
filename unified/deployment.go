package unified

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// The topologies that tests ask for.
const (
	Single       = "single"
	ReplicaSet   = "replicaset"
	Sharded      = "sharded"
	LoadBalanced = "load-balanced"
)

// Deployment is what tests run against, one at a time. Fill in the exported
// fields and call Open.
type Deployment struct {
	// Topology is one of the constants above.
	Topology string
	// URI leads to all servers.
	URI string
	// OneRouter leads to one mongos alone, or to the load balancer in front of a
	// single one; "" is URI.
	OneRouter string
	// Servers lead to each server that takes fail points, directly. They are
	// switched off there after a test.
	Servers []string
	// Auth tells that the servers want credentials.
	Auth bool
	// Token is an access token that MONGODB-OIDC takes, "" if none does.
	Token string
	// StopLoops, when closed, ends the loops in tests. nil never does.
	StopLoops <-chan struct{}

	client     *mgx.Client // for what the tests themselves do not do
	direct     []*mgx.Client
	version    Version
	mu         sync.Mutex
	parameters map[string]any // errors are values, too
}

// Open connects to the deployment.
func (d *Deployment) Open(ctx context.Context) error {
	var err error
	if d.client, err = mgx.Connect(ctx, d.uriFor(false)); err != nil {
		return err
	}
	info, err := d.client.ServerInfo(ctx)
	if err != nil {
		return err
	}
	copy(d.version[:], info.VersionArray)
	for _, uri := range d.Servers {
		options, err := mgx.ParseURI(uri)
		if err != nil {
			return err
		}
		c, err := mgx.New(options)
		if err != nil {
			return err
		}
		d.direct = append(d.direct, c)
	}
	d.parameters = map[string]any{}
	return nil
}

// Close ends what Open began. The servers go on.
func (d *Deployment) Close(ctx context.Context) {
	for _, c := range append(d.direct, d.client) {
		if c != nil {
			_ = c.Close(ctx) // there is nobody left to mind
		}
	}
}

// Version is the servers'.
func (d *Deployment) Version() Version { return d.version }

func (d *Deployment) uriFor(manyRouters bool) string {
	if !manyRouters && d.OneRouter != "" {
		return d.OneRouter
	}
	return d.URI
}

// admin runs a command against the admin database.
func (d *Deployment) admin(ctx context.Context, command bson.D) (bson.D, error) {
	var reply bson.D
	err := d.client.Database("admin").RunCommand(ctx, command).Decode(&reply)
	return reply, err
}

// parameter returns a server parameter; a server that does not have it is an
// error.
func (d *Deployment) parameter(ctx context.Context, name string) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, known := d.parameters[name]
	if !known {
		reply, err := d.admin(ctx, bson.D{{Key: "getParameter", Value: int32(1)}, {Key: name, Value: int32(1)}})
		if v = any(err); err == nil {
			v, _ = lookup(reply, name)
		}
		d.parameters[name] = v
	}
	if err, failed := v.(error); failed {
		return nil, err
	}
	return v, nil
}

// withOptions changes a URI by options that override its own.
func withOptions(uri string, options bson.D) (string, error) {
	base, query, _ := strings.Cut(uri, "?")
	if !strings.Contains(strings.TrimPrefix(base, "mongodb://"), "/") {
		base += "/"
	}
	values := map[string][]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			values[key] = append(values[key], value)
		}
	}
	for _, o := range options {
		if o.Key == "authMechanism" {
			base = withoutLogin(base)
		}
		if isPlaceholder(o.Value) && o.Key == "authMechanismProperties" {
			continue // a callback takes their place
		}
		texts, err := optionTexts(o)
		if err != nil {
			return "", err
		}
		maps.DeleteFunc(values, func(key string, _ []string) bool { return strings.EqualFold(key, o.Key) })
		values[o.Key] = texts
	}
	if get[bool](options, "directConnection") {
		base = firstHost(base)
		delete(values, "replicaSet")
	}
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for _, v := range values[key] {
			pairs = append(pairs, key+"="+v)
		}
	}
	return base + "?" + strings.Join(pairs, "&"), nil
}

// isPlaceholder reports whether the environment has to say a value.
func isPlaceholder(v any) bool {
	d, _ := v.(bson.D)
	name, _, ok := operator(d)
	return ok && name == "$$placeholder"
}

// withoutLogin drops the user and the password, which are for another mechanism.
func withoutLogin(base string) string {
	scheme, rest, _ := strings.Cut(base, "://")
	if _, hosts, ok := strings.Cut(rest, "@"); ok {
		rest = hosts
	}
	return scheme + "://" + rest
}

// firstHost drops all hosts but one.
func firstHost(base string) string {
	scheme, rest, _ := strings.Cut(base, "://")
	hosts, path, _ := strings.Cut(rest, "/")
	login, list, ok := strings.Cut(hosts, "@")
	if !ok {
		login, list = "", hosts
	} else {
		login += "@"
	}
	host, _, _ := strings.Cut(list, ",")
	return scheme + "://" + login + host + "/" + path
}

// optionTexts are the values of an option as a URI has them.
func optionTexts(o bson.E) ([]string, error) {
	switch v := o.Value.(type) {
	case bson.A:
		var texts []string
		for _, item := range v {
			texts = append(texts, url.QueryEscape(fmt.Sprint(item)))
		}
		return texts, nil
	case bson.D:
		var parts []string
		for _, e := range v {
			if isPlaceholder(e.Value) {
				return nil, skipf("URI option %s.%s comes from the environment", o.Key, e.Key)
			}
			parts = append(parts, e.Key+":"+fmt.Sprint(e.Value))
		}
		return []string{url.QueryEscape(strings.Join(parts, ","))}, nil
	}
	return []string{url.QueryEscape(fmt.Sprint(o.Value))}, nil
}
