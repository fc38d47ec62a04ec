package fault

import "strings"

// The server's error codes that the client knows by name. See the server manual,
// "Error Codes".
const (
	BadValue                           = 2
	HostUnreachable                    = 6
	HostNotFound                       = 7
	UserNotFound                       = 11
	Unauthorized                       = 13
	AuthenticationFailed               = 18
	IllegalOperation                   = 20
	NamespaceNotFound                  = 26
	IndexNotFound                      = 27
	CursorNotFound                     = 43
	NamespaceExists                    = 48
	MaxTimeMSExpired                   = 50
	CommandNotFound                    = 59
	StaleShardVersion                  = 63
	WriteConcernFailed                 = 64 // WriteConcernTimeout since 8.1
	NoReplicationEnabled               = 76
	UnknownReplWriteConcern            = 79
	NetworkTimeout                     = 89
	ShutdownInProgress                 = 91
	UnsatisfiableWriteConcern          = 100
	CommandNotSupported                = 115
	NotAReplicaSet                     = 123
	FailedToSatisfyReadPreference      = 133
	ReadConcernMajorityNotAvailableYet = 134
	StaleEpoch                         = 150
	PrimarySteppedDown                 = 189
	RetryChangeStream                  = 234
	NotImplemented                     = 238
	NoSuchTransaction                  = 251
	ExceededTimeLimit                  = 262
	MechanismUnavailable               = 334
	ReauthenticationRequired           = 391
	SocketException                    = 9001
	NotPrimaryLegacy                   = 10058
	NotWritablePrimary                 = 10107
	DuplicateKey                       = 11000
	DuplicateKeyOfUpdate               = 11001
	InterruptedAtShutdown              = 11600
	InterruptedDueToReplStateChange    = 11602
	DuplicateKeyOfCapped               = 12582
	StaleConfig                        = 13388
	NotPrimaryNoSecondaryOk            = 13435
	NotPrimaryOrSecondary              = 13436
	DuplicateKeyOfMongos               = 16460 // with E11000 in its text
	ChangeStreamsNeedReplicaSet        = 40573
)

// trait is what an error code means for what the client does next.
type trait uint8

const (
	retriesRead  trait = 1 << iota // "Retryable Reads"
	retriesWrite                   // "Retryable Writes", of servers that attach no label
	resumes                        // "Change Streams", of servers that attach no label
	recovering                     // "Server Discovery and Monitoring": "node is recovering"
	notWritable                    // the same: "not writable primary"
	shuttingDown                   // the same: "node is shutting down"
)

const (
	transient     = retriesRead | retriesWrite | resumes
	stepsAside    = transient | recovering
	isNotWritable = transient | notWritable
)

// fact is what the client knows of a code.
type fact struct {
	category error // nil: none of its own
	traits   trait
}

// facts has every code that means more to the client than its text.
var facts = map[int32]fact{
	HostUnreachable:                    {nil, transient},
	HostNotFound:                       {nil, transient},
	Unauthorized:                       {ErrUnauthorized, 0},
	AuthenticationFailed:               {ErrAuthentication, 0},
	NamespaceNotFound:                  {ErrNamespaceNotFound, 0},
	IndexNotFound:                      {ErrIndexNotFound, 0},
	CursorNotFound:                     {ErrCursorNotFound, resumes},
	NamespaceExists:                    {ErrNamespaceExists, 0},
	MaxTimeMSExpired:                   {ErrTimeout, 0},
	StaleShardVersion:                  {nil, resumes},
	WriteConcernFailed:                 {ErrWriteConcern, 0},
	NetworkTimeout:                     {nil, transient},
	ShutdownInProgress:                 {ErrNotPrimary, stepsAside | shuttingDown},
	UnsatisfiableWriteConcern:          {ErrWriteConcern, 0},
	FailedToSatisfyReadPreference:      {nil, resumes},
	ReadConcernMajorityNotAvailableYet: {nil, retriesRead},
	StaleEpoch:                         {nil, resumes},
	PrimarySteppedDown:                 {ErrNotPrimary, stepsAside},
	RetryChangeStream:                  {nil, resumes},
	ExceededTimeLimit:                  {ErrTimeout, transient},
	SocketException:                    {nil, transient},
	NotPrimaryLegacy:                   {ErrNotPrimary, notWritable},
	NotWritablePrimary:                 {ErrNotPrimary, isNotWritable},
	DuplicateKey:                       {ErrDuplicateKey, 0},
	DuplicateKeyOfUpdate:               {ErrDuplicateKey, 0},
	InterruptedAtShutdown:              {ErrNotPrimary, stepsAside | shuttingDown},
	InterruptedDueToReplStateChange:    {ErrNotPrimary, stepsAside},
	DuplicateKeyOfCapped:               {ErrDuplicateKey, 0},
	StaleConfig:                        {nil, resumes},
	NotPrimaryNoSecondaryOk:            {ErrNotPrimary, isNotWritable},
	NotPrimaryOrSecondary:              {ErrNotPrimary, stepsAside},
	CommandNotFound:                    {ErrUnsupported, 0},
	NoReplicationEnabled:               {ErrUnsupported, 0},
	CommandNotSupported:                {ErrUnsupported, 0},
	NotAReplicaSet:                     {ErrUnsupported, 0},
	NotImplemented:                     {ErrUnsupported, 0},
	ChangeStreamsNeedReplicaSet:        {ErrUnsupported, 0},
}

// Category returns what category a server's error belongs to; nil is none. The
// message counts where the code does not tell.
func Category(code int32, message string) error {
	switch {
	case code == DuplicateKeyOfMongos && strings.Contains(message, "E11000"):
		return ErrDuplicateKey
	case code == IllegalOperation && (strings.Contains(message, "Transaction numbers") || strings.Contains(message, "does not support retryable writes")):
		return ErrUnsupported
	case IsStateChange(code, message):
		return ErrNotPrimary
	}
	return facts[code].category
}

// Is reports whether a server's error belongs to a category.
func Is(code int32, message string, category error) bool {
	c := Category(code, message)
	return c != nil && c == category
}

func has(code int32, t trait) bool { return facts[code].traits&t != 0 }

// IsRecovering reports whether a reply's code (or, only if it has none, its
// message) means that the member cannot serve for now: starting, recovering,
// stepping or shutting down.
func IsRecovering(code int32, message string) bool {
	if code != 0 {
		return has(code, recovering)
	}
	return strings.Contains(message, "node is recovering") || strings.Contains(message, "not master or secondary")
}

// IsNotWritablePrimary reports whether a reply's code (or, only if it has none,
// its message) means that the member is not the primary, or no longer.
func IsNotWritablePrimary(code int32, message string) bool {
	if code != 0 {
		return has(code, notWritable)
	}
	return strings.Contains(message, "not master") && !IsRecovering(0, message)
}

// IsStateChange reports whether a reply means that the client is wrong about what
// the server is.
func IsStateChange(code int32, message string) bool {
	return IsRecovering(code, message) || IsNotWritablePrimary(code, message)
}

// IsShuttingDown reports whether the code means that the server process is about
// to end.
func IsShuttingDown(code int32) bool { return has(code, shuttingDown) }

// RetriesRead reports whether a read that failed so is worth a second attempt.
func RetriesRead(code int32, message string) bool {
	return has(code, retriesRead) || code == 0 && IsStateChange(0, message)
}

// RetriesWrite reports whether a write that failed so on a server which attaches
// no labels is worth a second attempt.
func RetriesWrite(code int32) bool { return has(code, retriesWrite) }

// Resumes reports whether a change stream whose getMore failed so on a server which
// attaches no labels can go on.
func Resumes(code int32) bool { return has(code, resumes) }
