package mgx

import (
	"bytes"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/changestream"
)

// changeStreamSettings are the options of $changeStream.
type changeStreamSettings struct {
	full, before            string
	resumeAfter, startAfter any
	at                      *changestream.Time
	expanded, split         bool
}

var noChangeStreamSettings changeStreamSettings

func (s *callOptions) changeStream() *changeStreamSettings {
	if s.watch == nil {
		return &noChangeStreamSettings
	}
	return s.watch
}

// watching makes an option of $changeStream. Settings are copied, what they point to is
// not.
func watching(change func(*changeStreamSettings)) option {
	return func(s *callOptions) {
		own := *s.changeStream()
		change(&own)
		s.watch = &own
	}
}

// FullDocument says what an update's event has as the whole document, beside what
// changed: "updateLookup" is the document as it is when the event is read,
// "whenAvailable" and "required" are the document right after the update, which the
// collection must record (PreAndPostImages): without it, there is none, or an error.
// "default" is none, as without the option.
func FullDocument(mode string) WatchOption {
	return watching(func(c *changeStreamSettings) { c.full = mode })
}

// FullDocumentBeforeChange says whether events have the document as it was before:
// "whenAvailable", "required", or "off", as without the option. The collection must
// record it (PreAndPostImages). It needs server 6.0.
func FullDocumentBeforeChange(mode string) WatchOption {
	return watching(func(c *changeStreamSettings) { c.before = mode })
}

// ResumeAfter begins after the event of a resume token: see ChangeStream.ResumeToken.
// The server refuses that of an invalidate event: use StartAfter. A nil token is none.
func ResumeAfter(token any) WatchOption {
	return watching(func(c *changeStreamSettings) { c.resumeAfter = token })
}

// StartAfter is ResumeAfter that also goes on after an invalidate event: with a
// collection that was dropped and is there again. A nil token is none.
func StartAfter(token any) WatchOption {
	return watching(func(c *changeStreamSettings) { c.startAfter = token })
}

// StartAtOperationTime begins with the changes at or after a time of the server's, such
// as the operationTime of a reply. The zero Timestamp is none.
func StartAtOperationTime(t bson.Timestamp) WatchOption {
	return watching(func(c *changeStreamSettings) {
		if c.at = nil; !t.IsZero() {
			c.at = &changestream.Time{T: t.T, I: t.I}
		}
	})
}

// ShowExpandedEvents shows events of more kinds: those of creating, changing and
// sharding collections and of indexes. It needs server 6.0.
func ShowExpandedEvents() WatchOption {
	return watching(func(c *changeStreamSettings) { c.expanded = true })
}

// SplitLargeEvents has the server split events that are larger than a document may be
// (16 MiB), which would end the stream otherwise, and the stream put them together
// again. It needs server 6.0.9 or 7.0. Who puts $changeStreamSplitLargeEvent at the end
// of the pipeline instead gets the fragments.
func SplitLargeEvents() WatchOption {
	return watching(func(c *changeStreamSettings) { c.split = true })
}

// start encodes where to begin.
func (c *changeStreamSettings) start() (changestream.Start, error) {
	s := changestream.Start{At: c.at}
	for _, token := range []struct {
		name string
		from any
		to   *[]byte
	}{{"resume token", c.resumeAfter, &s.ResumeAfter}, {"resume token", c.startAfter, &s.StartAfter}} {
		if raw, ok := token.from.(bson.Raw); token.from == nil || ok && len(raw) == 0 {
			continue
		}
		doc, err := appendDocument(nil, token.name, token.from)
		if err != nil {
			return s, err
		}
		*token.to = bytes.Clone(doc)
	}
	return s, nil
}

// append appends the options but those of where to begin.
func (c *changeStreamSettings) append(dst []byte) []byte {
	dst = appendNonEmpty(dst, "fullDocument", c.full)
	dst = appendNonEmpty(dst, "fullDocumentBeforeChange", c.before)
	return appendTrue(dst, "showExpandedEvents", c.expanded)
}
