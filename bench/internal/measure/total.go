package measure

import "time"

// CPU returns the time that this process has spent on the processors so far; 0 where
// the system does not tell.
func CPU() time.Duration { return cpu() }
