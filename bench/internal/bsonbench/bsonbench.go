// Package bsonbench measures mgx's BSON codec beside the official package's, on
// the documents of the standard driver benchmarks.
package bsonbench

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bench/internal/benchdata"
	"github.com/mgxdb/mgx/bench/internal/measure"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// The names of what is compared.
const (
	MGX      = "mgx"
	Official = "official"
)

// Case is one thing that both codecs do with one document.
type Case struct {
	Name     string // like "decode/tweet/D"
	Size     int    // bytes of BSON read or written
	Subjects []measure.Subject
}

// Result is what the case cost.
type Result struct {
	Case
	Results []measure.Result
}

// Cases returns all cases whose names match, nil being everything. Each has been
// run once, and both codecs came to the same result.
func Cases(dir string, match *regexp.Regexp) ([]Case, error) {
	docs, err := benchdata.Load(dir)
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, direction := range []func(form, official.Raw) (Case, error){encodeCase, decodeCase} {
		for _, d := range benchdata.Documents {
			for _, f := range forms {
				c, err := named(direction, f, d.Name, docs[d.Name], match)
				if err != nil {
					return nil, fmt.Errorf("%s as %s: %w", d.Name, f.name, err)
				}
				if c.Subjects != nil {
					cases = append(cases, c)
				}
			}
		}
	}
	return cases, nil
}

func named(direction func(form, official.Raw) (Case, error), f form, doc string, data official.Raw, match *regexp.Regexp) (Case, error) {
	f.doc = doc
	name := "decode/"
	if reflect.ValueOf(direction).Pointer() == reflect.ValueOf(encodeCase).Pointer() {
		name = "encode/"
	}
	name += doc + "/" + f.name
	if match != nil && !match.MatchString(name) {
		return Case{}, nil
	}
	c, err := direction(f, data)
	c.Name = name
	return c, err
}

// form is what a document is decoded into and encoded from.
type form struct {
	name   string
	doc    string
	target func(doc string, data official.Raw) (reflect.Type, error)
}

func fixed[T any](string, official.Raw) (reflect.Type, error) { return reflect.TypeFor[T](), nil }

var forms = []form{
	{name: "D", target: fixed[official.D]},
	{name: "M", target: fixed[official.M]},
	{name: "struct", target: matching},
	{name: "three", target: three},
	{name: "Raw", target: fixed[official.Raw]},
}

func matching(doc string, data official.Raw) (reflect.Type, error) {
	switch doc {
	case "tweet":
		return reflect.TypeFor[Tweet](), nil
	case "deep":
		return reflect.TypeFor[Deep](), nil
	}
	return structOf(data)
}

func three(doc string, data official.Raw) (reflect.Type, error) {
	switch doc {
	case "tweet":
		return reflect.TypeFor[ThreeOfTweet](), nil
	case "deep":
		return reflect.TypeFor[ThreeOfDeep](), nil
	}
	return threeOf(data)
}

var errDiffer = errors.New("the codecs disagree")

func encodeCase(f form, data official.Raw) (Case, error) {
	typ, err := f.target(f.doc, data)
	if err != nil {
		return Case{}, err
	}
	p := reflect.New(typ)
	if err := official.Unmarshal(data, p.Interface()); err != nil {
		return Case{}, err
	}
	v := p.Interface()
	if typ.Kind() != reflect.Struct { // as a program has them at hand
		v = p.Elem().Interface()
	}
	want, err := official.Marshal(v)
	if err != nil {
		return Case{}, err
	}
	got, err := bson.Marshal(v)
	if err != nil {
		return Case{}, err
	}
	if len(got) != len(want) || typ != reflect.TypeFor[official.M]() && !bytes.Equal(got, want) {
		return Case{}, fmt.Errorf("%w: %d and %d bytes", errDiffer, len(got), len(want))
	}
	return Case{Size: len(want), Subjects: []measure.Subject{
		{Name: MGX, Run: func(n int) error {
			for range n {
				if _, err := bson.Marshal(v); err != nil {
					return err
				}
			}
			return nil
		}},
		{Name: Official, Run: func(n int) error {
			for range n {
				if _, err := official.Marshal(v); err != nil {
					return err
				}
			}
			return nil
		}},
	}}, nil
}

func decodeCase(f form, data official.Raw) (Case, error) {
	if f.name == "Raw" {
		return rawCase(data)
	}
	typ, err := f.target(f.doc, data)
	if err != nil {
		return Case{}, err
	}
	got, want := reflect.New(typ), reflect.New(typ)
	if err := errors.Join(bson.Unmarshal(data, got.Interface()), official.Unmarshal(data, want.Interface())); err != nil {
		return Case{}, err
	}
	if !reflect.DeepEqual(got.Interface(), want.Interface()) {
		return Case{}, errDiffer
	}
	return Case{Size: len(data), Subjects: []measure.Subject{
		{Name: MGX, Run: decoder(typ, func(v any) error { return bson.Unmarshal(data, v) })},
		{Name: Official, Run: decoder(typ, func(v any) error { return official.Unmarshal(data, v) })},
	}}, nil
}

// decoder decodes into a new variable each time, as a program does.
func decoder(typ reflect.Type, unmarshal func(v any) error) func(n int) error {
	return func(n int) error {
		for range n {
			if err := unmarshal(reflect.New(typ).Interface()); err != nil {
				return err
			}
		}
		return nil
	}
}

// rawCase decodes into Raw and looks up the last element.
func rawCase(data official.Raw) (Case, error) {
	elements, err := data.Elements()
	if err != nil {
		return Case{}, err
	}
	key := elements[len(elements)-1].Key()
	got, ok := bsonwire.Lookup(data, key)
	if want, err := data.LookupErr(key); err != nil || !ok || got.Type != want.Type || !bytes.Equal(got.Data, want.Value) {
		return Case{}, errDiffer
	}
	return Case{Size: len(data), Subjects: []measure.Subject{
		{Name: MGX, Run: func(n int) error {
			for range n {
				var raw bson.Raw
				if err := bson.Unmarshal(data, &raw); err != nil {
					return err
				}
				if _, ok := bsonwire.Lookup(raw, key); !ok {
					return errDiffer
				}
			}
			return nil
		}},
		{Name: Official, Run: func(n int) error {
			for range n {
				var raw official.Raw
				if err := official.Unmarshal(data, &raw); err != nil {
					return err
				}
				if _, err := raw.LookupErr(key); err != nil {
					return err
				}
			}
			return nil
		}},
	}}, nil
}

// Settings make the ratios of a busy machine settle: rounds so short that both
// codecs see the same of what else it does, and many of them.
var Settings = measure.Settings{Rounds: 201, Time: 500 * time.Microsecond, CollectEvery: 10, Limit: time.Second}

// Run measures the cases, and hands each result over as soon as it is there.
func Run(settings measure.Settings, cases []Case, done func(Result) error) error {
	for _, c := range cases {
		results, err := measure.Compare(settings, c.Subjects...)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		if err := done(Result{c, results}); err != nil {
			return err
		}
	}
	return nil
}
