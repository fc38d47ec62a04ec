package mongo

import (
	official "go.mongodb.org/mongo-driver/v2/mongo"
)

// The official package's types of results, models and errors, under the same names.
type (
	BulkWriteResult             = official.BulkWriteResult
	ClientBulkWriteResult       = official.ClientBulkWriteResult
	ClientBulkWriteInsertResult = official.ClientBulkWriteInsertResult
	ClientBulkWriteUpdateResult = official.ClientBulkWriteUpdateResult
	ClientBulkWriteDeleteResult = official.ClientBulkWriteDeleteResult
	CollectionSpecification     = official.CollectionSpecification
	DatabaseSpecification       = official.DatabaseSpecification
	DeleteResult                = official.DeleteResult
	IndexSpecification          = official.IndexSpecification
	InsertManyResult            = official.InsertManyResult
	InsertOneResult             = official.InsertOneResult
	ListDatabasesResult         = official.ListDatabasesResult
	UpdateResult                = official.UpdateResult
	GridFSFile                  = official.GridFSFile

	ClientBulkWrite       = official.ClientBulkWrite
	ClientWriteModel      = official.ClientWriteModel
	ClientDeleteManyModel = official.ClientDeleteManyModel
	ClientDeleteOneModel  = official.ClientDeleteOneModel
	ClientInsertOneModel  = official.ClientInsertOneModel
	ClientReplaceOneModel = official.ClientReplaceOneModel
	ClientUpdateManyModel = official.ClientUpdateManyModel
	ClientUpdateOneModel  = official.ClientUpdateOneModel
	WriteModel            = official.WriteModel
	DeleteManyModel       = official.DeleteManyModel
	DeleteOneModel        = official.DeleteOneModel
	InsertOneModel        = official.InsertOneModel
	ReplaceOneModel       = official.ReplaceOneModel
	UpdateManyModel       = official.UpdateManyModel
	UpdateOneModel        = official.UpdateOneModel
	IndexModel            = official.IndexModel
	SearchIndexModel      = official.SearchIndexModel

	Dialer     = official.Dialer
	Pipeline   = official.Pipeline
	StreamType = official.StreamType

	BulkWriteError           = official.BulkWriteError
	BulkWriteException       = official.BulkWriteException
	ClientBulkWriteException = official.ClientBulkWriteException
	CommandError             = official.CommandError
	ErrMapForOrderedArgument = official.ErrMapForOrderedArgument
	InvalidArgumentError     = official.InvalidArgumentError
	LabeledError             = official.LabeledError
	MarshalError             = official.MarshalError
	ServerError              = official.ServerError
	WriteConcernError        = official.WriteConcernError
	WriteError               = official.WriteError
	WriteErrors              = official.WriteErrors
	WriteException           = official.WriteException
)

// DefaultGridFSChunkSize is the size in bytes of the chunks of files, unless said
// otherwise.
const DefaultGridFSChunkSize = official.DefaultGridFSChunkSize

// The kinds of change streams.
const (
	CollectionStream = official.CollectionStream
	DatabaseStream   = official.DatabaseStream
	ClientStream     = official.ClientStream
)

// The official package's errors. They are the same values.
var (
	ErrClientDisconnected     = official.ErrClientDisconnected
	ErrEmptySlice             = official.ErrEmptySlice
	ErrFileNotFound           = official.ErrFileNotFound
	ErrInvalidIndexValue      = official.ErrInvalidIndexValue
	ErrMissingChunk           = official.ErrMissingChunk
	ErrMissingGridFSChunkSize = official.ErrMissingGridFSChunkSize
	ErrMissingResumeToken     = official.ErrMissingResumeToken
	ErrMultipleIndexDrop      = official.ErrMultipleIndexDrop
	ErrNilCursor              = official.ErrNilCursor
	ErrNilDocument            = official.ErrNilDocument
	ErrNilValue               = official.ErrNilValue
	ErrNoDocuments            = official.ErrNoDocuments
	ErrNonStringIndexName     = official.ErrNonStringIndexName //nolint:staticcheck // it is there
	ErrNotSlice               = official.ErrNotSlice
	ErrStreamClosed           = official.ErrStreamClosed
	ErrWrongClient            = official.ErrWrongClient
	ErrWrongSize              = official.ErrWrongSize
)

// NewClientDeleteManyModel returns an empty model.
func NewClientDeleteManyModel() *ClientDeleteManyModel { return official.NewClientDeleteManyModel() }

// NewClientDeleteOneModel returns an empty model.
func NewClientDeleteOneModel() *ClientDeleteOneModel { return official.NewClientDeleteOneModel() }

// NewClientInsertOneModel returns an empty model.
func NewClientInsertOneModel() *ClientInsertOneModel { return official.NewClientInsertOneModel() }

// NewClientReplaceOneModel returns an empty model.
func NewClientReplaceOneModel() *ClientReplaceOneModel { return official.NewClientReplaceOneModel() }

// NewClientUpdateManyModel returns an empty model.
func NewClientUpdateManyModel() *ClientUpdateManyModel { return official.NewClientUpdateManyModel() }

// NewClientUpdateOneModel returns an empty model.
func NewClientUpdateOneModel() *ClientUpdateOneModel { return official.NewClientUpdateOneModel() }

// NewDeleteManyModel returns an empty model.
func NewDeleteManyModel() *DeleteManyModel { return official.NewDeleteManyModel() }

// NewDeleteOneModel returns an empty model.
func NewDeleteOneModel() *DeleteOneModel { return official.NewDeleteOneModel() }

// NewInsertOneModel returns an empty model.
func NewInsertOneModel() *InsertOneModel { return official.NewInsertOneModel() }

// NewReplaceOneModel returns an empty model.
func NewReplaceOneModel() *ReplaceOneModel { return official.NewReplaceOneModel() }

// NewUpdateManyModel returns an empty model.
func NewUpdateManyModel() *UpdateManyModel { return official.NewUpdateManyModel() }

// NewUpdateOneModel returns an empty model.
func NewUpdateOneModel() *UpdateOneModel { return official.NewUpdateOneModel() }

// IsDuplicateKeyError reports whether err is a write that a unique index forbids.
func IsDuplicateKeyError(err error) bool { return official.IsDuplicateKeyError(err) }

// IsNetworkError reports whether err is a failure to reach a server, or to stay
// connected to it.
func IsNetworkError(err error) bool { return official.IsNetworkError(err) }

// IsTimeout reports whether err is an operation that took longer than allowed.
func IsTimeout(err error) bool { return official.IsTimeout(err) }

// ErrorCodes returns the servers' error codes in err.
func ErrorCodes(err error) []int { return official.ErrorCodes(err) }
