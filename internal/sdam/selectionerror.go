package sdam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mgxdb/mgx/internal/fault"
)

// SelectionError says that no server suited an operation in time. Its text has
// one line for each server, with what is known of it.
type SelectionError struct {
	// Topology is the deployment as it was in the end.
	Topology *Topology
	// Wanted is what the operation asked for.
	Wanted string
	// Waited is how long the selection lasted.
	Waited time.Duration
	// Cause is why it ended: the context's error, a timeout, or what makes
	// waiting useless.
	Cause error
	// Outage reports that the deployment was there before, and that the selection
	// may succeed when it is whole again.
	Outage bool
}

// Error implements error.
func (e *SelectionError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no server for %s", e.Wanted)
	if e.Waited > 0 {
		fmt.Fprintf(&b, " after %v", e.Waited.Round(time.Millisecond))
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %s", oneLine(e.Cause))
	}
	t := e.Topology
	if t == nil {
		return b.String()
	}
	fmt.Fprintf(&b, "; topology %v", t.Kind)
	if t.SetName != "" {
		fmt.Fprintf(&b, " %q", t.SetName)
	}
	if len(t.Servers) == 0 {
		b.WriteString(" has no servers")
	}
	for _, s := range t.Servers {
		b.WriteString("\n  " + s.Address + ": " + s.status())
	}
	for _, r := range t.Removed {
		b.WriteString("\n  " + r.Address + ": left out: " + r.Reason)
	}
	return b.String()
}

// Categories implements fault.Categorized. Of the cause no more counts than that the
// credentials were refused, or that the caller's time was up.
func (e *SelectionError) Categories() []error {
	categories := []error{fault.ErrServerSelection, fault.ErrConnectionFailure}
	switch {
	case errors.Is(e.Cause, context.Canceled):
		categories = categories[:1] // it was not the server's fault
	case errors.As(e.Cause, new(*PreferenceError)):
		categories = []error{fault.ErrServerSelection, fault.ErrConfiguration}
	case e.Outage:
		categories = append(categories, fault.ErrAutoReconnect)
	}
	if slices.Contains(fault.Categories(e.Cause), fault.ErrAuthentication) {
		categories = append(categories, fault.ErrAuthentication)
	}
	return fault.Timeouts(e.Cause, categories...)
}

// Unwrap returns the cause.
func (e *SelectionError) Unwrap() error { return e.Cause }

// PreferenceError is a read preference that cannot be, or that the deployment does
// not take.
type PreferenceError struct{ Err error }

func (e *PreferenceError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with it.
func (e *PreferenceError) Unwrap() error { return e.Err }

// Categories implements fault.Categorized.
func (e *PreferenceError) Categories() []error { return []error{fault.ErrConfiguration} }

// Hindered reports whether the selection may succeed once t is whole again: a server
// is out of reach or not yet ready, or there is no primary, which is wanted. If not,
// none of the servers is what the read preference asks for.
func (q *Selection) Hindered(t *Topology) bool {
	for _, s := range t.Servers {
		if !s.DataBearing() && s.Kind != RSArbiter {
			return true
		}
	}
	return len(t.Servers) == 0 || t.Kind == ReplicaSetNoPrimary && q.mode(t) == Primary
}

// status describes the server in a few words.
func (s *Server) status() string {
	switch {
	case s.Err != nil:
		return fmt.Sprintf("%v: %s", s.Kind, oneLine(s.Err))
	case s.Kind == Unknown:
		return "Unknown: no answer to the first check yet"
	case len(s.Tags) > 0:
		return fmt.Sprintf("%v, tags %v", s.Kind, s.Tags)
	default:
		return s.Kind.String()
	}
}

// String says what is asked for, for logs and errors.
func (q *Selection) String() string {
	var b strings.Builder
	if q.Write {
		b.WriteString("a write")
	} else {
		b.WriteString("a read with preference " + q.ReadPreference.String())
	}
	if q.Custom != nil {
		b.WriteString(" and a custom selector")
	}
	return b.String()
}
