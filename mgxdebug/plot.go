package mgxdebug

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// The plots' size, and the room for their labels.
const (
	plotWidth, plotHeight = 640, 190
	left, bottom, top     = 46, 18, 8
)

// drawing is an SVG that is being written. What goes into it are numbers and texts of
// this package alone.
type drawing struct{ strings.Builder }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format, args...) }

func (d *drawing) begin(label string) {
	d.add(`<svg class="plot" viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight, label)
}

func (d *drawing) end() template.HTML {
	d.add(`</svg>`)
	return template.HTML(d.String()) //nolint:gosec // see drawing
}

// level draws a horizontal line with its label.
func (d *drawing) level(y float64, label string) {
	d.add(`<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" class="left">%s</text>`, left, plotWidth, y, y, left-6, y+3.5, label)
}

// minutes labels the axis of time.
func (d *drawing) minutes(step time.Duration, slots int) {
	width := float64(plotWidth-left) / float64(slots)
	for ago := time.Duration(0); ago < step*time.Duration(slots); ago += time.Minute {
		x, label, class := float64(plotWidth)-float64(ago/step)*width, fmt.Sprintf("−%d min", int(ago.Minutes())), "middle"
		if ago == 0 {
			label, class = "now", "end"
		}
		d.add(`<text x="%.1f" y="%d" class="%s">%s</text>`, x, plotHeight-4, class, label)
	}
}

func slotX(i, slots int) float64 {
	return left + (float64(i)+.5)*float64(plotWidth-left)/float64(slots)
}

// latencies draws the percentiles of each slot, on a logarithmic axis.
func latencies(s *Snapshot) template.HTML {
	low, high := decades(s.History)
	y := func(took time.Duration) float64 {
		share := (math.Log10(float64(max(took, 1))) - low) / (high - low)
		return plotHeight - bottom - math.Max(math.Min(share, 1), 0)*(plotHeight-bottom-top)
	}
	var d drawing
	d.begin("latency of operations in the last five minutes")
	for e := low; e <= high+.001; e++ {
		took := time.Duration(math.Round(math.Pow(10, e)))
		d.level(y(took), label(took))
	}
	d.minutes(s.Step, len(s.History))
	for _, line := range []struct {
		class string
		of    func(*Slot) time.Duration
	}{
		{"p99", func(s *Slot) time.Duration { return s.P99 }}, {"p95", func(s *Slot) time.Duration { return s.P95 }}, {"p50", func(s *Slot) time.Duration { return s.P50 }},
	} {
		d.line(line.class, s.History, func(slot *Slot) float64 { return y(line.of(slot)) })
	}
	d.tips(s)
	return d.end()
}

// line draws one through the slots that have something; one that stands alone is a dot.
func (d *drawing) line(class string, slots []Slot, y func(*Slot) float64) {
	pen := "M"
	d.add(`<path class="%s" d="`, class)
	for i := range slots {
		if slots[i].Count == 0 {
			pen = "M"
			continue
		}
		d.add(`%s%.1f %.1f`, pen, slotX(i, len(slots)), y(&slots[i]))
		if pen == "M" {
			d.add(`h.01`)
		}
		pen = "L"
	}
	d.add(`"/>`)
}

// tips are what one reads with the mouse over a slot.
func (d *drawing) tips(s *Snapshot) {
	width := float64(plotWidth-left) / float64(len(s.History))
	for i := range s.History {
		slot := &s.History[i]
		if slot.Count == 0 {
			continue
		}
		d.add(`<rect class="tip" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s ago: %d operations, %d failed, p50 %s, p95 %s, p99 %s, longest %s</title></rect>`,
			left+float64(i)*width, top, width, plotHeight-bottom-top, short(time.Duration(len(s.History)-1-i)*s.Step+s.Step/2),
			slot.Count, slot.Failed, short(slot.P50), short(slot.P95), short(slot.P99), short(slot.Max))
	}
}

// decades are the powers of ten, in nanoseconds, between which the slots' percentiles
// are.
func decades(slots []Slot) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, s := range slots {
		if s.Count > 0 {
			low, high = math.Min(low, math.Log10(float64(max(s.P50, 1)))), math.Max(high, math.Log10(float64(max(s.P99, 1))))
		}
	}
	if math.IsInf(low, 1) {
		return 5, 8
	}
	low, high = math.Floor(low), math.Ceil(high)
	return low, math.Max(high, low+2)
}

// label writes a power of ten.
func label(d time.Duration) string {
	for _, u := range []struct {
		unit string
		d    time.Duration
	}{{"s", time.Second}, {"ms", time.Millisecond}, {"µs", time.Microsecond}} {
		if d >= u.d {
			return fmt.Sprintf("%d %s", d/u.d, u.unit)
		}
	}
	return fmt.Sprintf("%d ns", d)
}

// throughput draws how many operations ended in each slot, and how many failed.
func throughput(s *Snapshot) template.HTML {
	most := 1
	for _, slot := range s.History {
		most = max(most, slot.Count)
	}
	high := roundUp(float64(most) / s.Step.Seconds())
	scale := (plotHeight - bottom - top) / high / s.Step.Seconds()
	width := float64(plotWidth-left) / float64(len(s.History))
	var d drawing
	d.begin("operations each second in the last five minutes")
	for _, share := range []float64{0, .5, 1} {
		d.level(plotHeight-bottom-share*(plotHeight-bottom-top), rate(high*share))
	}
	d.minutes(s.Step, len(s.History))
	for i, slot := range s.History {
		x, y := left+float64(i)*width, float64(plotHeight-bottom)
		for _, part := range []struct {
			class string
			n     int
		}{{"failed", slot.Failed}, {"fine", slot.Count - slot.Failed}} {
			if part.n > 0 {
				height := math.Max(float64(part.n)*scale, .75)
				y -= height
				d.add(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, part.class, x+width*.1, y, width*.8, height)
			}
		}
	}
	d.tips(s)
	return d.end()
}

// roundUp returns the next of 1, 2, 5, 10, 20, 50, ….
func roundUp(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5} {
		if v <= n*unit*1.0001 {
			return n * unit
		}
	}
	return 10 * unit
}

// spark draws the last round trip times of a server.
func spark(times []time.Duration) template.HTML {
	const width, height = 96, 22
	if len(times) < 2 {
		return ""
	}
	most := time.Duration(1)
	for _, t := range times {
		most = max(most, t)
	}
	var d drawing
	d.add(`<svg class="spark" viewBox="0 0 %d %d" role="img" aria-label="round trip times, %s at most"><path class="p50" d="`, width, height, short(most))
	pen := "M"
	for i, t := range times {
		x := width - float64(len(times)-1-i)*float64(width)/(maxRTTs-1)
		d.add(`%s%.1f %.1f`, pen, x, height-2-(height-4)*float64(t)/float64(most))
		pen = "L"
	}
	d.add(`"/>`)
	return d.end()
}

// share draws what the connections of a pool do, as parts of the most that it may have.
func share(p Pool) template.HTML {
	const width, height = 150, 10
	total := p.InUse + p.Idle + p.Pending + p.Draining
	whole := float64(max(p.Max, total, 1))
	var d drawing
	d.add(`<svg class="bar" viewBox="0 0 %d %d" role="img" aria-label="%d of %d connections"><rect class="empty" width="%d" height="%d"/>`, width, height, total, p.Max, width, height)
	x := 0.0
	for _, part := range []struct {
		class string
		n     int
	}{{"used", p.InUse}, {"pending", p.Pending}, {"draining", p.Draining}, {"idle", p.Idle}} {
		w := float64(part.n) / whole * width
		d.add(`<rect class="%s" x="%.1f" width="%.1f" height="%d"/>`, part.class, x, w, height)
		x += w
	}
	return d.end()
}
