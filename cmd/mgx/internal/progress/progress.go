// Package progress shows on a terminal how far something is.
package progress

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// Bar shows how many bytes have been read. A nil bar shows nothing.
type Bar struct {
	bar *progressbar.ProgressBar
	w   io.Writer
}

// NewBar returns a bar on w for total bytes, or for an unknown number if total is
// negative. Where w is not a terminal, it returns nil.
func NewBar(w io.Writer, total int64, colors bool) *Bar {
	if !screen.IsTerminal(w) {
		return nil
	}
	return newBar(w, total, colors, 100*time.Millisecond)
}

func newBar(w io.Writer, total int64, colors bool, throttle time.Duration) *Bar {
	return &Bar{w: w, bar: progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionEnableColorCodes(colors),
		progressbar.OptionThrottle(throttle),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionClearOnFinish(),
	)}
}

// Reader counts what is read from r.
func (b *Bar) Reader(r io.Reader) io.Reader {
	if b == nil {
		return r
	}
	return &counted{r, b}
}

type counted struct {
	r   io.Reader
	bar *Bar
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	_ = c.bar.bar.Add(n) // what cannot be shown does not stop the work
	return n, err
}

// Describe says what the bar is about, in a few words.
func (b *Bar) Describe(text string) {
	if b != nil {
		b.bar.Describe(text)
	}
}

// Above runs f, which may write lines to the bar's terminal, without the bar.
func (b *Bar) Above(f func()) {
	if b == nil {
		f()
		return
	}
	_ = b.bar.Clear()
	f() // the next bytes bring the bar back
}

// Close takes the bar away.
func (b *Bar) Close() {
	if b != nil {
		_ = b.bar.Clear()
		_ = b.bar.Exit()
	}
}
