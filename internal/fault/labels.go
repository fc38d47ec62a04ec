package fault

// The labels of errors. Servers and the client attach them: see the server manual,
// "Error Labels".
const (
	LabelRetryableWrite           = "RetryableWriteError"
	LabelNoWritesPerformed        = "NoWritesPerformed"
	LabelTransientTransaction     = "TransientTransactionError"
	LabelUnknownTransactionCommit = "UnknownTransactionCommitResult"
	LabelResumableChangeStream    = "ResumableChangeStreamError"
	// LabelOverloaded is on errors that a busy server may be the reason of,
	// LabelRetryable on those among them after which anything may be sent again. See
	// the specification "Client Backpressure".
	LabelOverloaded = "SystemOverloadedError"
	LabelRetryable  = "RetryableError"
)
