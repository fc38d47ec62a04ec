package progress

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestNoTerminal(t *testing.T) {
	var b bytes.Buffer
	bar := NewBar(&b, 10, true)
	if bar != nil {
		t.Fatal("a buffer is taken for a terminal")
	}
	// A nil bar does nothing, everywhere.
	r := strings.NewReader("x")
	if bar.Reader(r) != io.Reader(r) {
		t.Error("Reader changes the reader")
	}
	called := false
	bar.Above(func() { called = true })
	bar.Describe("text")
	bar.Close()
	if !called || b.Len() > 0 {
		t.Errorf("called: %v, output %q", called, &b)
	}
}

func TestBar(t *testing.T) {
	for _, total := range []int64{2000, -1} {
		var b lockedBuffer // the bar's own goroutine writes, too
		bar := newBar(&b, total, false, 0)
		bar.Describe("documents")
		if _, err := io.Copy(io.Discard, bar.Reader(strings.NewReader(strings.Repeat("x", 1000)))); err != nil {
			t.Fatal(err)
		}
		bar.Above(func() { _, _ = io.WriteString(&b, "\nline 7 is bad\n") })
		bar.Close()
		out := b.String()
		if !strings.Contains(out, "documents") || !strings.Contains(out, "\nline 7 is bad\n") {
			t.Errorf("of %d: %q", total, out)
		}
		if total > 0 && !strings.Contains(out, "50%") {
			t.Errorf("of %d: %q", total, out)
		}
		if tail := out[strings.LastIndexByte(out, '\r')+1:]; strings.TrimSpace(tail) != "" {
			t.Errorf("of %d: the bar stays: %q", total, tail)
		}
	}
}
