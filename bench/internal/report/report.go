// Package report prints measurements: as a table to read, or as JSON lines for
// other programs.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bench/internal/measure"
)

// Line is the JSON of one subject's result.
type Line struct {
	Bench    string  `json:"bench"`
	Subject  string  `json:"subject"`
	NsOp     float64 `json:"ns_op"`
	AllocsOp float64 `json:"allocs_op"`
	BytesOp  float64 `json:"bytes_op"`
}

// JSON writes a line for each result.
func JSON(w io.Writer, bench string, results []measure.Result) error {
	e := json.NewEncoder(w)
	for _, r := range results {
		if err := e.Encode(Line{bench, r.Subject, round(r.NsOp, 1), round(r.AllocsOp, 2), round(r.BytesOp, 1)}); err != nil {
			return err
		}
	}
	return nil
}

func round(f float64, digits int) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', digits, 64), 64)
	return r
}

// Table collects rows and prints them aligned: the first column to the left, the
// others to the right.
type Table struct {
	rows [][]string
}

// Row adds a row.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Write prints the table.
func (t *Table) Write(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString(cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Time prints nanoseconds in a unit that leaves about three digits.
func Time(ns float64) string {
	switch {
	case ns < 1e3:
		return digits(ns) + " ns"
	case ns < 1e6:
		return digits(ns/1e3) + " µs"
	case ns < 1e9:
		return digits(ns/1e6) + " ms"
	}
	return digits(ns/1e9) + " s"
}

// Rate prints how many megabytes (of 10⁶ bytes) a second it is when an operation on
// size bytes takes ns.
func Rate(size int, ns float64) string { return digits(float64(size) / ns * 1e3) }

// Count prints a number of allocations or bytes, which are whole but for what the
// measurement itself adds.
func Count(f float64) string { return strconv.FormatFloat(f, 'f', 0, 64) }

// Ratio prints how many times as much a is as b.
func Ratio(a, b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func digits(f float64) string {
	switch {
	case f >= 99.95:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}
