package unified

import (
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
)

func fromJSON(t *testing.T, text string) any {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+text+`}`), false, &d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d[0].Value
}

func testMatcher() *matcher {
	saved := map[string]any{"seven": int32(7), "doc": bson.D{{Key: "a", Value: int32(1)}}}
	return &matcher{
		entity: func(name string) (any, error) {
			if v, ok := saved[name]; ok {
				return v, nil
			}
			return nil, malformedf("no %s", name)
		},
		session: func(string) (bson.D, error) { return bson.D{{Key: "id", Value: "x"}}, nil },
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		expected, got string
		want          bool
	}{
		{`1`, `1`, true},
		{`1`, `1.0`, true},
		{`1`, `{"$numberLong": "1"}`, true},
		{`1`, `1.5`, false},
		{`1`, `"1"`, false},
		{`1`, `{"$numberDecimal": "1"}`, false},
		{`{"$numberLong": "9007199254740993"}`, `{"$numberLong": "9007199254740992"}`, false},
		{`null`, `null`, true},
		{`null`, `false`, false},
		{`{"x": 1, "y": 2}`, `{"y": 2, "x": 1}`, true},
		{`{"x": 1}`, `{"x": 1, "y": 2}`, true}, // the root may have more
		{`{"x": {"y": 1}}`, `{"x": {"y": 1, "z": 2}}`, false},
		{`{"x": 1}`, `{}`, false},
		{`{"x": 1}`, `[1]`, false},
		{`[1, 2]`, `[1, 2]`, true},
		{`[1, 2]`, `[1, 2, 3]`, false},
		{`[{"x": 1}]`, `[{"x": 1, "y": 2}]`, false},
		{`{"x": {"$$exists": true}}`, `{"x": null}`, true},
		{`{"x": {"$$exists": true}}`, `{}`, false},
		{`{"x": {"$$exists": false}}`, `{}`, true},
		{`{"x": {"$$exists": false}}`, `{"x": 1}`, false},
		{`{"x": {"$$type": "int"}}`, `{"x": 1}`, true},
		{`{"x": {"$$type": ["string", "long"]}}`, `{"x": 1}`, false},
		{`{"x": {"$$type": "number"}}`, `{"x": {"$numberDecimal": "1"}}`, true},
		{`{"x": {"$$type": "number"}}`, `{"x": "1"}`, false},
		{`{"x": {"$$type": 16}}`, `{"x": 1}`, true},
		{`{"x": {"$$type": "int"}}`, `{}`, false},
		{`{"x": {"$$unsetOrMatches": 1}}`, `{}`, true},
		{`{"x": {"$$unsetOrMatches": 1}}`, `{"x": 1}`, true},
		{`{"x": {"$$unsetOrMatches": 1}}`, `{"x": null}`, false},
		{`{"$$unsetOrMatches": {"x": {"$$unsetOrMatches": 1}}}`, `{"y": 1}`, true},
		{`{"x": {"$$matchesEntity": "seven"}}`, `{"x": 7}`, true},
		{`{"x": {"$$matchesEntity": "doc"}}`, `{"x": {"a": 1, "b": 1}}`, false},
		{`{"x": {"$$matchesHexBytes": "6162"}}`, `{"x": "ab"}`, true},
		{`{"x": {"$$matchesHexBytes": "61"}}`, `{"x": "ab"}`, false},
		{`{"x": {"$$sessionLsid": "s"}}`, `{"x": {"id": "x"}}`, true},
		{`{"x": {"$$sessionLsid": "s"}}`, `{"x": {"id": "y"}}`, false},
		{`{"x": {"$$lte": 5}}`, `{"x": 5.0}`, true},
		{`{"x": {"$$lte": 5}}`, `{"x": 5.1}`, false},
		{`{"x": {"$$lte": 5}}`, `{"x": "1"}`, false},
		{`{"x": {"$$matchAsDocument": {"y": 1}}}`, `{"x": "{\"y\": 1}"}`, true},
		{`{"x": {"$$matchAsDocument": {"y": 1}}}`, `{"x": "{\"y\": 1, \"z\": 2}"}`, false},
		{`{"x": {"$$matchAsDocument": {"$$matchAsRoot": {"y": 1}}}}`, `{"x": "{\"y\": 1, \"z\": 2}"}`, true},
		{`{"x": {"$$matchAsDocument": {"y": 1}}}`, `{"x": "y: 1"}`, false},
		{`{"x": {"$$matchAsRoot": {"y": 1}}}`, `{"x": {"y": 1, "z": 2}}`, true},
		{`{"x": {"$binary": {"base64": "AQ==", "subType": "00"}}}`, `{"x": {"$binary": {"base64": "AQ==", "subType": "00"}}}`, true},
		{`{"x": {"$binary": {"base64": "AQ==", "subType": "00"}}}`, `{"x": {"$binary": {"base64": "AQ==", "subType": "04"}}}`, false},
	} {
		err := testMatcher().match("", fromJSON(t, test.expected), there(fromJSON(t, test.got)), true)
		if (err == nil) != test.want {
			t.Errorf("match(%s, %s): %v, want a match: %v", test.expected, test.got, err, test.want)
		}
	}
}

func TestMatchRefusesMalformedOperators(t *testing.T) {
	for _, expected := range []string{
		`{"x": {"$$nonsense": 1}}`, `{"x": {"$$exists": 1}}`, `{"x": {"$$type": true}}`, `{"x": {"$$matchesHexBytes": "6"}}`,
		`{"x": {"$$matchesEntity": "nobody"}}`, `{"x": {"$$lte": "1"}}`,
	} {
		err := testMatcher().match("", fromJSON(t, expected), there(fromJSON(t, `{"x": "a"}`)), true)
		var wrong *malformed
		if !errors.As(err, &wrong) {
			t.Errorf("%s: got %v, want an error that says it is malformed", expected, err)
		}
	}
}

func TestSameIsStrict(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{`{"x": 1, "y": [2]}`, `{"y": [2], "x": 1}`, true},
		{`{"x": 1}`, `{"x": 1, "y": 2}`, false},
		{`1`, `{"$numberLong": "1"}`, false},
		{`[1]`, `[1, 2]`, false},
		{`{"x": {"$$exists": true}}`, `{"x": 1}`, false},
	} {
		if err := same(fromJSON(t, test.a), fromJSON(t, test.b)); (err == nil) != test.want {
			t.Errorf("same(%s, %s): %v, want %v", test.a, test.b, err, test.want)
		}
	}
}

func TestMatchEvents(t *testing.T) {
	seen := []observed{
		{"command", "commandStartedEvent", bson.D{{Key: "commandName", Value: "find"}, {Key: "command", Value: fromJSON(t, `{"find": "c", "lsid": {}}`)}}},
		{"cmap", "poolClearedEvent", bson.D{{Key: "hasServiceId", Value: false}}},
		{"command", "commandFailedEvent", bson.D{{Key: "commandName", Value: "find"}}},
	}
	started := `{"commandStartedEvent": {"command": {"find": "c"}}}`
	failed := `{"commandFailedEvent": {"commandName": "find"}}`
	for _, test := range []struct {
		kind, events string
		ignoreExtra  bool
		want         string // in the error; "" for none
	}{
		{"", `[` + started + `,` + failed + `]`, false, ""},
		{"cmap", `[{"poolClearedEvent": {"hasServiceId": false}}]`, false, ""},
		{"cmap", `[{"poolClearedEvent": {"hasServiceId": true}}]`, false, "hasServiceId"},
		{"sdam", `[]`, false, ""},
		{"command", `[` + started + `]`, false, "saw 2 command events"},
		{"command", `[` + started + `]`, true, ""},
		{"command", `[` + failed + `]`, true, "expected a commandFailedEvent"},
		{"command", `[` + started + `,` + failed + `,` + failed + `]`, false, "there is none"},
	} {
		want := ExpectedEvents{Client: "client0", Kind: test.kind, IgnoreExtra: test.ignoreExtra}
		for _, e := range fromJSON(t, test.events).(bson.A) {
			want.Events = append(want.Events, e.(bson.D))
		}
		err := testMatcher().matchEvents(&want, seen)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s %s: got %v, want %q", test.kind, test.events, err, test.want)
		}
	}
}

func TestWithOptions(t *testing.T) {
	for _, test := range []struct{ uri, options, want string }{
		{"mongodb://a,b", `{}`, "mongodb://a,b/?"},
		{"mongodb://a/?replicaSet=rs&w=2", `{"W": 1}`, "mongodb://a/?W=1&replicaSet=rs"},
		{"mongodb://a/", `{"readPreferenceTags": ["x:1", "y:2"]}`, "mongodb://a/?readPreferenceTags=x%3A1&readPreferenceTags=y%3A2"},
		{"mongodb://u:p@a,b/db?replicaSet=rs", `{"directConnection": true}`, "mongodb://u:p@a/db?directConnection=true"},
		{"mongodb://a/", `{"authMechanismProperties": {"A": 1, "B": "x y"}}`, "mongodb://a/?authMechanismProperties=A%3A1%2CB%3Ax+y"},
	} {
		got, err := withOptions(test.uri, fromJSON(t, test.options).(bson.D))
		if err != nil || got != test.want {
			t.Errorf("%s with %s: %s (%v), want %s", test.uri, test.options, got, err, test.want)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"4.0.10", "4.0.9", 1}, {"3.6", "4.2.0", -1}, {"4.9.0-alpha4-271-g7d5cf02", "4.9", 0}, {"5", "5.0.0", 0}} {
		a, err := ParseVersion(test.a)
		b, err2 := ParseVersion(test.b)
		if err != nil || err2 != nil || a.Compare(b) != test.want {
			t.Errorf("%s to %s: %d (%v, %v), want %d", test.a, test.b, a.Compare(b), err, err2, test.want)
		}
	}
	for _, bad := range []string{"", "1.2.3.4", "x", "1.-2"} {
		if _, err := ParseVersion(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// FuzzParse checks that nothing in a file makes the parser fall over.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"description": "", "schemaVersion": "1.0", "tests": [{"description": "", "operations": []}]}`))
	f.Add([]byte(`{"schemaVersion": "1.28", "createEntities": [{"client": {"id": "c", "uriOptions": {"a": {"$$placeholder": 1}}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		for _, test := range file.Tests {
			incapable(file, test)
		}
	})
}
