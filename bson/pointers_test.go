package bson_test

import (
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
)

// A pointer to an interface makes the document that the interface holds.
func TestPointerToInterface(t *testing.T) {
	want := mustMarshal(t, doc("x", int32(1)))
	for _, v := range []any{doc("x", int32(1)), bson.M{"x": int32(1)}, Inner{X: 1}, &Inner{X: 1}, bson.Raw(want)} {
		for _, p := range []any{&v, ptr(&v), ptr(any(&v))} {
			got, err := bson.Marshal(p)
			if err != nil || string(got) != string(want) {
				t.Errorf("%T holding %T: %x, %v", p, v, got, err)
			}
			code := doc("c", bson.CodeWithScope{Code: "f", Scope: p})
			if got, err := bson.Marshal(code); err != nil || bson.Validate(got) != nil {
				t.Errorf("%T holding %T as a scope: %x, %v", p, v, got, err)
			}
		}
	}
	var marshaler bson.Marshaler = docMethod{1}
	if got, err := bson.Marshal(&marshaler); err != nil || string(got) != string(mustMarshal(t, docMethod{1})) {
		t.Errorf("Marshaler: %x, %v", got, err)
	}
	var self any
	self = &self
	var p pointerToItself
	p = &p
	for _, v := range []any{nil, 1, "x", bson.A{}, (*int)(nil), (*Inner)(nil), bson.D(nil), (*docMethod)(nil), self, p} {
		if got, err := bson.Marshal(&v); err == nil {
			t.Errorf("any holding %T: %x", v, got)
		}
	}
	if got, err := bson.Marshal(p); err == nil {
		t.Errorf("pointer to itself: %x", got)
	}
}

type pointee struct{ X int }

type namedPointer *pointee

// Plans that are in use stay as they are when another type refers to theirs.
func TestPlansInUse(t *testing.T) {
	data := mustMarshal(t, doc("p", doc("x", int32(1))))
	stop, started := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			var v struct{ P *pointee }
			if err := bson.Unmarshal(data, &v); err != nil || v.P.X != 1 {
				t.Errorf("%v, %v", v, err)
			}
			if i == 0 {
				close(started)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	<-started
	var v struct{ P namedPointer }
	if err := bson.Unmarshal(data, &v); err != nil || v.P.X != 1 {
		t.Errorf("%v, %v", v, err)
	}
	close(stop)
	wg.Wait()
}
