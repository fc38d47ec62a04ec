package bson_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// Struct decoders learn what documents look like. Whatever they have learned, the result must be what it is without.

type learnInner struct {
	X    int32  `bson:"x"`
	Long string `bson:"a_key_that_is_longer_than_thirty_two_bytes"`
}

type learner struct {
	A     string       `bson:"a"`
	Seven string       `bson:"seven77"`
	Eight string       `bson:"eight888"`
	Some  int64        `bson:"some_key_of_16_b"`
	More  float64      `bson:"some_key_of_more_than_16"`
	Flag  bool         `bson:"flag"`
	Empty string       `bson:""`
	Inner learnInner   `bson:"inner"`
	Ptr   *learnInner  `bson:"ptr"`
	List  []learnInner `bson:"list"`
	Any   any          `bson:"any"`
}

// keysOfLearner are keys that it has a field for, some of them in upper case, and keys that differ a little from them.
var keysOfLearner = []string{
	"a", "seven77", "eight888", "some_key_of_16_b", "some_key_of_more_than_16", "flag", "", "inner", "ptr", "list", "any",
	"A", "FLAG", "Eight888", "b", "seven78", "eight889", "some_key_of_16_c", "xome_key_of_16_b", "some_key_of_mora_than_16",
	"some_key_of_more_than_17", "fla", "flagg", "x", strings.Repeat("k", 63), strings.Repeat("k", 70),
}

func randomLearnerValue(r *rand.Rand, key string, depth int) any {
	inner := func() official.D {
		d := official.D{}
		for _, k := range []string{"x", "a_key_that_is_longer_than_thirty_two_bytes", "a_key_that_is_longer_than_thirty-two_bytes", "y"} {
			switch {
			case r.IntN(3) == 0:
			case k == "x":
				d = append(d, official.E{Key: k, Value: r.Int32()})
			default:
				d = append(d, official.E{Key: k, Value: fmt.Sprint(r.IntN(1000))})
			}
		}
		r.Shuffle(len(d), func(i, j int) { d[i], d[j] = d[j], d[i] })
		return d
	}
	if r.IntN(12) == 0 {
		return nil
	}
	switch strings.ToLower(key) {
	case "some_key_of_16_b":
		return r.Int64()
	case "some_key_of_more_than_16":
		return r.Float64()
	case "flag":
		return r.IntN(2) == 0
	case "inner", "ptr":
		return inner()
	case "list":
		return official.A{inner(), inner(), inner()}
	case "a", "seven77", "eight888", "":
		return strings.Repeat("é", r.IntN(4)) + "text"
	}
	if depth > 2 || r.IntN(2) == 0 {
		return []any{int32(1), true, "s", 1.5, official.Regex{Pattern: "p", Options: "i"}, official.ObjectID{1}, official.Binary{Data: []byte{1}}}[r.IntN(7)]
	}
	return official.D{{Key: key, Value: randomLearnerValue(r, key, depth+1)}}
}

// randomLearnerDocument returns the keys in one of a few orders, with some missing and some twice.
func randomLearnerDocument(r *rand.Rand) official.D {
	order := rand.New(rand.NewPCG(uint64(r.IntN(3)), 1)).Perm(len(keysOfLearner))
	d := official.D{}
	gaps := r.IntN(6)
	for _, i := range order {
		if r.IntN(10) < gaps {
			continue
		}
		key := keysOfLearner[i]
		d = append(d, official.E{Key: key, Value: randomLearnerValue(r, key, 0)})
		if r.IntN(20) == 0 {
			d = append(d, official.E{Key: key, Value: randomLearnerValue(r, key, 0)})
		}
	}
	return d
}

func TestLearnedLayouts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 4000 {
		data, err := official.Marshal(randomLearnerDocument(r))
		if err != nil {
			t.Fatal(err)
		}
		var got, want learner
		gotErr, wantErr := bson.Unmarshal(data, &got), official.Unmarshal(data, &want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("document %d, %v: %v, official %v", i, official.Raw(data), gotErr, wantErr)
		}
		if gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("document %d, %v:\n%+v, official\n%+v", i, official.Raw(data), got, want)
		}
		// Whatever follows a cut is an error, wherever in the layout it is.
		cut := data[:5+r.IntN(len(data)-4)-1]
		if len(cut) > 4 && len(cut) < len(data) {
			damaged := append([]byte(nil), cut...)
			damaged[0], damaged[1], damaged[2], damaged[3] = byte(len(cut)), byte(len(cut)>>8), 0, 0
			_ = bson.Unmarshal(damaged, new(learner)) // must not panic
		}
	}
}

// TestLearnedByMany lets goroutines teach one decoder different layouts.
func TestLearnedByMany(t *testing.T) {
	type taught struct {
		A, B, C int32
		D       string
		E       *taught
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 3))
			for i := range 500 {
				d := bson.D{{Key: "a", Value: int32(1)}, {Key: "x", Value: "no field"}, {Key: "b", Value: int32(2)}, {Key: "c", Value: int32(i)},
					{Key: "d", Value: "text"}, {Key: "e", Value: bson.D{{Key: "c", Value: int32(i)}}}}
				r.Shuffle(len(d), func(i, j int) { d[i], d[j] = d[j], d[i] })
				data, err := bson.Marshal(d)
				if err != nil {
					t.Error(err)
					return
				}
				var got taught
				if err := bson.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got, taught{1, 2, int32(i), "text", &taught{C: int32(i)}}) {
					t.Errorf("%v became %+v, %v", d, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestPointersOfOneDocument sees that structs behind pointers, which share allocations, are different ones.
func TestPointersOfOneDocument(t *testing.T) {
	type tree struct {
		Left, Right *tree
		Name        string
	}
	var grow func(depth int, name string) *tree
	grow = func(depth int, name string) *tree {
		if depth == 0 {
			return nil
		}
		return &tree{grow(depth-1, name+"l"), grow(depth-1, name+"r"), name}
	}
	want := grow(8, "t")
	data, err := bson.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range []bson.DecodeOptions{{}, {CopyStrings: true}, {ShareInput: true}} {
		var got tree
		if err := options.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&got, want) {
			t.Errorf("%+v: another tree", options)
		}
		seen := map[*tree]bool{}
		var walk func(n *tree)
		walk = func(n *tree) {
			if n == nil {
				return
			}
			if seen[n] {
				t.Fatalf("%+v: %s is there twice", options, n.Name)
			}
			seen[n] = true
			walk(n.Left)
			walk(n.Right)
		}
		walk(&got)
	}
}
