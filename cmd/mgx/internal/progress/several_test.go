package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vbauerster/mpb/v8"
)

func TestSeveralInLines(t *testing.T) {
	var nothing *Several
	nothing.Set("a", State{})
	nothing.Finish("a", "done")
	nothing.Close()

	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := NewSeveral(&out)
		s.Set("orders", State{0, 100, "none yet"})
		time.Sleep(9 * time.Second)
		s.Set("orders", State{50, 100, "too soon"})
		time.Sleep(2 * time.Second)
		s.Set("orders", State{70, 100, "70 of 100"})
		s.Finish("orders", "orders: all")
		s.Finish("view", "view: made")
		s.Close()
		if got := out.String(); got != "orders: 70 of 100\norders: all\nview: made\n" {
			t.Errorf("%q", got)
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestSeveralBars(t *testing.T) {
	var out lockedBuffer
	s := &Several{w: &out, shown: map[string]*shown{}, bars: newBars(&out, mpb.WithAutoRefresh())}
	var wg sync.WaitGroup
	for _, name := range []string{"orders", "items"} {
		wg.Go(func() {
			for i := range int64(50) {
				s.Set(name, State{i, 100, "at work"})
				time.Sleep(10 * time.Millisecond)
			}
			s.Set(name, State{100, 100, "all of it"})
			time.Sleep(250 * time.Millisecond)
			s.Finish(name, name+": all there")
		})
	}
	s.Set("log", State{5, 0, "without a total"})
	wg.Wait()
	s.Close() // with one that has not ended
	text := out.String()
	if last := text[strings.LastIndex(text, "\x1b[J"):]; strings.Contains(last, "█") {
		t.Errorf("bars stay: %q", last)
	}
	for _, want := range []string{"orders", "at work", "%", "█", "without a total", "orders: all there\n", "items: all there\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
}
