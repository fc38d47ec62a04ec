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
	if len(r.Topologies) > 0 && !d.isOneOf(r.Topologies) {
		return "not for the topology " + d.Topology
	}
	if r.MinServerVersion != "" && d.compare(r.MinServerVersion) < 0 {
		return "needs server " + r.MinServerVersion
	}
	if r.MaxServerVersion != "" && d.compare(r.MaxServerVersion) > 0 {
		return "needs a server up to " + r.MaxServerVersion
	}
	if r.Serverless == "require" {
		return "needs a serverless deployment"
	}
	if r.Auth != nil && *r.Auth != d.Auth {
		return fmt.Sprintf("needs auth: %v", *r.Auth)
	}
	if r.CSFLE != nil && r.CSFLE != false {
		return "needs client-side encryption"
	}
	return d.lacksParameter(ctx, r)
}

func (d *Deployment) isOneOf(topologies []string) bool {
	// Shards have been replica sets since MongoDB 3.6.
	return slices.Contains(topologies, d.Topology) || d.Topology == Sharded && slices.Contains(topologies, "sharded-replicaset")
}

func (d *Deployment) compare(version string) int {
	v, err := ParseVersion(version)
	if err != nil {
		return 0 // the file was validated
	}
	return d.version.Compare(v)
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
