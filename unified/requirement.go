package unified

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
)

// Requirement is what a deployment must be for a test to run.
type Requirement struct {
	MinServerVersion string   `bson:"minServerVersion"`
	MaxServerVersion string   `bson:"maxServerVersion"`
	Topologies       []string `bson:"topologies"`
	Serverless       string   `bson:"serverless"`
	ServerParameters bson.D   `bson:"serverParameters"`
	Auth             *bool    `bson:"auth"`
	AuthMechanism    string   `bson:"authMechanism"`
	CSFLE            any      `bson:"csfle"`
}

// Admits reports whether a test of the file is for servers of a version, in a
// topology, that want credentials or not. What else it needs shows when it runs.
func (f *File) Admits(t *Test, topology string, v Version, auth bool) bool {
	for _, list := range [][]Requirement{f.RunOn, t.RunOn} {
		admits := func(r Requirement) bool { return r.mismatch(topology, v, auth) == "" }
		if len(list) > 0 && !slices.ContainsFunc(list, admits) {
			return false
		}
	}
	return true
}

// unmet says why none of the requirements is met; "" if one is, or if there are
// none.
func (d *Deployment) unmet(ctx context.Context, list []Requirement) string {
	var reasons []string
	for i := range list {
		reason := d.lacks(ctx, &list[i])
		if reason == "" {
			return ""
		}
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return strings.Join(reasons, "; ")
}

// lacks says what of a requirement the deployment does not have.
func (d *Deployment) lacks(ctx context.Context, r *Requirement) string {
	if reason := r.mismatch(d.Topology, d.version, d.Auth); reason != "" {
		return reason
	}
	if r.Serverless == "require" {
		return "needs a serverless deployment"
	}
	return d.lacksParameter(ctx, r)
}

// mismatch says why the requirement is not for servers of a version, in a topology,
// that want credentials or not.
func (r *Requirement) mismatch(topology string, v Version, auth bool) string {
	// Shards have been replica sets since MongoDB 3.6.
	if len(r.Topologies) > 0 && !slices.Contains(r.Topologies, topology) &&
		!(topology == Sharded && slices.Contains(r.Topologies, "sharded-replicaset")) {
		return "not for the topology " + topology
	}
	if r.MinServerVersion != "" && v.compare(r.MinServerVersion) < 0 {
		return "needs server " + r.MinServerVersion
	}
	if r.MaxServerVersion != "" && v.compare(r.MaxServerVersion) > 0 {
		return "needs a server up to " + r.MaxServerVersion
	}
	if r.Auth != nil && *r.Auth != auth {
		return fmt.Sprintf("needs auth: %v", *r.Auth)
	}
	return ""
}

func (v Version) compare(version string) int {
	w, err := ParseVersion(version)
	if err != nil {
		return 0 // the file was validated
	}
	return v.Compare(w)
}

func (d *Deployment) lacksParameter(ctx context.Context, r *Requirement) string {
	for _, p := range r.ServerParameters {
		v, err := d.parameter(ctx, p.Key)
		if err != nil || !equal(p.Value, v) {
			return fmt.Sprintf("needs the server parameter %s: %s", p.Key, show(p.Value))
		}
	}
	if r.AuthMechanism != "" {
		v, err := d.parameter(ctx, "authenticationMechanisms")
		list, _ := v.(bson.A)
		if err != nil || !slices.ContainsFunc(list, func(m any) bool {
			name, _ := m.(string)
			return strings.EqualFold(name, r.AuthMechanism)
		}) {
			return "needs the authentication mechanism " + r.AuthMechanism
		}
	}
	return ""
}
