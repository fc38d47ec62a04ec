package mgx

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
)

type withID struct {
	ID   int `bson:"_id"`
	Name string
}

type withoutID struct{ Name string }

// encodesItself has an _id that its fields do not show.
type encodesItself struct{}

func (encodesItself) MarshalBSON() ([]byte, error) {
	return bson.Marshal(bson.D{{"a", 1}, {"_id", 5}})
}

func TestAppendInsert(t *testing.T) {
	d, m := bson.D{{"a", 1}}, bson.M{"a": 1}
	var nilMap bson.M
	for name, c := range map[string]struct {
		doc any
		id  any // nil: a new one
	}{
		"D":                      {d, nil},
		"pointer to D":           {&d, nil},
		"empty D":                {bson.D{}, nil},
		"D with an _id":          {bson.D{{"a", 1}, {"_id", "x"}}, "x"},
		"D with a null _id":      {bson.D{{"_id", nil}}, nil},
		"M":                      {m, nil},
		"pointer to M":           {&m, nil},
		"nil M":                  {nilMap, nil},
		"M with an _id":          {bson.M{"_id": int32(3)}, int32(3)},
		"map":                    {map[string]any{"a": "b"}, nil},
		"map with an _id":        {map[string]any{"_id": "y"}, "y"},
		"map of strings":         {map[string]string{"a": "b"}, nil},
		"struct":                 {withoutID{"tea"}, nil},
		"struct with an _id":     {&withID{4, "tea"}, int32(4)},
		"Raw with an _id":        {bson.Raw(mustMarshal(t, bson.D{{"a", 1}, {"_id", "z"}})), "z"},
		"Marshaler with an _id":  {encodesItself{}, int32(5)},
		"D with another ID":      {bson.D{{"id", 1}, {"_ids", 2}}, nil},
		"_id in a nested D only": {bson.D{{"a", bson.D{{"_id", 1}}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			want := mustMarshal(t, c.doc)
			ids := newIDs{total: 3}
			var id any
			const before = "before"
			out, err := appendInsert([]byte(before), c.doc, &id, &ids)
			if err != nil {
				t.Fatal(err)
			}
			got := bson.Raw(out[len(before):])
			if string(out[:len(before)]) != before || bson.Validate(got) != nil {
				t.Fatalf("%q", out)
			}
			if _, null := c.doc.(bson.D); c.id != nil || null && name == "D with a null _id" {
				if id != c.id || !bytes.Equal(got, want) {
					t.Errorf("the _id is %v and the document %v, want %v in %v", id, got, c.id, bson.Raw(want))
				}
				return
			}
			oid, ok := id.(bson.ObjectID)
			first, _ := got.IndexErr(0)
			if !ok || first.Key() != "_id" || first.Value().ObjectID() != oid {
				t.Fatalf("the _id is %v in %v", id, got)
			}
			if !bytes.Equal(got[4+idElement:], want[4:]) {
				t.Errorf("%v became %v", bson.Raw(want), got)
			}
			again, err := appendInsert(nil, c.doc, &id, &ids)
			if err != nil || id != any(oid) || !bytes.Equal(again, got) {
				t.Errorf("a retry inserts %v, %v, instead of %v", bson.Raw(again), err, got)
			}
		})
	}
}

func TestAppendInsertErrors(t *testing.T) {
	for _, doc := range []any{nil, bson.D(nil), (*bson.D)(nil), (*bson.M)(nil), bson.D{{"a", make(chan int)}}, 1, bson.A{}} {
		var id any
		out, err := appendInsert([]byte("before"), doc, &id, &newIDs{total: 2})
		if err == nil || string(out) != "before" || id != nil {
			t.Errorf("%T: %q, %v, %v", doc, out, id, err)
		}
	}
}

func TestNewIDsDiffer(t *testing.T) {
	const n = 3*idChunk + 5
	for name, ids := range map[string]*newIDs{"exact": {total: n}, "more than planned": {total: 2}, "single": nil} {
		seen := map[any]int{}
		var all []any
		for range n {
			id := ids.next()
			seen[id]++
			all = append(all, id)
		}
		for i, id := range all {
			if seen[id] != 1 || id == any(bson.ObjectID{}) {
				t.Fatalf("%s: number %d is %v, %d times", name, i, id, seen[id])
			}
		}
	}
}

func mustMarshal(t *testing.T, doc any) []byte {
	t.Helper()
	out, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An operation that takes its time goes on to other seconds: one has only so many
// ObjectIDs.
func TestNewIDsFollowTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := newIDs{total: 2 * idChunk}
		first := ids.next().(bson.ObjectID)
		time.Sleep(time.Minute)
		var last bson.ObjectID
		for range idChunk {
			last = ids.next().(bson.ObjectID)
		}
		if took := last.Timestamp().Sub(first.Timestamp()); took != time.Minute {
			t.Errorf("the clock went on by %v in a minute", took)
		}
	})
}
