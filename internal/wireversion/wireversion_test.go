package wireversion

import "testing"

func TestRelease(t *testing.T) {
	for wire, want := range map[int32]string{0: "", 2: "", 3: "3.0", 8: "4.2", 9: "4.4", 12: "4.4", 13: "5.0", 20: "6.0", 25: "8.0", 27: "8.2", 99: "8.2"} {
		if got := Release(wire); got != want {
			t.Errorf("wire version %d: %q, want %q", wire, got, want)
		}
	}
	if got := Release(Min); got != MinRelease {
		t.Errorf("the least wire version is that of %s, not of %s", got, MinRelease)
	}
	for i := 1; i < len(releases); i++ {
		if releases[i].wire >= releases[i-1].wire {
			t.Errorf("%s is not older than %s", releases[i].version, releases[i-1].version)
		}
	}
}
