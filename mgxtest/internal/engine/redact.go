package engine

import (
	"go.mongodb.org/mongo-driver/bson"
)

// redaction is what the expression of $redact decides about a level of a document.
type redaction string

func stageRedact(_ *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	var out []bson.D
	for _, d := range docs {
		kept, ok, err := redact(arg, d, d, vars)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, kept)
		}
	}
	return out, nil
}

func redact(expr any, root, d bson.D, vars map[string]any) (bson.D, bool, error) {
	v, err := evaluate(expr, &scope{root: root, current: d, vars: vars})
	if err != nil {
		return nil, false, err
	}
	switch v {
	case redaction("KEEP"):
		return d, true, nil
	case redaction("PRUNE"):
		return nil, false, nil
	case redaction("DESCEND"):
	default:
		return nil, false, Errorf(17053, "$redact must return one of $$DESCEND, $$PRUNE or $$KEEP")
	}
	out := bson.D{}
	for _, e := range d {
		below, ok, err := redactValue(expr, root, e.Value, vars)
		if err != nil {
			return nil, false, err
		}
		if ok {
			out = append(out, bson.E{Key: e.Key, Value: below})
		}
	}
	return out, true, nil
}

func redactValue(expr any, root bson.D, v any, vars map[string]any) (any, bool, error) {
	switch t := v.(type) {
	case bson.D:
		return redact(expr, root, t, vars)
	case bson.A:
		out := bson.A{}
		for _, item := range t {
			below, ok, err := redactValue(expr, root, item, vars)
			if err != nil {
				return nil, false, err
			}
			if ok {
				out = append(out, below)
			}
		}
		return out, true, nil
	}
	return v, true, nil
}
