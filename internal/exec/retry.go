package exec

import (
	"slices"

	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// failedAttempt is what the retry decision looks at. The zero value is no failure.
type failedAttempt struct {
	// network tells that the connection failed, before or after the request was
	// sent; pool, that none was to be had because the pool was cleared.
	network, pool bool
	// sent tells of a pool that was cleared while the command was under way: it may
	// have taken effect.
	sent bool
	// handshake tells that a network error came before the connection was ready.
	handshake bool
	// code is the server's error code, or that of its write concern error;
	// writeConcern tells which.
	code         int32
	writeConcern bool
	message      string
	labels       []string
	// overloaded tells that the server had no room for the command, or for the
	// connection; refused, that it can be sent again for that, whatever it is.
	overloaded, refused bool
	// wireVersion is the server's.
	wireVersion int32
	mongos      bool
}

// turnedAway tells that no connection was to be had because the pool was cleared
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
