package engine

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

func init() {
	functions["$trim"] = namedFunction("$trim", trimmed(strings.Trim, strings.TrimSpace))
	functions["$ltrim"] = namedFunction("$ltrim", trimmed(strings.TrimLeft, func(s string) string { return strings.TrimLeft(s, whitespace) }))
	functions["$rtrim"] = namedFunction("$rtrim", trimmed(strings.TrimRight, func(s string) string { return strings.TrimRight(s, whitespace) }))
	functions["$replaceOne"] = namedFunction("$replaceOne", replacing(1))
	functions["$replaceAll"] = namedFunction("$replaceAll", replacing(-1))
	functions["$strcasecmp"] = &function{2, 2, func(a []any) (any, error) {
		return int32(cmp.Compare(strings.ToUpper(textOf(a[0])), strings.ToUpper(textOf(a[1])))), nil
	}}
	functions["$indexOfBytes"] = &function{2, 4, indexOf("$indexOfBytes", false)}
	functions["$indexOfCP"] = &function{2, 4, indexOf("$indexOfCP", true)}
	functions["$regexMatch"] = namedFunction("$regexMatch", func(n named) (any, error) {
		found, err := n.regex(1)
		return len(found) > 0, err
	})
	functions["$regexFind"] = namedFunction("$regexFind", func(n named) (any, error) {
		found, err := n.regex(1)
		if err != nil || len(found) == 0 {
			return nil, err
		}
		return found[0], nil
	})
	functions["$regexFindAll"] = namedFunction("$regexFindAll", func(n named) (any, error) {
		found, err := n.regex(-1)
		if found == nil {
			found = bson.A{}
		}
		return found, err
	})
}

const whitespace = "\x00\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"

// textOf is a value as text, as functions of strings take it: null is empty.
func textOf(v any) string {
	s, err := toText([]any{v})
	if err != nil || s == nil {
		return ""
	}
	return s.(string)
}

func trimmed(chars func(s, cut string) string, space func(string) string) func(named) (any, error) {
	return func(n named) (any, error) {
		v, cut := n.get("input"), n.get("chars")
		if isNull(v) || cut == nil {
			return nil, nil
		}
		s, ok := v.(string)
		if !ok {
			return nil, Errorf(50699, "%s requires its input to be a string, got %s", n.op, typeName(v))
		}
		if !n.has("chars") {
			return space(s), nil
		}
		set, ok := cut.(string)
		if !ok {
			return nil, Errorf(50700, "%s requires 'chars' to be a string, got %s", n.op, typeName(cut))
		}
		return chars(s, set), nil
	}
}

func replacing(times int) func(named) (any, error) {
	return func(n named) (any, error) {
		parts := [3]string{}
		for i, name := range []string{"input", "find", "replacement"} {
			v := n.get(name)
			if isNull(v) {
				return nil, nil
			}
			s, ok := v.(string)
			if !ok {
				return nil, Errorf(51744+int32(i), "%s requires that '%s' be a string, found: %s", n.op, name, typeName(v))
			}
			parts[i] = s
		}
		return strings.Replace(parts[0], parts[1], parts[2], times), nil
	}
}

// indexOf finds one text in another, counting bytes or code points.
func indexOf(op string, points bool) func([]any) (any, error) {
	return func(a []any) (any, error) {
		if isNull(a[0]) {
			return nil, nil
		}
		s, ok := a[0].(string)
		part, ok2 := a[1].(string)
		if !ok || !ok2 {
			return nil, Errorf(40091, "%s requires strings as first and second arguments, found: %s and %s", op, typeName(a[0]), typeName(a[1]))
		}
		count := func(s string) int {
			if points {
				return utf8.RuneCountInString(s)
			}
			return len(s)
		}
		start, end := 0, count(s)
		for i, v := range a[2:] {
			n, ok := integer(v)
			if !ok || n < 0 {
				return nil, Errorf(40096, "%s requires non-negative integral indexes, found %s", op, display(v))
			}
			if i == 0 {
				start = int(n)
			} else {
				end = min(end, int(n))
			}
		}
		if start > end {
			return int32(-1), nil
		}
		from, to := start, end
		if points {
			from, to = offsetOf(s, start), offsetOf(s, end)
		}
		at := strings.Index(s[from:to], part)
		if at < 0 {
			return int32(-1), nil
		}
		return int32(start + count(s[from:from+at])), nil
	}
}

// offsetOf is the byte at which the nth code point begins.
func offsetOf(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// regex returns the matches of a regular expression, at most n unless that is negative.
func (n named) regex(limit int) (bson.A, error) {
	v := n.get("input")
	if isNull(v) || isNull(n.get("regex")) {
		return nil, nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, Errorf(51104, "%s needs 'input' to be of type string", n.op)
	}
	var re primitive.Regex
	switch t := n.get("regex").(type) {
	case primitive.Regex:
		re = t
	case string:
		re.Pattern = t
	default:
		return nil, Errorf(51105, "%s needs 'regex' to be of type string or regex", n.op)
	}
	if o, ok := n.text("options"); ok {
		re.Options = o
	}
	compiled, err := compileRegex(re)
	if err != nil {
		return nil, err
	}
	var out bson.A
	for _, m := range compiled.FindAllStringSubmatchIndex(s, limit) {
		captures := bson.A{}
		for i := 2; i < len(m); i += 2 {
			if m[i] < 0 {
				captures = append(captures, nil)
			} else {
				captures = append(captures, s[m[i]:m[i+1]])
			}
		}
		out = append(out, bson.D{{Key: "match", Value: s[m[0]:m[1]]}, {Key: "idx", Value: int32(utf8.RuneCountInString(s[:m[0]]))}, {Key: "captures", Value: captures}})
	}
	return out, nil
}
