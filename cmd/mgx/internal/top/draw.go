package top

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// Size is that of a terminal; 0 rows are no end.
type Size struct{ Columns, Rows int }

// Draw returns the lines of a view that fit.
func Draw(v *View, size Size, style screen.Style) []string {
	p := &painter{style: style, width: max(size.Columns, 40), rows: size.Rows}
	p.header(v)
	p.servers(v)
	for _, note := range v.Notes {
		p.line(style.Warn(p.cut(screen.Name(note), p.width)))
	}
	p.counters(v)
	p.table("in progress", []column{{"for", true}, {"operation", false}, {"on", false}, {"where", false}, {"", false}}, len(v.Running), func(i int) []string {
		o := &v.Running[i]
		return []string{duration(o.Age), o.Name, o.On, o.Server, strings.TrimSpace(o.Client + " " + o.Command)}
	})
	p.table("where the time goes, 5 minutes", []column{{"together", true}, {"count", true}, {"failed", true}, {"median", true}, {"99 %", true}, {"operation", false}, {"on", false}},
		len(v.Kinds), func(i int) []string {
			k := &v.Kinds[i]
			return []string{duration(k.Took), screen.Number(k.All.Count), screen.Number(k.All.Failed), duration(k.All.P50), duration(k.All.P99), k.Name, k.On}
		})
	p.table("slow commands", []column{{"at", false}, {"took", true}, {"command", false}, {"on", false}, {"where", false}, {"", false}}, len(v.Slow), func(i int) []string {
		c := &v.Slow[i]
		return []string{clock(c.When), duration(c.Took), c.Name, c.On, c.Server, c.Text}
	})
	p.table("failed operations", []column{{"at", false}, {"after", true}, {"operation", false}, {"on", false}, {"error", false}}, len(v.Errors), func(i int) []string {
		e := &v.Errors[i]
		return []string{clock(e.When), duration(e.Took), e.Name, e.On, e.Error}
	})
	if size.Rows > 0 && len(p.lines) > size.Rows {
		p.lines = p.lines[:size.Rows]
	}
	return p.lines
}

func clock(t time.Time) string { return t.Format("15:04:05") }

func duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return screen.Duration(d)
}

// painter collects lines.
type painter struct {
	style       screen.Style
	width, rows int
	lines       []string
}

func (p *painter) line(text string) { p.lines = append(p.lines, text) }

// cut shortens a text to a number of columns.
func (p *painter) cut(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	if columns <= 0 {
		return ""
	}
	return string([]rune(text)[:columns-1]) + "…"
}

func (p *painter) header(v *View) {
	title, at := p.cut(screen.Name(v.Title), p.width-12), clock(v.Now)
	p.line(p.style.Bold(title) + strings.Repeat(" ", max(p.width-utf8.RuneCountInString(title)-len(at), 1)) + p.style.Dim(at))
	const plot = 30
	rate := p.cut(rateText(v.Rate)+"/s", p.width-plot-1)
	facts := make([]string, 0, len(v.Facts))
	for _, f := range v.Facts {
		if f != "" {
			facts = append(facts, screen.Name(f))
		}
	}
	p.line(p.style.Good(spark(v.Rates, plot)) + " " + p.style.Bold(rate) + p.cut("   "+strings.Join(facts, "   "), p.width-plot-utf8.RuneCountInString(rate)-1))
}

// rateText writes how many there are in a second.
func rateText(v float64) string {
	if v > 0 && v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return screen.Number(int(v + .5))
}

// spark draws the last values in so many columns.
func spark(values []float64, columns int) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	per := max((len(values)+columns-1)/columns, 1)
	var list []float64
	most := 0.0
	for end := len(values); end > 0; end -= per {
		sum, n := 0.0, 0
		for _, v := range values[max(end-per, 0):end] {
			sum, n = sum+v, n+1
		}
		list = append(list, sum/float64(n))
		most = max(most, sum/float64(n))
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", max(columns-len(list), 0)))
	for i := len(list) - 1; i >= 0; i-- {
		n := 0
		if most > 0 {
			n = int(list[i] / most * float64(len(bars)-1))
		}
		b.WriteRune(bars[n])
	}
	return b.String()
}

// column is one of a table; numbers stand at its right.
type column struct {
	title string
	right bool
}

func (p *painter) servers(v *View) {
	p.table("servers", []column{{"address", false}, {"kind", false}, {"round trip", true}, {"behind", true}, {"in use", true}, {"idle", true}, {"waiting", true}, {"", false}},
		len(v.Servers), func(i int) []string {
			s := &v.Servers[i]
			return []string{
				s.Address, s.Kind, duration(s.RTT), duration(s.Lag), screen.Number(s.Pool.InUse), screen.Number(s.Pool.Idle), screen.Number(s.Pool.Waiting), s.Error,
			}
		})
}

func (p *painter) counters(v *View) {
	p.table("the server", []column{{"", false}, {"each second", true}, {"mean", true}}, len(v.Counters), func(i int) []string {
		c := &v.Counters[i]
		return []string{c.Name, rateText(c.PerSecond), duration(c.Mean)}
	})
}

// table writes a table with a heading; nothing where there are no rows, and no more rows
// than are left on the screen.
func (p *painter) table(heading string, columns []column, rows int, row func(int) []string) {
	const around = 3 // an empty line, the heading, and the titles
	shown := rows
	if p.rows > 0 {
		shown = min(rows, p.rows-len(p.lines)-around)
	}
	if shown <= 0 {
		return
	}
	cells := make([][]string, shown)
	widths := make([]int, len(columns))
	for c, column := range columns {
		widths[c] = utf8.RuneCountInString(column.title)
	}
	for i := range cells {
		cells[i] = row(i)
		for c := range cells[i] {
			cells[i][c] = screen.Name(cells[i][c])
			widths[c] = max(widths[c], min(utf8.RuneCountInString(cells[i][c]), 40))
		}
	}
	count := ""
	if shown < rows {
		count = fmt.Sprintf(" (%d of %d)", shown, rows)
	}
	p.line("")
	p.line(p.style.Bold(heading) + p.style.Dim(count))
	titles := make([]string, len(columns))
	for c := range columns {
		titles[c] = columns[c].title
	}
	p.line(p.style.Dim(p.row(columns, widths, titles)))
	for _, texts := range cells {
		p.line(p.row(columns, widths, texts))
	}
}

// row is one line of a table. Its last text has all the room that is left.
func (p *painter) row(columns []column, widths []int, texts []string) string {
	var b strings.Builder
	left := p.width
	for c, text := range texts {
		last := c == len(texts)-1
		width := min(widths[c], left)
		if last {
			width = left
		}
		text = p.cut(text, width)
		pad := strings.Repeat(" ", max(min(widths[c], left)-utf8.RuneCountInString(text), 0))
		switch {
		case columns[c].right:
			b.WriteString(pad + text)
		case last:
			b.WriteString(text)
		default:
			b.WriteString(text + pad)
		}
		left -= max(min(widths[c], left), utf8.RuneCountInString(text)) + 2
		if left <= 0 {
			break
		}
		if !last {
			b.WriteString("  ")
		}
	}
	return strings.TrimRight(b.String(), " ")
}
