// Package wireversion has the numbers by which servers say how new they are, and
// what came with each that the client cares about.
package wireversion

// The wire versions of the server releases.
const (
	MongoDB30 = 3
	MongoDB32 = 4
	MongoDB34 = 5
	MongoDB36 = 6
	MongoDB40 = 7
	MongoDB42 = 8
	MongoDB44 = 9
	MongoDB50 = 13
	MongoDB60 = 17
	MongoDB70 = 21
	MongoDB80 = 25
	MongoDB81 = 26
	MongoDB82 = 27
)

// The range that the client speaks.
const (
	Min = MongoDB42
	// Max is the newest wire version that the client was written for.
	Max = 29
	// MinRelease is the release that Min came with.
	MinRelease = "4.2"
)

// What servers can from a wire version on.
const (
	// Sessions, and with them retryable writes, if it is not a standalone server.
	Sessions = MongoDB36
	// KeepsConnections: a primary that steps down keeps its connections.
	KeepsConnections = MongoDB42
	// ErrorLabels: the server attaches RetryableWriteError and
	// ResumableChangeStreamError.
	ErrorLabels = MongoDB44
	// GetMoreComment: getMore takes a comment.
	GetMoreComment = MongoDB44
	// AnyComment: every command takes a comment.
	AnyComment = MongoDB44
	// HintRefused: a hint is refused by commands that do not have one.
	HintRefused = MongoDB44
	// WriteComment: commands that write take a comment.
	WriteComment = MongoDB44
	// WriteLet: update, delete and findAndModify take let.
	WriteLet = MongoDB50
	// UpdateSort: the statements of update take sort.
	UpdateSort = MongoDB80
	// CommitQuorum: createIndexes takes commitQuorum.
	CommitQuorum = MongoDB44
	// CursorOutlivesLimit: a cursor stays open after a batch that ends just at its
	// limit.
	CursorOutlivesLimit = MongoDB50
	// SecondaryWrites: secondaries run aggregations with $out or $merge.
	SecondaryWrites = MongoDB50
	// ElectionIDFirst: electionId decides before setVersion who the newer primary is.
	ElectionIDFirst = MongoDB60
	// QueryableEncryption: the server keeps collections for it as drivers expect.
	QueryableEncryption = MongoDB70
	// BulkWrite: the server has the command bulkWrite.
	BulkWrite = MongoDB80
	// RawData: commands take rawData.
	RawData = MongoDB82
)

// releases are the wire versions that came with releases, newest first.
var releases = []struct {
	wire    int32
	version string
}{
	{MongoDB82, "8.2"}, {MongoDB81, "8.1"}, {MongoDB80, "8.0"}, {MongoDB70, "7.0"}, {MongoDB60, "6.0"}, {MongoDB50, "5.0"},
	{MongoDB44, "4.4"}, {MongoDB42, "4.2"}, {MongoDB40, "4.0"}, {MongoDB36, "3.6"}, {MongoDB34, "3.4"}, {MongoDB32, "3.2"}, {MongoDB30, "3.0"},
}

// Release returns the release that a wire version belongs to, such as "8.0"; "" is
// one before 3.0.
func Release(wire int32) string {
	for _, r := range releases {
		if wire >= r.wire {
			return r.version
		}
	}
	return ""
}
