package progress

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// State is how far one of several things is.
type State struct {
	Done, Total int64 // Total is 0 if it is not known
	Text        string
}

// Several shows how far several things are that go on at a time: on a terminal a bar
// for each, elsewhere a line now and then. A line that says how each has ended stays.
// A nil Several shows nothing. It may be used by several goroutines.
type Several struct {
	mu    sync.Mutex
	w     io.Writer
	bars  *mpb.Progress // nil: no terminal
	shown map[string]*shown
}

type shown struct {
	bar   *mpb.Bar
	text  atomic.Value // string; without the lock, since bars are drawn by others
	total int64
	lined time.Time // when it last got a line
}

// Interval is how often it is worth it to call Set.
const Interval = 100 * time.Millisecond

// lineInterval is how often something that goes on gets a line, without a terminal.
const lineInterval = 10 * time.Second

// NewSeveral returns a display on w.
func NewSeveral(w io.Writer) *Several {
	s := &Several{w: w, shown: map[string]*shown{}}
	if screen.IsTerminal(w) {
		s.bars = newBars(w)
	}
	return s
}

func newBars(w io.Writer, options ...mpb.ContainerOption) *mpb.Progress {
	return mpb.New(append(options, mpb.WithOutput(w), mpb.WithWidth(30), mpb.WithRefreshRate(Interval))...)
}

// Set says how far the thing of a name is.
func (s *Several) Set(name string, state State) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.shown[name]
	if one == nil {
		one = &shown{lined: time.Now(), total: state.Total}
		if s.bars != nil {
			one.bar = s.newBar(name, one, state.Total)
		}
		s.shown[name] = one
	}
	one.text.Store(state.Text)
	switch {
	case one.bar != nil:
		if state.Total > 0 && state.Total != one.total {
			one.total = state.Total
			one.bar.SetTotal(state.Total, false)
		}
		one.bar.SetCurrent(state.Done)
	case time.Since(one.lined) >= lineInterval:
		one.lined = time.Now()
		_, _ = fmt.Fprintf(s.w, "%s: %s\n", name, state.Text) // what cannot be shown does not stop the work
	}
}

// newBar makes a bar that never ends by itself: more may come than was expected.
func (s *Several) newBar(name string, one *shown, total int64) *mpb.Bar {
	text := decor.Any(func(decor.Statistics) string {
		text, _ := one.text.Load().(string)
		return " " + text
	})
	label := decor.Name(name+" ", decor.WCSyncSpaceR)
	if total <= 0 {
		return s.bars.New(0, mpb.SpinnerStyle(), mpb.BarWidth(1), mpb.PrependDecorators(label), mpb.AppendDecorators(text))
	}
	// One that is made with its total would end there, and stay.
	bar := s.bars.New(0, mpb.BarStyle().Lbound("▕").Filler("█").Tip("█").Padding(" ").Rbound("▏"),
		mpb.PrependDecorators(label), mpb.AppendDecorators(decor.Percentage(decor.WC{W: 4}), text))
	bar.SetTotal(total, false)
	return bar
}

// Finish takes away what is shown of a name, and leaves a line.
func (s *Several) Finish(name, line string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.shown[name]; one != nil && one.bar != nil {
		one.bar.Abort(true)
	}
	delete(s.shown, name)
	if s.bars != nil {
		_, _ = s.bars.Write([]byte(line + "\n")) // above the bars
		return
	}
	_, _ = fmt.Fprintln(s.w, line)
}

// Close takes the bars away.
func (s *Several) Close() {
	if s == nil || s.bars == nil {
		return
	}
	s.mu.Lock()
	for _, one := range s.shown {
		one.bar.Abort(true)
	}
	clear(s.shown)
	s.mu.Unlock()
	s.bars.Wait()
}
