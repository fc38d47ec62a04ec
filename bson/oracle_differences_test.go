package bson_test

import "testing"

// difference is a case that mgx treats otherwise than the official package, on
// purpose. This table is the only place that makes one; docs/bson.md tells users.
type difference struct {
	name   string
	reason string
	// decode reports whether this difference explains that one codec returned
	// an error and the other did not.
	decode func(data []byte, target any, mgxErr, officialErr error) bool
	// pinned shows the difference.
	pinned func(t *testing.T)
}

var differences = []difference{
	{
		name:   "malformed documents are refused",
		reason: "The official package reads over wrong lengths, bad terminators and bytes that are not UTF-8 in many places.",
		decode: func(data []byte, _ any, mgxErr, officialErr error) bool {
			return mgxErr != nil && officialErr == nil && wellFormed(data) != nil
		},
	},
}

func allowedDecode(data []byte, target any, mgxErr, officialErr error) string {
	if (mgxErr == nil) == (officialErr == nil) {
		return ""
	}
	for _, d := range differences {
		if d.decode != nil && d.decode(data, target, mgxErr, officialErr) {
			return d.name
		}
	}
	return ""
}

func TestDifferences(t *testing.T) {
	for _, d := range differences {
		if d.name == "" || d.reason == "" {
			t.Errorf("a difference without a name or reason: %+v", d)
		}
		if d.pinned != nil {
			t.Run(d.name, d.pinned)
		}
	}
}
