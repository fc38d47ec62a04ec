package exec

import "testing"

func TestRoomHint(t *testing.T) {
	var h roomHint
	for _, c := range []struct{ size, want int }{
		{100, 100}, {5 << 20, 5 << 20}, {100, 5 << 19}, {48 << 20, largestHint}, {0, largestHint / 2},
	} {
		if h.saw(c.size); h.get() != c.want {
			t.Errorf("after %d bytes the hint is %d, want %d", c.size, h.get(), c.want)
		}
	}
	for range 30 {
		h.saw(200)
	}
	if h.get() != 200 {
		t.Errorf("the hint stays at %d", h.get())
	}
}
