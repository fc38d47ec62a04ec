package exec

import (
	"slices"

	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// failedAttempt is what the retry decision looks at. The zero value is no failure.
type failedAttempt struct {
	// network is true where the connection failed, before or after the request was
	// sent; pool, where none was to be had because the pool was cleared.
	network, pool bool
	// sent is true where a pool was cleared while the command was under way: it may
	// have taken effect.
	sent bool
	// handshake is true where a network error came before the connection was ready.
	handshake bool
	// code is the server's error code; where writeConcern is true, that of its write
	// concern error.
	code         int32
	writeConcern bool
	message      string
	labels       []string
	// overloaded is true where the server had no room for the command, or for the
	// connection; refused, where it may be sent again because of that, whatever it is.
	overloaded, refused bool
	// wireVersion is the server's.
	wireVersion int32
	mongos      bool
}

// turnedAway reports whether no connection was to be had because the pool was cleared
// for another operation's failure, or for this one's own: nothing was sent.
func (f *failedAttempt) turnedAway() bool { return f.pool && !f.sent }

func retryableRead(f failedAttempt) bool {
	return f.network || f.pool || !f.writeConcern && fault.RetriesRead(f.code, f.message)
}

// retryableWrite also reports whether the driver has to attach the label
// RetryableWriteError itself.
func retryableWrite(f failedAttempt) (retry, attach bool) {
	if f.network || f.pool {
		return true, true
	}
	if slices.Contains(f.labels, fault.LabelRetryableWrite) {
		return true, false
	}
	if f.wireVersion >= wireversion.ErrorLabels || f.writeConcern && f.mongos {
		return false, false
	}
	old := fault.RetriesWrite(f.code)
	return old, old
}
