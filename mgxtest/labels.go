package mgxtest

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The server's classes of errors (src/mongo/base/error_codes.yml), and the labels
// that it derives from them (src/mongo/db/error_labels.cpp).

// isNotPrimary and isShutdown are the classes of state-change errors.
func isNotPrimary(code int32) bool {
	switch code {
	case codeNotWritablePrimary, codeNotPrimaryNoSecondaryOk, codeNotPrimaryOrSecondary,
		codeInterruptedDueToReplStateChange, codePrimarySteppedDown:
		return true
	}
	return false
}

func isShutdown(code int32) bool {
	return code == codeShutdownInProgress || code == codeInterruptedAtShutdown
}

func isNetwork(code int32) bool {
	switch code {
	case codeHostUnreachable, codeHostNotFound, codeNetworkTimeout, codeSocketException, 384:
		return true
	}
	return false
}

// isRetryable is the class of errors after which a command may be tried again.
func isRetryable(code int32) bool {
	if isNotPrimary(code) || isShutdown(code) || isNetwork(code) {
		return true
	}
	switch code {
	case codeReadConcernMajorityNotAvailable, codeExceededTimeLimit, 358, 462:
		return true
	}
	return false
}

// needsRetargeting is the class of errors of routers with old routing tables.
func needsRetargeting(code int32) bool {
	switch code {
	case 150, 249, codeStaleConfig:
		return true
	}
	return false
}

// isTransient reports whether an error in a transaction may go away when the
// whole transaction is run again.
func isTransient(code int32, ending, hasWriteConcernError bool) bool {
	switch code {
	case codeWriteConflict, codeLockTimeout, 246, codeSnapshotTooOld, 250, 267, 272, 331:
		return true
	case codeNoSuchTransaction:
		return !ending || !hasWriteConcernError
	}
	return needsRetargeting(code) || !ending && isRetryable(code)
}

// opensStream reports whether a request is an aggregate with a change stream.
func (r *request) opensStream() bool {
	if r.name != "aggregate" {
		return false
	}
	stages, err := r.documents("pipeline")
	return err == nil && len(stages) > 0 && firstKey(stages[0]) == "$changeStream"
}

// labelsFor returns the labels of a command's error beside those it has.
func (r *request) labelsFor(code int32, have []string) []string {
	ending := r.name == "commitTransaction" || r.name == "abortTransaction"
	streams := r.streams || r.opensStream()
	switch {
	case r.inTxn && isTransient(code, ending, r.wce != nil):
		return addLabel(have, "TransientTransactionError")
	case r.retryableWrite() && isRetryable(code) && r.since(wire44):
		return addLabel(have, "RetryableWriteError")
	case code == codeChangeStreamFatalError || code == codeChangeStreamHistoryLost:
		return addLabel(have, "NonResumableChangeStreamError")
	case streams && r.since(wire44) && (isRetryable(code) || needsRetargeting(code) ||
		code == 234 || code == codeFailedToSatisfyReadPreference):
		return addLabel(have, "ResumableChangeStreamError")
	}
	return have
}

func addLabel(labels []string, label string) []string {
	if slices.Contains(labels, label) {
		return labels
	}
	return append(labels, label)
}

// errorReply is the reply to a failed command.
func errorReply(r *request, ce *commandError) bson.D {
	d := doc("ok", 0.0, "errmsg", ce.msg, "code", ce.code, "codeName", codeName(ce.code))
	d = append(d, ce.extra...)
	labels := ce.labels
	if !ce.forced {
		labels = r.labelsFor(ce.code, labels)
	}
	if len(labels) > 0 {
		d = append(d, bson.E{Key: "errorLabels", Value: labels})
	}
	return d
}

// addWriteConcernError completes a reply whose work was done but not
// acknowledged as asked.
func addWriteConcernError(r *request, d bson.D) bson.D {
	if r.wce == nil {
		return d
	}
	if r.wce.given != nil {
		d = append(d, bson.E{Key: "writeConcernError", Value: r.wce.given})
	} else {
		wce := doc("code", r.wce.code, "codeName", codeName(r.wce.code), "errmsg", r.wce.msg)
		d = append(d, bson.E{Key: "writeConcernError", Value: append(wce, r.wce.extra...)})
	}
	labels := r.wce.labels
	if !r.wce.forced && r.retryableWrite() && isRetryable(r.wce.code) && r.since(wire44) {
		labels = addLabel(labels, "RetryableWriteError")
	}
	if len(labels) > 0 {
		d = append(d, bson.E{Key: "errorLabels", Value: labels})
	}
	return d
}
