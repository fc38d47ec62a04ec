// Package measure times functions beside each other in one run.
//
// What is compared is measured in rounds: in every round each subject runs for
// about the same time, and the one that went first goes last in the next, so
// that whatever the machine does meanwhile does it to all of them. Between the
// subjects the garbage of the one before is collected, after which each runs a
// little to fill its pools; or, with Settings.CollectEvery, only between some rounds.
// The figures of a subject are the medians of its rounds.
package measure

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// Subject is one of the things that are compared.
type Subject struct {
	Name string
	// Run does the work n times. It returns the first error.
	Run func(n int) error
}

// Settings say how long to measure. Rounds and Time must be positive.
type Settings struct {
	Rounds int           // of each subject
	Time   time.Duration // of one round of one subject, about
	// CollectEvery lets the garbage collector run after so many rounds, and only
	// then: rounds may be so short that collecting before each would take longer
	// than the round, and that a collection within one would be all that it
	// shows. What garbage costs is left out that way, and has to be read from the
	// allocations. If one operation lasts longer than a round, every round counts.
	// 0 collects before each subject, and leaves the collector on.
	CollectEvery int
	// Limit ends the rounds early, but not before Fewest of them, or fewestRounds if that
	// is 0. 0 means never.
	Limit  time.Duration
	Fewest int
}

// fewestRounds are enough for a median that one or two bad rounds do not move.
const fewestRounds = 11

// Default is long enough to tell a few per cent on a quiet machine.
var Default = Settings{Rounds: 11, Time: 60 * time.Millisecond}

// Quick is long enough to see that everything runs.
var Quick = Settings{Rounds: 3, Time: 2 * time.Millisecond}

// Result is what one operation of a subject cost: medians of all rounds.
type Result struct {
	Subject  string
	NsOp     float64
	CPUOp    float64 // nanoseconds that the process spent on processors; 0 where it is not known
	AllocsOp float64
	BytesOp  float64
	Rounds   []float64 // ns/op of each round, in order
}

// Times returns how many times as long as b an operation of a took: the median of
// the rounds' ratios. What slows the machine down for some rounds hits both sides
// of their ratios, so it is steadier than the ratio of the medians.
func Times(a, b Result) float64 {
	ratios := make([]float64, min(len(a.Rounds), len(b.Rounds)))
	for i := range ratios {
		ratios[i] = a.Rounds[i] / b.Rounds[i]
	}
	return Median(ratios)
}

// Compare measures the subjects and returns a result for each, in order.
func Compare(s Settings, subjects ...Subject) ([]Result, error) {
	if s.Rounds < 1 || s.Time <= 0 {
		return nil, fmt.Errorf("measure: %d rounds of %v cannot be measured", s.Rounds, s.Time)
	}
	iterations, long := make([]int, len(subjects)), make([]bool, len(subjects))
	for i, subject := range subjects {
		n, took, err := calibrate(subject, s.Time)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", subject.Name, err)
		}
		iterations[i], long[i] = n, took > 10*s.Time
		if s.CollectEvery > 0 && n == 1 {
			// With operations longer than a round, the garbage of several rounds is
			// so much that new memory, and no longer the work, is what takes time.
			s.CollectEvery = 1
		}
	}
	if s.CollectEvery > 0 {
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
	}
	samples := make([][]sample, len(subjects))
	start := time.Now()
	for round := range s.Rounds {
		if s.Limit > 0 && round >= cmp.Or(s.Fewest, fewestRounds) && time.Since(start) > s.Limit {
			break
		}
		if s.CollectEvery > 0 && round%s.CollectEvery == 0 {
			runtime.GC()
		}
		for i := range subjects {
			k := order(i, round, len(subjects))
			if s.CollectEvery == 0 {
				runtime.GC()
				// That emptied pools. What takes long pays for its own.
				if !long[k] {
					if err := subjects[k].Run(max(1, iterations[k]/8)); err != nil {
						return nil, fmt.Errorf("%s: %w", subjects[k].Name, err)
					}
				}
			}
			one, err := run(subjects[k], iterations[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", subjects[k].Name, err)
			}
			samples[k] = append(samples[k], one)
		}
	}
	results := make([]Result, len(subjects))
	for i, subject := range subjects {
		results[i] = summarize(subject.Name, samples[i])
	}
	return results, nil
}

// order returns the subject that is the i-th of its round: forwards in the even
// rounds, backwards in the odd ones.
func order(i, round, subjects int) int {
	if round%2 == 1 {
		return subjects - 1 - i
	}
	return i
}

// sample is one round of one subject, per operation.
type sample struct{ ns, cpu, allocs, bytes float64 }

// calibrate returns how often to run the subject for a round to last about d, and how
// long one run takes. It warms caches and pools up on the way: the first run, which
// may have to do that, only counts if it is much longer.
func calibrate(s Subject, d time.Duration) (runs int, one time.Duration, err error) {
	const most = 1 << 30
	first := true
	for n := 1; ; {
		start := time.Now()
		if err := s.Run(n); err != nil {
			return 0, 0, err
		}
		took := max(time.Since(start), 1)
		if first && took < 10*d {
			first = false
			continue
		}
		if took >= d/2 || n >= most {
			return max(1, int(float64(n)*float64(d)/float64(took))), took / time.Duration(n), nil
		}
		// Towards the goal, but not further than a hundredfold on the word of
		// so short a run.
		n = int(min(float64(n)*100, max(float64(n)*2, float64(n)*float64(d)/float64(took)), most))
	}
}

func run(s Subject, n int) (sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	worked, start := cpu(), time.Now()
	err := s.Run(n)
	took := time.Since(start)
	worked = cpu() - worked
	runtime.ReadMemStats(&after)
	ops := float64(n)
	return sample{
		ns:     float64(took.Nanoseconds()) / ops,
		cpu:    float64(worked.Nanoseconds()) / ops,
		allocs: float64(after.Mallocs-before.Mallocs) / ops,
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / ops,
	}, err
}

func summarize(name string, samples []sample) Result {
	var ns, cpu, allocs, bytes []float64
	for _, s := range samples {
		ns, cpu, allocs, bytes = append(ns, s.ns), append(cpu, s.cpu), append(allocs, s.allocs), append(bytes, s.bytes)
	}
	return Result{Subject: name, NsOp: Median(ns), CPUOp: Median(cpu), AllocsOp: Median(allocs), BytesOp: Median(bytes), Rounds: ns}
}
