package bson_test

import (
	"fmt"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

type (
	order struct {
		ID       bson.ObjectID `bson:"_id"`
		Customer string        `bson:"customer"`
		Items    []orderItem   `bson:"items"`
		Paid     bool          `bson:"paid"`
		Total    float64       `bson:"total"`
		Note     *string       `bson:"note,omitempty"`
		Address  struct {
			Street string `bson:"street"`
			City   string `bson:"city"`
		} `bson:"address"`
		Created bson.DateTime `bson:"created"`
	}
	orderItem struct {
		Name string `bson:"name"`
		Qty  int    `bson:"qty"`
	}
	orderThree struct {
		Customer string  `bson:"customer"`
		Total    float64 `bson:"total"`
		Address  struct {
			City string `bson:"city"`
		} `bson:"address"`
	}
)

func someOrder() *order {
	note := "leave it with the neighbours"
	o := &order{ID: bson.ObjectID{1, 2, 3}, Customer: "Ada Lovelace", Paid: true, Total: 42.5, Note: &note, Created: 1700000000000}
	for i := range 10 {
		o.Items = append(o.Items, orderItem{fmt.Sprintf("item number %d", i), i})
	}
	o.Address.Street, o.Address.City = "12 St James's Square", "London"
	return o
}

// TestAllocations keeps the number of allocations of common cases where it is:
// a count, unlike a time, is the same on every machine. It also sees that the
// official package needs more of them, or the comparison says nothing.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget on purpose under the race detector, so allocations differ")
	}
	o := someOrder()
	data, err := bson.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var d any = decoded[bson.D](t, data)
	var m any = decoded[bson.M](t, data)
	var raw any = bson.Raw(data)
	buf := make([]byte, 0, 2*len(data))
	encode := func(marshal func(any) ([]byte, error), v any) func() {
		return func() {
			if _, err := marshal(v); err != nil {
				t.Error(err)
			}
		}
	}
	into := func(v any) ([]byte, error) { return bson.AppendMarshal(buf, v) }
	for _, c := range []struct {
		name     string
		most     float64
		mgx      func()
		official func() // nil where there is nothing like it
	}{
		{"encode a struct", 1, encode(bson.Marshal, o), nil},
		{"encode D", 1, encode(bson.Marshal, d), nil},
		{"encode M", 1, encode(bson.Marshal, m), encode(official.Marshal, m)},
		{"encode Raw", 1, encode(bson.Marshal, raw), encode(official.Marshal, raw)},
		{"append a struct", 0, encode(into, o), encode(official.Marshal, o)},
		{"append D", 0, encode(into, d), encode(official.Marshal, d)},
		{"append M", 0, encode(into, m), encode(official.Marshal, m)},
		{"validate", 0, func() { _ = bson.Validate(data) }, nil},
		{"decode a struct", 4, decodeNew[order](t, bson.Unmarshal, data), decodeNew[order](t, official.Unmarshal, data)},
		{"decode three fields", 3, decodeNew[orderThree](t, bson.Unmarshal, data), decodeNew[orderThree](t, official.Unmarshal, data)},
		{"decode D", 8, decodeNew[bson.D](t, bson.Unmarshal, data), decodeNew[bson.D](t, official.Unmarshal, data)},
		{"decode M", 12, decodeNew[bson.M](t, bson.Unmarshal, data), decodeNew[bson.M](t, official.Unmarshal, data)},
		{"decode Raw", 2, decodeNew[bson.Raw](t, bson.Unmarshal, data), decodeNew[bson.Raw](t, official.Unmarshal, data)},
	} {
		got := testing.AllocsPerRun(200, c.mgx)
		if got > c.most {
			t.Errorf("%s: %g allocations, want at most %g", c.name, got, c.most)
		}
		if c.official == nil {
			t.Logf("%-20s %3g", c.name, got)
			continue
		}
		theirs := testing.AllocsPerRun(200, c.official)
		t.Logf("%-20s %3g, official %3g", c.name, got, theirs)
		if got >= theirs {
			t.Errorf("%s: %g allocations, official %g", c.name, got, theirs)
		}
	}
}

func decoded[T any](t *testing.T, data []byte) T {
	t.Helper()
	var v T
	if err := bson.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func decodeNew[T any](t *testing.T, unmarshal func([]byte, any) error, data []byte) func() {
	return func() {
		if err := unmarshal(data, new(T)); err != nil {
			t.Error(err)
		}
	}
}
