// Package engine keeps the documents of one simulated server: collections in
// natural order, unique indexes, snapshots, and the query, update and
// aggregation languages over them.
//
// Its border is raw BSON. Inside, documents are the decoded form that
// lungo's mongokit works on; mongokit matches, updates and orders, and this
// package adds what it leaves out: regular expressions, $expr, the positional
// operator, projections in document order, update pipelines and aggregation.
//
// Nothing here locks: a Store belongs to one owner at a time. Records never
// change after they are made, so stores share them freely, and Snapshot costs
// time in the number of collections, not of documents.
package engine

import "fmt"

// Error is a failure with the code that a server reports.
type Error struct {
	Code    int32
	Message string
	// KeyPattern, KeyValue describe a duplicate key, as raw documents.
	KeyPattern, KeyValue []byte
	// Info is the errInfo of a failed document validation.
	Info []byte
}

func (e *Error) Error() string { return e.Message }

// Error codes that the engine raises itself.
const (
	CodeBadValue                = 2
	CodeFailedToParse           = 9
	CodeTypeMismatch            = 14
	CodeIllegalOperation        = 20
	CodeNamespaceNotFound       = 26
	CodeIndexNotFound           = 27
	CodePathNotViable           = 28
	CodeConflictingUpdate       = 40
	CodeNamespaceExists         = 48
	CodeDollarPrefixedField     = 52
	CodeInvalidIDField          = 53
	CodeImmutableField          = 66
	CodeCannotCreateIndex       = 67
	CodeInvalidOptions          = 72
	CodeInvalidNamespace        = 73
	CodeIndexOptionsConflict    = 85
	CodeIndexKeySpecsConflict   = 86
	CodeDocumentValidation      = 121
	CodeViewDepthLimitExceeded  = 165
	CodeCommandNotSupportedView = 166
	CodeInvalidPipelineOperator = 168
	CodeConversionFailure       = 241
	CodeBSONObjectTooLarge      = 10334
	CodeDuplicateKey            = 11000
	CodeUnrecognizedStage       = 40324
)

// Errorf makes an Error.
func Errorf(code int32, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// wrap gives an error without a code the code of a bad value.
func wrapError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok {
		return e
	}
	return &Error{Code: CodeBadValue, Message: err.Error()}
}
