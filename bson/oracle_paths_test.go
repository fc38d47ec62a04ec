package bson_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// TestOracleErrorPaths sees that where the official package says which key is to
// blame, mgx names it too.
func TestOracleErrorPaths(t *testing.T) {
	named := 0
	rounds(t, 3000, func(seed uint64) {
		c := seeded(seed)
		data := c.document(nil, 3)
		if holds(data, isNoInt64) {
			return // mgx finds fault with it earlier
		}
		for _, target := range []func() any{
			func() any { return new(zMeet) }, func() any { return new(zMeet2) }, func() any { return new(map[string]string) },
			func() any { return new(map[string][]int8) }, func() any { return new(map[string]zMeet2) },
			func() any { return new(struct{ A, B, C, D []zMeet }) },
		} {
			mgxErr, officialErr := mgx.decode(data, target()), oracle.decode(data, target())
			var theirs *official.DecodeError
			if !errors.As(officialErr, &theirs) || mgxErr == nil {
				continue
			}
			named++
			var ours *bson.DecodeError
			if !errors.As(mgxErr, &ours) {
				t.Fatalf("%T: no path in %v, official: %v", target(), mgxErr, officialErr)
			}
			// Which of several errors comes first may differ along one path: that an
			// array is too long for its target, or what its elements are.
			got, want := ours.Keys(), theirs.Keys()
			if n := min(len(got), len(want)); n == 0 || !slices.Equal(got[:n], want[:n]) {
				t.Fatalf("%T: path %q, official %q\n%v\n%v", target(), got, want, mgxErr, officialErr)
			}
			if !strings.Contains(mgxErr.Error(), strings.Join(ours.Keys(), ".")) {
				t.Fatalf("the error does not name %q: %v", ours.Keys(), mgxErr)
			}
		}
	})
	if *oracleSeed < 0 && named < 1000 {
		t.Errorf("only %d errors had a path", named)
	}
}
