package bson_test

import (
	"reflect"
	"sync"
	"testing"
)

// TestOracleConcurrent lets many goroutines meet types that nobody has seen
// before, so that their plans are compiled at the same time.
func TestOracleConcurrent(t *testing.T) {
	rounds(t, 60, func(seed uint64) {
		c := seeded(seed)
		typ, other := c.structType(3), c.structType(3)
		// A name that no other test has makes the types new.
		fresh := func(t reflect.Type) reflect.Type {
			return reflect.StructOf([]reflect.StructField{{Name: "Concurrent", Type: t}, {Name: "More", Type: reflect.PointerTo(t)}})
		}
		typ, other = fresh(typ), fresh(other)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if err := compareValues(mgx, oracle, seeded(seed), typ, other); err != nil {
					t.Errorf("%v\ntype  %v\nother %v", err, typ, other)
				}
			})
		}
		wg.Wait()
	})
}
