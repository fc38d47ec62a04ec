package exec

import (
	"slices"

	"github.com/mgxdb/mgx/internal/sdam"
)

// failure is what the retry decision looks at. The zero value is no failure.
type failure struct {
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
func (f *failure) turnedAway() bool { return f.pool && !f.sent }

// retryableCodes are the codes that make a read worth a second try, and, on
// servers too old to attach the label themselves, a write.
// See the specifications "Retryable Reads" and "Retryable Writes".
var retryableCodes = []int32{
	6,     // HostUnreachable
	7,     // HostNotFound
	89,    // NetworkTimeout
	91,    // ShutdownInProgress
	134,   // ReadConcernMajorityNotAvailableYet (reads only)
	189,   // PrimarySteppedDown
	262,   // ExceededTimeLimit
	9001,  // SocketException
	10107, // NotWritablePrimary
	11600, // InterruptedAtShutdown
	11602, // InterruptedDueToReplStateChange
	13435, // NotPrimaryNoSecondaryOk
	13436, // NotPrimaryOrSecondary
}

const readConcernMajorityNotAvailableYet = 134

// wireLabels is the wire version (MongoDB 4.4) from which servers attach
// RetryableWriteError themselves.
const wireLabels = 9

func retryableRead(f failure) bool {
	return f.network || f.pool || !f.writeConcern && slices.Contains(retryableCodes, f.code) ||
		!f.writeConcern && f.code == 0 && f.message != "" && sdam.IsStateChange(0, f.message)
}

// retryableWrite also tells whether the driver has to attach the label
// RetryableWriteError itself.
func retryableWrite(f failure) (retry, attach bool) {
	if f.network || f.pool {
		return true, true
	}
	if slices.Contains(f.labels, LabelRetryableWrite) {
		return true, false
	}
	if f.wireVersion >= wireLabels || f.writeConcern && f.mongos {
		return false, false
	}
	old := f.code != readConcernMajorityNotAvailableYet && slices.Contains(retryableCodes, f.code)
	return old, old
}
