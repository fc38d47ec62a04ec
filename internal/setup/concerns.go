package setup

import (
	"math"
	"slices"
	"strings"
	"time"
)

// ReadModes are the modes of read preferences, primary first.
var ReadModes = []string{"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"}

// MinMaxStaleness is the least that a replica set takes for maxStalenessSeconds.
// See the specification "Max Staleness".
const MinMaxStaleness = 90 * time.Second

// Reads is a read preference.
type Reads struct {
	// Mode is one of ReadModes; "" is the primary.
	Mode string
	// Tagged reports whether a tag set asks for something.
	Tagged bool
	// MaxStaleness is no limit, if it is not positive.
	MaxStaleness time.Duration
	// Hedged reports whether hedged reads are asked for or refused.
	Hedged bool
}

// Check reports a preference that a client does not take, whatever its deployment.
func (r *Reads) Check() *Error {
	if err := r.CheckMode(); err != nil {
		return err
	}
	return r.CheckStaleness(0)
}

// CheckMode reports a mode that there is not, and what a mode does not go with.
func (r *Reads) CheckMode() *Error {
	if r.Mode != "" && !slices.Contains(ReadModes, r.Mode) {
		return wrong("readPreference", "%s is not known; it is one of %s", r.Mode, strings.Join(ReadModes, ", "))
	}
	if r.Mode != "" && r.Mode != ReadModes[0] {
		return nil
	}
	const needs = "needs a readPreference other than primary"
	switch {
	case r.Tagged:
		return wrong("readPreferenceTags", needs)
	case r.MaxStaleness > 0:
		return wrong("maxStalenessSeconds", needs)
	case r.Hedged:
		return wrong("hedge", needs)
	}
	return nil
}

// CheckStaleness reports a MaxStaleness that is too short for servers that are
// checked so often. The specification leaves it to replica sets; a mongos refuses one
// below the least by itself.
func (r *Reads) CheckStaleness(least time.Duration) *Error {
	least = max(least, MinMaxStaleness)
	if r.MaxStaleness > 0 && r.MaxStaleness < least {
		return wrong("maxStalenessSeconds", "%v is too low: it takes at least %v seconds (90, or heartbeatFrequencyMS and 10 seconds, whichever is more)", r.MaxStaleness.Seconds(), least.Seconds())
	}
	return nil
}

// Writes is a write concern.
type Writes struct {
	// W is nil, a number of members (an int) or a name.
	W any
	// Safe is the classic option, which counts where W is nil.
	Safe           *bool
	Journal, Fsync *bool
	Timeout        time.Duration
	// TimeoutGiven counts without a value, too.
	TimeoutGiven bool
}

// Effective returns W, or what the classic option means: safe=false asks for no
// acknowledgement, but any other option of a write concern beside it does.
func (w *Writes) Effective() any {
	switch {
	case w.W != nil || w.Safe == nil:
		return w.W
	case *w.Safe:
		return 1
	case w.OverrulesSafe():
		return nil
	}
	return 0
}

// OverrulesSafe reports whether an option asks for an acknowledgement that
// safe=false does not want.
func (w *Writes) OverrulesSafe() bool {
	return w.Journal != nil || w.Fsync != nil || w.Timeout != 0 || w.TimeoutGiven
}

// Check reports a write concern that no server accepts.
func (w *Writes) Check() *Error {
	switch v := w.W.(type) {
	case nil, string:
	case int:
		if v < 0 || v > math.MaxInt32 {
			return wrong("w", "%d is no number of members: 0 or more", v)
		}
	default:
		return wrong("w", "is a %T, it must be an int or a string", v)
	}
	journal, fsync := w.Journal != nil && *w.Journal, w.Fsync != nil && *w.Fsync
	switch unacknowledged := w.W == 0; {
	case unacknowledged && journal:
		return contradiction("journal", "journal=true", "w=0")
	case unacknowledged && fsync:
		return contradiction("fsync", "fsync=true", "w=0")
	case journal && fsync:
		return contradiction("fsync", "fsync=true", "journal=true")
	case w.Timeout < 0:
		return wrong("wTimeoutMS", "%v is negative", w.Timeout)
	}
	return nil
}
