package engine

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

func init() {
	functions["$convert"] = namedFunction("$convert", convertNamed)
	for op, to := range map[string]string{
		"$toString": "string", "$toInt": "int", "$toLong": "long", "$toDouble": "double", "$toBool": "bool",
		"$toDate": "date", "$toObjectId": "objectId", "$toDecimal": "decimal",
	} {
		functions[op] = &function{1, 1, func(a []any) (any, error) {
			if isNull(a[0]) {
				return nil, nil
			}
			return convert(a[0], to)
		}}
	}
}

// typeCodes are the numbers of the types that can be converted to.
var typeCodes = map[int64]string{1: "double", 2: "string", 7: "objectId", 8: "bool", 9: "date", 16: "int", 18: "long", 19: "decimal"}

func convertNamed(n named) (any, error) {
	v, to := n.get("input"), n.get("to")
	if isNull(v) {
		return nullIfMissing(n.get("onNull")), nil
	}
	if isNull(to) {
		return nil, nil
	}
	if d, ok := to.(bson.D); ok {
		to, _ = field(d, "type")
	}
	name, ok := to.(string)
	if code, isCode := integer(to); isCode {
		name, ok = typeCodes[code]
	}
	if !ok {
		return nil, Errorf(CodeFailedToParse, "$convert's 'to' argument must be a string or number, but is %s", typeName(to))
	}
	out, err := convert(v, name)
	if err != nil && n.has("onError") {
		return n.get("onError"), nil
	}
	return out, err
}

func unsupported(v any, to string) error {
	return Errorf(CodeConversionFailure, "Unsupported conversion from %s to %s in $convert with no onError value", typeName(v), to)
}

// convert gives a value that is not null another type (manual: $convert).
func convert(v any, to string) (any, error) {
	switch to {
	case "string":
		return toText([]any{v})
	case "bool":
		return truthy(v), nil
	case "date":
		return convertDate(v)
	case "objectId":
		return convertID(v)
	case "decimal":
		return convertDecimal(v)
	case "int", "long", "double":
		return convertNumber(v, to)
	}
	return nil, Errorf(CodeBadValue, "Unknown type name: %s", to)
}

func convertDate(v any) (any, error) {
	switch t := v.(type) {
	case string:
		at, err := parseDate(t, time.UTC)
		if err != nil {
			return nil, err
		}
		return dateOf(at), nil
	case int64:
		return primitive.DateTime(t), nil
	case float64, primitive.Decimal128:
		return primitive.DateTime(toFloat(t)), nil
	}
	if at, ok := moment(v); ok {
		return dateOf(at), nil
	}
	return nil, unsupported(v, "date")
}

func convertID(v any) (any, error) {
	switch t := v.(type) {
	case primitive.ObjectID:
		return t, nil
	case string:
		id, err := primitive.ObjectIDFromHex(t)
		if err != nil {
			return nil, Errorf(CodeConversionFailure, "Failed to parse objectId '%s' in $convert with no onError value", t)
		}
		return id, nil
	}
	return nil, unsupported(v, "objectId")
}

func convertDecimal(v any) (any, error) {
	var text string
	switch t := v.(type) {
	case primitive.Decimal128:
		return t, nil
	case bool:
		text = "0"
		if t {
			text = "1"
		}
	case string:
		text = t
	case float64:
		text = strconv.FormatFloat(t, 'g', 15, 64)
	case primitive.DateTime:
		text = strconv.FormatInt(int64(t), 10)
	default:
		n, ok := integer(v)
		if !ok {
			return nil, unsupported(v, "decimal")
		}
		text = strconv.FormatInt(n, 10)
	}
	d, err := primitive.ParseDecimal128(text)
	if err != nil {
		return nil, Errorf(CodeConversionFailure, "Failed to parse number '%s' in $convert with no onError value", text)
	}
	return d, nil
}

// convertNumber gives a value the type int, long or double.
func convertNumber(v any, to string) (any, error) {
	var f float64
	switch t := v.(type) {
	case string:
		return parseNumber(t, to)
	case bool:
		if t {
			f = 1
		}
	case primitive.DateTime:
		if to == "int" {
			return nil, unsupported(v, to)
		}
		if to == "long" {
			return int64(t), nil
		}
		f = float64(t)
	case int32, int64, float64, primitive.Decimal128:
		if n, ok := integer(v); ok && to == "long" {
			return n, nil
		}
		f = toFloat(v)
	default:
		return nil, unsupported(v, to)
	}
	if to == "double" {
		return f, nil
	}
	return narrowed(f, to)
}

func narrowed(f float64, to string) (any, error) {
	f = math.Trunc(f)
	limit := 1.0 * (1 << 31)
	if to == "long" {
		limit = 1 << 63
	}
	if math.IsNaN(f) || f >= limit || f < -limit {
		return nil, Errorf(CodeConversionFailure, "Conversion would overflow target type in $convert with no onError value: %v", f)
	}
	if to == "long" {
		return int64(f), nil
	}
	return int32(f), nil
}

func parseNumber(s, to string) (any, error) {
	failed := Errorf(CodeConversionFailure, "Failed to parse number '%s' in $convert with no onError value", s)
	if to == "double" {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || strings.ContainsAny(s, "xX_") {
			return nil, failed
		}
		return f, nil
	}
	bits := 64
	if to == "int" {
		bits = 32
	}
	n, err := strconv.ParseInt(s, 10, bits)
	if err != nil {
		return nil, failed
	}
	if to == "int" {
		return int32(n), nil
	}
	return n, nil
}

func toText(a []any) (any, error) {
	switch t := a[0].(type) {
	case nil, bsonkit.MissingType:
		return nil, nil
	case string:
		return t, nil
	case primitive.ObjectID:
		return t.Hex(), nil
	case bool:
		return strconv.FormatBool(t), nil
	case primitive.DateTime:
		return t.Time().UTC().Format("2006-01-02T15:04:05.000Z"), nil
	case float64:
		return strconv.FormatFloat(t, 'g', -1, 64), nil
	case primitive.Decimal128:
		return t.String(), nil
	}
	if n, ok := integer(a[0]); ok {
		return strconv.FormatInt(n, 10), nil
	}
	return nil, unsupported(a[0], "string")
}
