package engine

import (
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
)

// explainFailure says why a document does not match a validator, as the errInfo of
// the server does (manual: Schema Validation, Understand Failures).
func explainFailure(validator, d bson.D, vars map[string]any) bson.D {
	if len(validator) == 1 && validator[0].Key == "$jsonSchema" {
		schema, _ := validator[0].Value.(bson.D)
		return bson.D{{Key: "operatorName", Value: "$jsonSchema"}, {Key: "schemaRulesNotSatisfied", Value: brokenRules(schema, d)}}
	}
	var clauses bson.A
	for i, e := range validator {
		if ok, err := match(&d, bson.D{e}, vars); err != nil || ok {
			continue
		}
		clauses = append(clauses, bson.D{{Key: "index", Value: int32(i)}, {Key: "details", Value: brokenClause(e, d)}})
	}
	if len(validator) == 1 {
		return brokenClause(validator[0], d)
	}
	return bson.D{{Key: "operatorName", Value: "$and"}, {Key: "clausesNotSatisfied", Value: clauses}}
}

func brokenClause(e bson.E, d bson.D) bson.D {
	if strings.HasPrefix(e.Key, "$") {
		return bson.D{{Key: "operatorName", Value: e.Key}, {Key: "specifiedAs", Value: bson.D{e}}, {Key: "reason", Value: "expression did not match"}}
	}
	operator, reason := "$eq", "comparison failed"
	if cond, ok := e.Value.(bson.D); ok && len(cond) > 0 && strings.HasPrefix(cond[0].Key, "$") {
		operator = cond[0].Key
	}
	switch operator {
	case "$type":
		reason = "type did not match"
	case "$exists":
		reason = "path does not exist"
	case "$regex":
		reason = "regular expression did not match"
	}
	v := bsonkit.Get(&d, e.Key)
	if v == bsonkit.Missing && operator != "$exists" {
		reason = "field was missing"
	}
	out := bson.D{{Key: "operatorName", Value: operator}, {Key: "specifiedAs", Value: bson.D{e}}, {Key: "reason", Value: reason}}
	if v != bsonkit.Missing {
		out = append(out, bson.E{Key: "consideredValue", Value: v})
		if operator == "$type" {
			out = append(out, bson.E{Key: "consideredType", Value: typeName(v)})
		}
	}
	return out
}

// brokenRules are the rules of a schema that a document breaks.
func brokenRules(schema, d bson.D) bson.A {
	var out bson.A
	for _, rule := range schema {
		switch rule.Key {
		case "required":
			var missing bson.A
			list, _ := rule.Value.(bson.A)
			for _, name := range list {
				key, _ := name.(string)
				if _, ok := field(d, key); !ok {
					missing = append(missing, name)
				}
			}
			if len(missing) > 0 {
				out = append(out, bson.D{{Key: "operatorName", Value: "required"}, {Key: "specifiedAs", Value: bson.D{rule}}, {Key: "missingProperties", Value: missing}})
			}
		case "properties":
			if broken := brokenProperties(rule.Value, d); len(broken) > 0 {
				out = append(out, bson.D{{Key: "operatorName", Value: "properties"}, {Key: "propertiesNotSatisfied", Value: broken}})
			}
		case "title", "description":
		default:
			probe := bson.D{{Key: "v", Value: d}}
			if broken := brokenRule(rule, "v", d, probe); broken != nil {
				out = append(out, broken)
			}
		}
	}
	return out
}

func brokenProperties(rules any, d bson.D) bson.A {
	var out bson.A
	properties, _ := rules.(bson.D)
	for _, p := range properties {
		schema, _ := p.Value.(bson.D)
		v, there := field(d, p.Key)
		if !there {
			continue
		}
		var details bson.A
		if inner, ok := v.(bson.D); ok {
			details = brokenRules(schema, inner)
		} else {
			for _, rule := range schema {
				if broken := brokenRule(rule, p.Key, v, d); broken != nil {
					details = append(details, broken)
				}
			}
		}
		if len(details) == 0 {
			continue
		}
		entry := bson.D{{Key: "propertyName", Value: p.Key}}
		if text, ok := field(schema, "description"); ok {
			entry = append(entry, bson.E{Key: "description", Value: text})
		}
		out = append(out, append(entry, bson.E{Key: "details", Value: details}))
	}
	return out
}

// brokenRule asks the matcher about one rule on one field.
func brokenRule(rule bson.E, name string, v any, d bson.D) bson.D {
	switch rule.Key {
	case "title", "description", "properties", "required":
		return nil
	}
	schema := bson.D{{Key: "properties", Value: bson.D{{Key: name, Value: bson.D{rule}}}}}
	if ok, err := match(&d, bson.D{{Key: "$jsonSchema", Value: schema}}, nil); err != nil || ok {
		return nil
	}
	out := bson.D{{Key: "operatorName", Value: rule.Key}, {Key: "specifiedAs", Value: bson.D{rule}}}
	switch rule.Key {
	case "bsonType", "type":
		out = append(out, bson.E{Key: "reason", Value: "type did not match"}, bson.E{Key: "consideredValue", Value: v}, bson.E{Key: "consideredType", Value: typeName(v)})
	case "enum":
		out = append(out, bson.E{Key: "reason", Value: "value was not found in enum"}, bson.E{Key: "consideredValue", Value: v})
	case "pattern":
		out = append(out, bson.E{Key: "reason", Value: "regular expression did not match"}, bson.E{Key: "consideredValue", Value: v})
	case "minLength", "maxLength":
		out = append(out, bson.E{Key: "reason", Value: "specified string length was not satisfied"}, bson.E{Key: "consideredValue", Value: v})
	default:
		out = append(out, bson.E{Key: "reason", Value: "comparison failed"}, bson.E{Key: "consideredValue", Value: v})
	}
	return out
}
