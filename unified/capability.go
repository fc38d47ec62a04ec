package unified

import (
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
)

// What mgx, or this package, cannot do yet. Tests that need it are skipped. This
// is the only list of such things; every entry is to go away.
var missing = []struct{ what, reason string }{
	{"option waitQueueSize", "waitQueueSize is no option of mgx; waitQueueMultiple is, but its test sets waitQueueSize, too"},
	{"client storeEventsAsEntities", "events as entities are deprecated; no file of the suites needs them"},
}

// incapable says why a test cannot run yet; "" if it can.
func incapable(f *File, t *Test) string {
	needs := map[string]bool{}
	needsOfEntities(f.Entities, needs)
	needsOf(t.Operations, needs)
	for _, m := range missing {
		if needs[m.what] {
			return m.reason
		}
	}
	return ""
}

func needsOfEntities(list []bson.D, needs map[string]bool) {
	for _, d := range list {
		kind, spec := d[0].Key, d[0].Value.(bson.D)
		needs["entity "+kind] = true
		for _, o := range get[bson.D](spec, "uriOptions") {
			needs["option "+o.Key] = true
		}
		for _, e := range spec {
			needs[kind+" "+e.Key] = true
			if options, ok := e.Value.(bson.D); ok && strings.HasSuffix(e.Key, "Options") {
				for _, o := range options {
					needs["handle "+o.Key] = true
				}
			}
		}
	}
}

func needsOf(list []Operation, needs map[string]bool) {
	for _, op := range list {
		needs["operation "+op.Name] = true
		for _, e := range op.Arguments {
			if op.Object != "testRunner" {
				needs["argument "+e.Key] = true
			}
			switch {
			case e.Key == "entities":
				var specs []bson.D
				for _, item := range get[bson.A](op.Arguments, e.Key) {
					if d, ok := item.(bson.D); ok && len(d) == 1 {
						specs = append(specs, d)
					}
				}
				needsOfEntities(specs, needs)
			case slices.Contains([]string{"operation", "operations", "callback"}, e.Key):
				nested, ok := e.Value.(bson.A)
				if !ok {
					nested = bson.A{e.Value}
				}
				if inner, err := operationsOf(nested); err == nil {
					needsOf(inner, needs)
				}
			}
		}
	}
}
