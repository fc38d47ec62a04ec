package mgx

import (
	"log/slog"
	"runtime/debug"
	"slices"
)

// together makes one handler of several; nil of none. One that panics keeps no other
// from the event.
func together[E any](handlers []func(E)) func(E) {
	handlers = slices.DeleteFunc(slices.Clone(handlers), func(h func(E)) bool { return h == nil })
	switch len(handlers) {
	case 0:
		return nil
	case 1:
		return handlers[0] // its caller is prepared for a panic
	}
	tell := func(handle func(E), e E) {
		defer func() {
			if v := recover(); v != nil {
				slog.Error("mgx: a handler of events panicked", "panic", v, "stack", string(debug.Stack()))
			}
		}()
		handle(e)
	}
	return func(e E) {
		for _, handle := range handlers {
			tell(handle, e)
		}
	}
}
