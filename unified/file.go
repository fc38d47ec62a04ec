package unified

import (
	"fmt"
	"os"

	"github.com/mgxdb/mgx/bson"
)

// NewestFormat is the newest version of the format that this package runs; it
// runs every older one from 1.0.
var NewestFormat = Version{1, 28, 0}

// File is a test file.
type File struct {
	Description   string           `bson:"description"`
	SchemaVersion string           `bson:"schemaVersion"`
	RunOn         []Requirement    `bson:"runOnRequirements"`
	Entities      []bson.D         `bson:"createEntities"`
	InitialData   []CollectionData `bson:"initialData"`
	Tests         []*Test          `bson:"tests"`
}

// Test is one test of a file.
type Test struct {
	Description  string           `bson:"description"`
	RunOn        []Requirement    `bson:"runOnRequirements"`
	SkipReason   string           `bson:"skipReason"`
	Operations   []Operation      `bson:"operations"`
	ExpectEvents []ExpectedEvents `bson:"expectEvents"`
	ExpectLogs   []ExpectedLogs   `bson:"expectLogMessages"`
	ExpectTraces []ExpectedTraces `bson:"expectTracingMessages"`
	Outcome      []CollectionData `bson:"outcome"`
}

// CollectionData is what a collection holds before or after a test.
type CollectionData struct {
	Database      string   `bson:"databaseName"`
	Collection    string   `bson:"collectionName"`
	CreateOptions bson.D   `bson:"createOptions"`
	Documents     []bson.D `bson:"documents"`
}

// Operation is one step of a test.
type Operation struct {
	Name         string        `bson:"name"`
	Object       string        `bson:"object"`
	Arguments    bson.D        `bson:"arguments"`
	Ignore       bool          `bson:"ignoreResultAndError"`
	ExpectError  bson.D        `bson:"expectError"`
	ExpectResult bson.RawValue `bson:"expectResult"` // its zero value: not there
	Save         string        `bson:"saveResultAsEntity"`
}

// ExpectedEvents are the events of one kind that a client is to have seen.
type ExpectedEvents struct {
	Client      string   `bson:"client"`
	Kind        string   `bson:"eventType"` // command, if empty
	Events      []bson.D `bson:"events"`
	IgnoreExtra bool     `bson:"ignoreExtraEvents"`
}

// ExpectedLogs are the log messages that a client is to have written.
type ExpectedLogs struct {
	Client      string            `bson:"client"`
	Messages    []ExpectedMessage `bson:"messages"`
	Ignored     []ExpectedMessage `bson:"ignoreMessages"`
	IgnoreExtra bool              `bson:"ignoreExtraMessages"`
}

// ExpectedMessage is one log message.
type ExpectedMessage struct {
	Level     string `bson:"level"`
	Component string `bson:"component"`
	Data      bson.D `bson:"data"`
	Redacted  *bool  `bson:"failureIsRedacted"`
}

// ExpectedTraces are the spans that a client is to have reported.
type ExpectedTraces struct {
	Client      string         `bson:"client"`
	IgnoreExtra bool           `bson:"ignoreExtraSpans"`
	Spans       []ExpectedSpan `bson:"spans"`
}

// ExpectedSpan is one span, with those below it.
type ExpectedSpan struct {
	Name       string         `bson:"name"`
	Attributes bson.D         `bson:"attributes"`
	Nested     []ExpectedSpan `bson:"nested"`
}

// Load reads a test file and refuses one that breaks the format's rules, or that
// is of a version which this package does not know.
func Load(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Parse is Load for a file's contents.
func Parse(data []byte) (*File, error) {
	var d bson.D
	if err := bson.UnmarshalExtJSON(data, false, &d); err != nil {
		return nil, err
	}
	// An unknown version may have unknown keys: say that first.
	if text, ok := lookup(d, "schemaVersion"); ok && formatVersion("schemaVersion", text) == nil {
		v, err := ParseVersion(text.(string))
		if err != nil {
			return nil, err
		}
		if v[0] != NewestFormat[0] || v.Compare(NewestFormat) > 0 {
			return nil, fmt.Errorf("schemaVersion %s: only 1.0 to %s are supported", text, NewestFormat)
		}
	}
	if err := theFile("file", d); err != nil {
		return nil, err
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil, err
	}
	f := new(File)
	if err := bson.Unmarshal(raw, f); err != nil {
		return nil, err
	}
	return f, nil
}
