package fault

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

func TestCategories(t *testing.T) {
	lost := New("lost", ErrConnectionFailure, ErrAutoReconnect)
	silent := New("silent")
	for name, c := range map[string]struct {
		err  error
		want []error
	}{
		"nil":              {nil, nil},
		"plain":            {errors.New("x"), nil},
		"its own":          {lost, []error{ErrConnectionFailure, ErrAutoReconnect}},
		"wrapped":          {fmt.Errorf("x: %w", lost), []error{ErrConnectionFailure, ErrAutoReconnect}},
		"joined":           {errors.Join(errors.New("x"), lost), []error{ErrConnectionFailure, ErrAutoReconnect}},
		"the outer counts": {&outer{New("closed", ErrClosed), lost}, []error{ErrClosed}},
		"even with none":   {&outer{silent, lost}, nil},
		"a deadline":       {fmt.Errorf("x: %w", context.DeadlineExceeded), []error{ErrTimeout}},
		"a cancellation":   {context.Canceled, nil},
	} {
		if got := Categories(c.err); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := Timeouts(context.DeadlineExceeded, ErrTimeout); len(got) != 1 {
		t.Errorf("twice a timeout: %v", got)
	}
}

// outer knows its categories, and wraps another that knows its own.
type outer struct {
	error
	inner error
}

func (e *outer) Categories() []error { return e.error.(Categorized).Categories() }
func (e *outer) Unwrap() error       { return e.inner }
