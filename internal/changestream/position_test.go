package changestream

import (
	"bytes"
	"testing"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// token is a document that says who it is.
func token(name string) []byte {
	if name == "" {
		return nil
	}
	doc, at := bsonwire.Begin(nil)
	return bsonwire.End(bsonwire.AppendString(doc, "t", name), at)
}

// said reads what a position appends: the options in their order.
func said(p *Position, wire int32) string {
	doc, at := bsonwire.Begin(nil)
	doc = bsonwire.End(p.Append(doc, wire), at)
	var b bytes.Buffer
	for r := bsonwire.NewReader(doc); r.Next(); {
		b.Write(r.Key())
		if d, ok := r.Value().AsDocument(); ok {
			v, _ := bsonwire.Lookup(d, "t")
			s, _ := v.AsString()
			b.WriteString(":" + s)
		}
		if t, _, ok := r.Value().AsTimestamp(); ok {
			b.WriteString(":" + string(rune('0'+t)))
		}
		b.WriteString(" ")
	}
	return b.String()
}

const (
	old     = 8 // servers from 4.0.7 on have a postBatchResumeToken
	current = 25
)

func TestPosition(t *testing.T) {
	type step func(*Position)
	opened := func(empty bool, tok string, at *Time) step {
		return func(p *Position) { p.Opened(empty, token(tok), at, current) }
	}
	emptied := func(tok string) step { return func(p *Position) { p.Emptied(token(tok)) } }
	returned := func(id string, last bool, tok string) step {
		return func(p *Position) { p.Returned(token(id), last, token(tok)) }
	}
	at1, at2 := &Time{T: 1}, &Time{T: 2}
	for name, c := range map[string]struct {
		start Start
		steps []step
		token string
		said  string
	}{
		"not opened":                     {Start{}, nil, "", ""},
		"all that is given":              {Start{ResumeAfter: token("r"), StartAfter: token("s"), At: at1}, nil, "s", "resumeAfter:r startAfter:s startAtOperationTime:1 "},
		"opened with events":             {Start{}, []step{opened(false, "p", at1)}, "", ""},
		"opened empty":                   {Start{}, []step{opened(true, "p", at1)}, "p", "resumeAfter:p "},
		"opened empty without a token":   {Start{}, []step{opened(true, "", at1)}, "", "startAtOperationTime:1 "},
		"opened twice without a token":   {Start{}, []step{opened(true, "", at1), opened(true, "", at2)}, "", "startAtOperationTime:1 "},
		"given a time":                   {Start{At: at1}, []step{opened(true, "", at2)}, "", "startAtOperationTime:1 "},
		"given a time, then a token":     {Start{At: at1}, []step{opened(true, "p", at2)}, "p", "resumeAfter:p "},
		"resumed, with events":           {Start{ResumeAfter: token("r")}, []step{opened(false, "p", at1)}, "r", "resumeAfter:r "},
		"resumed, without a token":       {Start{ResumeAfter: token("r")}, []step{opened(true, "", at1)}, "r", "resumeAfter:r "},
		"started after, nothing yet":     {Start{StartAfter: token("s")}, []step{opened(false, "p", at1)}, "s", "startAfter:s "},
		"started after, then empty":      {Start{StartAfter: token("s")}, []step{opened(true, "p", at1), emptied("q")}, "q", "startAfter:q "},
		"started after, then an event":   {Start{StartAfter: token("s")}, []step{opened(false, "p", at1), returned("1", false, "p")}, "1", "resumeAfter:1 "},
		"an event, not the last":         {Start{}, []step{opened(false, "p", nil), returned("1", false, "p")}, "1", "resumeAfter:1 "},
		"the last event":                 {Start{}, []step{opened(false, "p", nil), returned("1", true, "p")}, "p", "resumeAfter:p "},
		"the last event without a token": {Start{}, []step{opened(false, "", nil), returned("1", true, "")}, "1", "resumeAfter:1 "},
		"empty batches without a token":  {Start{}, []step{opened(false, "", nil), returned("1", true, ""), emptied("")}, "1", "resumeAfter:1 "},
		"empty batches with a token":     {Start{}, []step{opened(false, "p", nil), returned("1", true, "p"), emptied("q")}, "q", "resumeAfter:q "},
	} {
		p := NewPosition(c.start)
		for _, s := range c.steps {
			s(&p)
		}
		if !bytes.Equal(p.Token(), token(c.token)) {
			t.Errorf("%s: the token is %q, expected %q", name, p.Token(), c.token)
		}
		if got := said(&p, current); got != c.said {
			t.Errorf("%s: it goes on with %q, expected %q", name, got, c.said)
		}
	}
}

// What the user gave stays the user's.
func TestPositionKeepsItsOwnToken(t *testing.T) {
	given := token("given")
	p := NewPosition(Start{StartAfter: given})
	p.Opened(true, token("other"), nil, current)
	if !bytes.Equal(given, token("given")) {
		t.Error("the user's token has changed")
	}
}

func TestOperationTimeNeedsServer40(t *testing.T) {
	p := NewPosition(Start{})
	p.Opened(true, nil, &Time{T: 1}, 6)
	if got := said(&p, 6); got != "" {
		t.Errorf("it goes on with %q", got)
	}
}

func TestResumable(t *testing.T) {
	for _, c := range []struct {
		code     int32
		labelled bool
		wire     int32
		want     bool
	}{
		{43, false, current, true}, {43, false, old, true},
		{6, false, current, false}, {6, true, current, true}, {0, true, current, true},
		{6, true, old, true}, {1, true, old, false},
		{7, false, old, true}, {89, false, old, true}, {91, false, old, true}, {189, false, old, true}, {262, false, old, true},
		{9001, false, old, true}, {10107, false, old, true}, {11600, false, old, true}, {11602, false, old, true},
		{13435, false, old, true}, {13436, false, old, true}, {63, false, old, true}, {150, false, old, true},
		{13388, false, old, true}, {234, false, old, true}, {133, false, old, true},
		{11601, false, old, false}, {136, false, old, false}, {237, false, old, false}, {50, false, old, false},
		{10058, false, old, false}, {134, false, old, false},
	} {
		if got := Resumable(c.code, c.labelled, c.wire); got != c.want {
			t.Errorf("code %d, labelled %v, wire version %d: %v", c.code, c.labelled, c.wire, got)
		}
	}
}
