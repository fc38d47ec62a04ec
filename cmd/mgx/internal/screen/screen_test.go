package screen

import (
	"bytes"
	"os"
	"testing"
	"time"
)

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -100: "-100", -1000: "-1,000"} {
		if got := Number(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	if got := Count(1, "line", "lines"); got != "1 line" {
		t.Error(got)
	}
	if got := Count(2000, "line", "lines"); got != "2,000 lines" {
		t.Error(got)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "0 µs",
		999 * time.Microsecond:   "999 µs",
		1234 * time.Microsecond:  "1.23 ms",
		45678 * time.Microsecond: "45.7 ms",
		345 * time.Millisecond:   "345 ms",
		90 * time.Second:         "90.0 s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d is %q, want %q", d, got, want)
		}
	}
}

func TestStyle(t *testing.T) {
	var b bytes.Buffer
	none := func(string) string { return "" }
	if got := Auto.NewStyle(&b, none).Bold("x"); got != "x" {
		t.Errorf("in a buffer: %q", got)
	}
	if got := Always.NewStyle(&b, none).Bold("x"); got != "\x1b[1mx\x1b[0m" {
		t.Errorf("always: %q", got)
	}
	if got := Never.NewStyle(os.Stdout, none).Bold("x"); got != "x" {
		t.Errorf("never: %q", got)
	}
}
