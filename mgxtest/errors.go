package mgxtest

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// Codes of errors that the simulation raises outside of its engine.
const (
	codeInternalError                   = 1
	codeBadValue                        = 2
	codeHostUnreachable                 = 6
	codeShardNotFound                   = 70
	codeInvalidReplicaSetConfig         = 93
	codeNewConfigIncompatible           = 103
	codeHostNotFound                    = 7
	codeFailedToParse                   = 9
	codeUnauthorized                    = 13
	codeProtocolError                   = 17
	codeAuthenticationFailed            = 18
	codeTypeMismatch                    = 14
	codeIllegalOperation                = 20
	codeLockTimeout                     = 24
	codeNotAReplicaSet                  = 123
	codeNamespaceNotFound               = 26
	codeCursorNotFound                  = 43
	codeNamespaceExists                 = 48
	codeMaxTimeMSExpired                = 50
	codeCommandNotFound                 = 59
	codeWriteConcernTimeout             = 64
	codeInvalidOptions                  = 72
	codeInvalidNamespace                = 73
	codeReadConcernMajorityNotAvailable = 134
	codeUnknownReplWriteConcern         = 79
	codeNetworkTimeout                  = 89
	codeShutdownInProgress              = 91
	codeUnsatisfiableWriteConcern       = 100
	codeWriteConflict                   = 112
	codeConflictingOperationInProgress  = 117
	codeNotYetInitialized               = 94
	codeFailedToSatisfyReadPreference   = 133
	codePrimarySteppedDown              = 189
	codeSocketException                 = 9001
	codeTransactionTooOld               = 225
	codeCursorKilled                    = 237
	codeSnapshotTooOld                  = 239
	codeNoSuchTransaction               = 251
	codeTransactionCommitted            = 256
	codeExceededTimeLimit               = 262
	codeOperationNotSupportedInTxn      = 263
	codeClientDisconnect                = 279
	codeInvalidResumeToken              = 260
	codeChangeStreamFatalError          = 280
	codeChangeStreamHistoryLost         = 286
	codeAPIVersionError                 = 322
	codeAPIStrictError                  = 323
	codeAPIDeprecationError             = 324
	codeMechanismUnavailable            = 334
	codeNotWritablePrimary              = 10107
	codeStaleConfig                     = 13388
	codeFailPointSetFailed              = 266
	codeNoMatchingDocument              = 47
	codeInterruptedAtShutdown           = 11600
	codeInterrupted                     = 11601
	codeInterruptedDueToReplStateChange = 11602
	codeNotPrimaryNoSecondaryOk         = 13435
	codeNotPrimaryOrSecondary           = 13436
	codeUnknownField                    = 40415
	codeMissingField                    = 40414
)

var codeNames = map[int32]string{
	1: "InternalError", 2: "BadValue", 6: "HostUnreachable", 7: "HostNotFound", 9: "FailedToParse",
	11: "UserNotFound", 13: "Unauthorized", 14: "TypeMismatch", 15: "Overflow", 16: "InvalidLength", 17: "ProtocolError", 18: "AuthenticationFailed",
	20: "IllegalOperation", 23: "AlreadyInitialized", 24: "LockTimeout", 26: "NamespaceNotFound", 27: "IndexNotFound", 28: "PathNotViable",
	40: "ConflictingUpdateOperators", 43: "CursorNotFound", 47: "NoMatchingDocument", 48: "NamespaceExists", 50: "MaxTimeMSExpired",
	52: "DollarPrefixedFieldName", 53: "InvalidIdField", 56: "EmptyFieldName", 57: "DottedFieldName", 59: "CommandNotFound",
	63: "StaleShardVersion", 64: "WriteConcernTimeout", 66: "ImmutableField", 67: "CannotCreateIndex", 70: "ShardNotFound", 72: "InvalidOptions",
	73: "InvalidNamespace", 74: "NodeNotFound", 76: "NoReplicationEnabled", 79: "UnknownReplWriteConcern", 85: "IndexOptionsConflict", 86: "IndexKeySpecsConflict",
	89: "NetworkTimeout", 91: "ShutdownInProgress", 93: "InvalidReplicaSetConfig", 94: "NotYetInitialized", 95: "NotSecondary", 96: "OperationFailed",
	100: "UnsatisfiableWriteConcern", 103: "NewReplicaSetConfigurationIncompatible", 104: "NodeNotElectable", 112: "WriteConflict", 117: "ConflictingOperationInProgress", 121: "DocumentValidationFailure", 123: "NotAReplicaSet",
	125: "CommandFailed", 133: "FailedToSatisfyReadPreference", 134: "ReadConcernMajorityNotAvailableYet", 136: "CappedPositionLost",
	169: "CommandOnShardedViewNotSupportedOnMongod", 150: "StaleEpoch", 166: "CommandNotSupportedOnView", 168: "InvalidPipelineOperator",
	175: "QueryPlanKilled", 189: "PrimarySteppedDown", 202: "NetworkInterfaceExceededTimeLimit",
	211: "KeyNotFound", 222: "CloseChangeStream", 225: "TransactionTooOld", 234: "RetryChangeStream", 237: "CursorKilled", 238: "NotImplemented",
	239: "SnapshotTooOld", 246: "SnapshotUnavailable", 251: "NoSuchTransaction", 256: "TransactionCommitted",
	262: "ExceededTimeLimit", 263: "OperationNotSupportedInTransaction", 266: "FailPointSetFailed", 267: "PreparedTransactionInProgress", 276: "IndexBuildAborted", 279: "ClientDisconnect",
	260: "InvalidResumeToken", 280: "ChangeStreamFatalError", 286: "ChangeStreamHistoryLost", 290: "TransactionExceededLifetimeLimitSeconds",
	314: "ObjectIsBusy", 322: "APIVersionError", 323: "APIStrictError", 324: "APIDeprecationError", 334: "MechanismUnavailable",
	391: "ReauthenticationRequired", 462: "IngressRequestRateLimitExceeded",
	9001: "SocketException", 10003: "CannotGrowDocumentInCappedNamespace", 10107: "NotWritablePrimary",
	10334: "BSONObjectTooLarge", 11000: "DuplicateKey", 11600: "InterruptedAtShutdown", 11601: "Interrupted",
	11602: "InterruptedDueToReplStateChange", 13388: "StaleConfig", 13435: "NotPrimaryNoSecondaryOk", 13436: "NotPrimaryOrSecondary",
}

func codeName(code int32) string {
	if name, ok := codeNames[code]; ok {
		return name
	}
	return fmt.Sprintf("Location%d", code)
}

// commandError fails a command as a whole.
type commandError struct {
	code   int32
	msg    string
	labels []string
	extra  bson.D
	// given is what a fail point wants to be told instead, to the letter.
	given bson.Raw
	// forced means that a fail point set the labels, so none are added.
	forced bool
}

func (e *commandError) Error() string {
	return fmt.Sprintf("%s (%d): %s", codeName(e.code), e.code, e.msg)
}

func failf(code int32, format string, args ...any) *commandError {
	return &commandError{code: code, msg: fmt.Sprintf(format, args...)}
}

// errHangUp closes the connection without an answer.
var errHangUp = errors.New("connection closed by the server")

// asCommandError gives any error the form that replies need.
func asCommandError(err error) *commandError {
	var ce *commandError
	if errors.As(err, &ce) {
		return ce
	}
	var ee *engine.Error
	if errors.As(err, &ee) {
		out := &commandError{code: ee.Code, msg: ee.Message}
		out.extra = engineDetails(ee)
		return out
	}
	return failf(codeInternalError, "%v", err)
}

func engineDetails(e *engine.Error) bson.D {
	var d bson.D
	if e.KeyPattern != nil {
		d = append(d, doc("keyPattern", bson.Raw(e.KeyPattern), "keyValue", bson.Raw(e.KeyValue))...)
	}
	if e.Info != nil {
		d = append(d, doc("errInfo", bson.Raw(e.Info))...)
	}
	return d
}

// writeError is the form of an error inside a batch of writes.
func writeError(index int, err error) bson.D {
	ce := asCommandError(err)
	d := doc("index", int32(index), "code", ce.code, "errmsg", ce.msg)
	return append(d, ce.extra...)
}

// doc builds a document from alternating keys and values.
func doc(kv ...any) bson.D {
	d := make(bson.D, 0, len(kv)/2)
	for i := 0; i+1 < len(kv); i += 2 {
		d = append(d, bson.E{Key: kv[i].(string), Value: kv[i+1]})
	}
	return d
}
