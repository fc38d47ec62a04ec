package mgx

import (
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/exec"
)

// letters are batches whose statements are one letter each, repeated.
func letters(sizes ...int) *batches {
	return &batches{total: len(sizes), append: func(dst []byte, i int) ([]byte, error) {
		return append(dst, strings.Repeat(string(rune('a'+i)), sizes[i])...), nil
	}}
}

func (b *batches) filled(t *testing.T, limits exec.Limits) string {
	t.Helper()
	out, err := b.fill(nil, limits)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// A message that is sent again holds the same statements, though the first time
// one did not fit.
func TestBatchIsTheSameForARetry(t *testing.T) {
	limits := exec.Limits{MaxDocument: 10, MaxBatch: 10, Room: 5}
	b := letters(2, 2, 3, 2, 3)
	for _, want := range []string{"aabb", "cccdd", "eee"} {
		for try := range 3 {
			if got := b.filled(t, limits); got != want {
				t.Errorf("try %d: %q, want %q", try, got, want)
			}
		}
		b.first += b.n
	}
}

// A statement that did not fit is sent once, whatever ends the next message.
func TestBatchAfterOneEndedByItsCount(t *testing.T) {
	limits := exec.Limits{MaxDocument: 10, MaxBatch: 2, Room: 5}
	b := letters(4, 4, 1, 1, 1, 1)
	for _, want := range []string{"aaaa", "bbbbc", "de", "f"} {
		if got := b.filled(t, limits); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		b.first += b.n
	}
}
