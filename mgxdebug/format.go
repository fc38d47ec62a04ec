package mgxdebug

import (
	"fmt"
	"strconv"
	"time"
)

// short writes a duration with three digits at most.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < time.Second:
		return digits(float64(d)/float64(time.Millisecond)) + " ms"
	case d < time.Minute:
		return digits(d.Seconds()) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// digits writes a number below 1000 with three digits.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// rate writes how many there are in a second.
func rate(v float64) string {
	if v == 0 {
		return "0"
	}
	if v < 999.5 {
		return digits(v)
	}
	return digits(v/1000) + " k"
}

// ago writes how long ago a moment was.
func ago(now, then time.Time) string {
	d := now.Sub(then)
	if d < time.Minute {
		return strconv.Itoa(max(int(d.Seconds()), 1)) + " s"
	}
	return short(d)
}

// percent writes a share.
func percent(part, whole int) string {
	if whole == 0 || part == 0 {
		return "0 %"
	}
	return digits(100*float64(part)/float64(whole)) + " %"
}

// kindClass is the class of what shows a server's kind.
func kindClass(kind string) string {
	switch kind {
	case "Unknown", "RSGhost":
		return "bad"
	case "RSPrimary", "Standalone", "Mongos", "LoadBalancer":
		return "good"
	}
	return "quiet"
}
