package mgxdebug

import "time"

// Snapshot is what the page shows, as of a moment. Durations are nanoseconds in JSON.
type Snapshot struct {
	Name    string    `json:"name"`    // Config.Name
	Version string    `json:"version"` // mgx's
	Now     time.Time `json:"now"`
	Since   time.Time `json:"since"` // when the client was instrumented

	// Deployment is the specification's name of its kind, SetName that of the replica
	// set. They are empty before Watch.
	Deployment string   `json:"deployment"`
	SetName    string   `json:"setName,omitempty"`
	Servers    []Server `json:"servers"`

	IdleSessions int `json:"idleSessions"`
	OpenCursors  int `json:"openCursors"`

	// Operations and Failed count since Since.
	Operations uint64 `json:"operations"`
	Failed     uint64 `json:"failed"`
	// Recent is the last five minutes together, History their slots of Step each, the
	// latest last.
	Recent  Slot          `json:"recent"`
	Step    time.Duration `json:"step"`
	History []Slot        `json:"history"`

	Running []Operation `json:"running"` // the oldest first
	Kinds   []Kind      `json:"kinds"`   // the one that took most time first
	Slow    []Command   `json:"slow"`    // the latest first, as the rest
	Errors  []Failure   `json:"errors"`
	Events  []Note      `json:"events"`
}

// PerSecond is how many operations ended in each of the last ten seconds.
func (s *Snapshot) PerSecond() float64 {
	n := max(int(10*time.Second/s.Step), 1)
	slots := s.History[max(len(s.History)-n-1, 0):max(len(s.History)-1, 0)] // without the one that has only begun
	total := 0
	for _, slot := range slots {
		total += slot.Count
	}
	return float64(total) / (time.Duration(max(len(slots), 1)) * s.Step).Seconds()
}

// Slot is what ended in a stretch of time.
type Slot struct {
	Count  int           `json:"count"`
	Failed int           `json:"failed"`
	P50    time.Duration `json:"p50"`
	P95    time.Duration `json:"p95"`
	P99    time.Duration `json:"p99"`
	Max    time.Duration `json:"max"`
}

// Server is one of the deployment's, with the client's pool of connections to it.
type Server struct {
	Address string            `json:"address"`
	Kind    string            `json:"kind"`
	Error   string            `json:"error,omitempty"` // why it is Unknown
	Tags    map[string]string `json:"tags,omitempty"`
	RTT     time.Duration     `json:"rtt"`
	// RTTs are the last checks' round trip times, the latest last.
	RTTs []time.Duration `json:"rtts,omitempty"`
	// Lag is how far the last write of a secondary is behind the primary's.
	Lag time.Duration `json:"lag,omitempty"`
	// Fails are the checks without an answer since the last that got one.
	Fails int  `json:"fails,omitempty"`
	Pool  Pool `json:"pool"`
}

// Pool is the connections to a server.
type Pool struct {
	InUse    int    `json:"inUse"`
	Idle     int    `json:"idle"`
	Pending  int    `json:"pending"`
	Draining int    `json:"draining"`
	Waiting  int    `json:"waiting"`
	Max      int    `json:"max"` // 0: no limit
	Cleared  uint64 `json:"cleared"`
}

// Operation is one in progress, or a transaction.
type Operation struct {
	Name     string        `json:"name"`
	On       string        `json:"on,omitempty"` // database and collection
	Age      time.Duration `json:"age"`
	Command  string        `json:"command,omitempty"` // the last one that was sent
	Server   string        `json:"server,omitempty"`  // that got it
	Commands int           `json:"commands"`          // that were sent, retries included
}

// Kind is the operations of a name on a collection, in the last five minutes.
type Kind struct {
	Name string        `json:"name"`
	On   string        `json:"on,omitempty"`
	All  Slot          `json:"all"`
	Took time.Duration `json:"took"` // together
}

// Command is one that was slow.
type Command struct {
	When   time.Time     `json:"when"`
	Name   string        `json:"name"`
	On     string        `json:"on,omitempty"`
	Server string        `json:"server"`
	Took   time.Duration `json:"took"`
	Text   string        `json:"text,omitempty"` // see Config.CommandMaxLength
	Failed bool          `json:"failed,omitempty"`
}

// Failure is an operation that failed.
type Failure struct {
	When  time.Time     `json:"when"`
	Name  string        `json:"name"`
	On    string        `json:"on,omitempty"`
	Took  time.Duration `json:"took"`
	Error string        `json:"error"`
}

// Note is something that happened to the deployment or a pool.
type Note struct {
	When   time.Time `json:"when"`
	Server string    `json:"server,omitempty"`
	Text   string    `json:"text"`
	Bad    bool      `json:"bad,omitempty"`
}
