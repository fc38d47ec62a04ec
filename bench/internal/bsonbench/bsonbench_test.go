package bsonbench

import (
	"reflect"
	"regexp"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bench/internal/benchdata"
	"github.com/mgxdb/mgx/bench/internal/measure"
)

// TestCases makes every case, which compares the results of both codecs, and
// measures one of them.
func TestCases(t *testing.T) {
	dir, err := benchdata.Dir()
	if err != nil {
		t.Skip(err)
	}
	cases, err := Cases(dir, regexp.MustCompile("/(flat|deep|full|tweet|small)/|large/three"))
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * (len(forms)*5 + 1); len(cases) != want {
		t.Errorf("%d cases, want %d", len(cases), want)
	}
	names := map[string]bool{}
	for _, c := range cases {
		if names[c.Name] || c.Size < 40 || len(c.Subjects) != 2 || c.Subjects[0].Name != MGX || c.Subjects[1].Name != Official {
			t.Errorf("case %+v", c)
		}
		names[c.Name] = true
		for _, s := range c.Subjects {
			if err := s.Run(1); err != nil {
				t.Errorf("%s: %s: %v", c.Name, s.Name, err)
			}
		}
	}

	few, err := Cases(dir, regexp.MustCompile("^decode/tweet/three$"))
	if err != nil || len(few) != 1 || few[0].Name != "decode/tweet/three" {
		t.Fatalf("%v, %v", few, err)
	}
	err = Run(measure.Quick, few, func(r Result) error {
		if len(r.Results) != 2 || r.Results[0].NsOp <= 0 || r.Results[1].AllocsOp < 1 {
			t.Errorf("%+v", r)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStructOf(t *testing.T) {
	data, err := bson.Marshal(bson.D{
		{Key: "_id", Value: bson.ObjectID{1}}, {Key: "a b", Value: bson.A{int32(1), int32(2)}}, {Key: "mixed", Value: bson.A{int32(1), "x"}},
		{Key: "none", Value: bson.A{}}, {Key: "null", Value: nil}, {Key: "sub", Value: bson.D{{Key: "x", Value: 1.5}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	typ, err := structOf(data)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for i := range typ.NumField() {
		types = append(types, typ.Field(i).Type.String())
	}
	want := []string{"bson.ObjectID", "[]int32", "[]interface {}", "[]interface {}", "*string", `struct { F0_x float64 "bson:\"x\"" }`}
	if !reflect.DeepEqual(types, want) {
		t.Errorf("types %q, want %q", types, want)
	}
	v := reflect.New(typ)
	if err := bson.Unmarshal(data, v.Interface()); err != nil {
		t.Fatal(err)
	}
	if back, err := bson.Marshal(v.Interface()); err != nil || string(back) != string(data) {
		t.Errorf("comes back as %v, %v", bson.Raw(back), err)
	}
	three, err := threeOf(data)
	if err != nil || three.NumField() != 3 || three.Field(1).Tag.Get("bson") != "none" {
		t.Errorf("three of it: %v, %v", three, err)
	}
	if _, err := threeOf([]byte{5, 0, 0, 0, 0}); err == nil {
		t.Error("three of nothing")
	}
}
