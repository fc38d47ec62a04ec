package bson_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

// sameJSON compares two Extended JSON texts as the corpus asks: escapes and
// white space do not count, the order of keys does not count, and numbers,
// those in $numberDouble included, count by value. It returns what differs, or "".
func sameJSON(a, b string) string {
	x, errA := parseJSON(a)
	y, errB := parseJSON(b)
	if errA != nil || errB != nil {
		return fmt.Sprintf("not JSON: %v, %v", errA, errB)
	}
	return diffJSON("", x, y)
}

// jsonObject keeps keys that are there twice.
type jsonObject map[string][]any

func parseJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := parseJSONValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON: %v", err)
	}
	return v, nil
}

func parseJSONValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		object := jsonObject{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := parseJSONValue(d)
			if err != nil {
				return nil, err
			}
			object[key.(string)] = append(object[key.(string)], v)
		}
		_, err = d.Token()
		return object, err
	case json.Delim('['):
		array := []any{}
		for d.More() {
			v, err := parseJSONValue(d)
			if err != nil {
				return nil, err
			}
			array = append(array, v)
		}
		_, err = d.Token()
		return array, err
	}
	return token, nil
}

func diffJSON(path string, a, b any) string {
	switch x := a.(type) {
	case jsonObject:
		y, ok := b.(jsonObject)
		if !ok || len(x) != len(y) {
			return fmt.Sprintf("%s: %v and %v", path, a, b)
		}
		for key, values := range x {
			others, ok := y[key]
			if !ok || len(others) != len(values) {
				return fmt.Sprintf("%s: key %q", path, key)
			}
			for i := range values {
				if key == "$numberDouble" && sameDouble(values[i], others[i]) {
					continue
				}
				if why := diffJSON(path+"."+key, values[i], others[i]); why != "" {
					return why
				}
			}
		}
		return ""
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return fmt.Sprintf("%s: %v and %v", path, a, b)
		}
		for i := range x {
			if why := diffJSON(fmt.Sprintf("%s[%d]", path, i), x[i], y[i]); why != "" {
				return why
			}
		}
		return ""
	case json.Number:
		if y, ok := b.(json.Number); ok && sameDouble(x.String(), y.String()) {
			return ""
		}
	}
	if a == b {
		return ""
	}
	return fmt.Sprintf("%s: %#v and %#v", path, a, b)
}

func sameDouble(a, b any) bool {
	s, ok := a.(string)
	if !ok {
		return false
	}
	u, ok := b.(string)
	if !ok {
		return false
	}
	x, errX := strconv.ParseFloat(s, 64)
	y, errY := strconv.ParseFloat(u, 64)
	if x == 0 && y == 0 { // "-0" is "-0.0", not "0"
		return math.Signbit(x) == math.Signbit(y)
	}
	return errX == nil && errY == nil && x == y
}

func TestSameJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"a": 1, "b": [true, null]}`, `{"b":[true,null],"a":1}`, true},
		{`{"a": "\u00e9"}`, `{"a": "é"}`, true},
		{`{"a": 1.0}`, `{"a": 1}`, true},
		{`{"a": 1.0}`, `{"a": "1.0"}`, false},
		{`{"a": {"$numberDouble": "1.0E+10"}}`, `{"a": {"$numberDouble": "1e10"}}`, true},
		{`{"a": {"$numberDouble": "-0.0"}}`, `{"a": {"$numberDouble": "0"}}`, false},
		{`{"a": {"$numberLong": "1.0"}}`, `{"a": {"$numberLong": "1"}}`, false},
		{`{"a": 1, "a": 2}`, `{"a": 2}`, false},
		{`{"a": 1, "a": 2}`, `{"a": 2, "a": 1}`, false},
		{`{"a": []}`, `{"a": {}}`, false},
		{`{"a": [1, 2]}`, `{"a": [2, 1]}`, false},
		{`{"a": 1}`, `{"b": 1}`, false},
		{`{"a": 1} x`, `{"a": 1}`, false},
	} {
		if got := sameJSON(c.a, c.b); (got == "") != c.same {
			t.Errorf("%s and %s: %q", c.a, c.b, got)
		}
	}
}
