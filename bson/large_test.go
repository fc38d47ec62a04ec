package bson_test

import (
	"bytes"
	"strings"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// TestMarshalSizes marshals documents of sizes around those at which Marshal changes how it gets its memory.
func TestMarshalSizes(t *testing.T) {
	for _, size := range []int{0, 1, 900, 1020, 1100, 40 << 10, 64<<10 - 40, 64 << 10, 65 << 10, 1 << 20, 100 << 10, 3 << 20, 70 << 10, 10} {
		d := bson.D{{Key: "a", Value: strings.Repeat("x", size/2)}, {Key: "b", Value: bson.A{strings.Repeat("y", size-size/2), int32(1)}}}
		want, err := official.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := bson.Marshal(d)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("size %d: other bytes, %v", size, err)
		}
		if cap(got) > len(got)+len(got)/4+64 {
			t.Errorf("size %d: %d bytes in memory for %d", size, len(got), cap(got))
		}
		// What Marshal returned is the caller's: neither may see what the other does.
		clear(got)
		again, err := bson.Marshal(d)
		if err != nil || !bytes.Equal(again, want) {
			t.Fatalf("size %d: other bytes the second time, %v", size, err)
		}
		if got, err := bson.AppendMarshal(nil, d); err != nil || !bytes.Equal(got, want) {
			t.Errorf("size %d: appended to nil, other bytes, %v", size, err)
		}
		if !bytes.Equal(again, want) {
			t.Fatalf("size %d: the document changed afterwards", size)
		}
	}
}

// TestMarshalLargeAllocations sees that documents of one size are encoded where they stay.
func TestMarshalLargeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget on purpose under the race detector, so allocations differ")
	}
	d := make(bson.D, 2000)
	for i := range d {
		d[i] = bson.E{Key: "key", Value: strings.Repeat("z", 1000)}
	}
	var boxed any = d
	if n := testing.AllocsPerRun(20, func() {
		if doc, err := bson.Marshal(boxed); err != nil || len(doc) < 2000*1000 {
			t.Error(len(doc), err)
		}
	}); n > 3 { // 1, and what a pool that the garbage collector has emptied costs
		t.Errorf("%g allocations", n)
	}
}

func TestAppendMarshalToNilFails(t *testing.T) {
	if dst, err := bson.AppendMarshal(nil, bson.D{{Key: "a\x00", Value: 1}}); err == nil || dst != nil {
		t.Errorf("%v, %v", dst, err)
	}
}
