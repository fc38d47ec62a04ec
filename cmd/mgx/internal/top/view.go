// Package top shows what a deployment, or a program that uses it, is doing: in a
// terminal, again and again.
package top

import (
	"context"
	"time"

	"github.com/mgxdb/mgx/mgxdebug"
)

// Source is what there is to look at.
type Source interface {
	// Look returns how it is now.
	Look(ctx context.Context) (*View, error)
	// Close lets go of it.
	Close() error
}

// View is how a source is at a moment. All texts in it are others': they are shown with
// what would act on a terminal escaped.
type View struct {
	Title    string
	Now      time.Time
	Facts    []string // one after the other in one line
	Rate     float64  // operations a second
	Rates    []float64
	Servers  []mgxdebug.Server
	Counters []Counter
	Running  []Operation
	Kinds    []mgxdebug.Kind
	Slow     []mgxdebug.Command
	Errors   []mgxdebug.Failure
	Notes    []string // what could not be seen, and why
}

// Counter is how often something of a kind happens on the server.
type Counter struct {
	Name      string
	PerSecond float64
	Mean      time.Duration // 0: not known
}

// Operation is one in progress.
type Operation struct {
	mgxdebug.Operation
	Client string // who asked for it
}
