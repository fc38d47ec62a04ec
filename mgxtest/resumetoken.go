package mgxtest

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// position names an event: the operation op of the entry at ts, or a fragment of it,
// from 1. An op of -1 is before the first, allOps behind the last: between events.
type position struct {
	ts       timestamp
	op       int
	fragment int
}

const (
	allOps = 1<<31 - 1
	// second marks the event that follows that of the operation itself: an
	// invalidation.
	second = 1 << 16
)

func (p position) invalidates() bool { return p.op != allOps && p.op >= second }

// past reports whether all events of an operation of its entry were reported.
func (p position) past(op int) bool {
	if p.op < second {
		return op <= p.op
	}
	return op+second <= p.op
}

// token is the resume token of a position.
func (p position) token() bson.D {
	data := fmt.Sprintf("82%08X%08X%08X", p.ts.t, p.ts.i, uint32(p.op))
	if p.fragment > 0 {
		data += fmt.Sprintf("%08X", p.fragment)
	}
	return doc("_data", data)
}

func parseToken(raw bson.Raw) (position, error) {
	s, _ := raw.Lookup("_data").StringValueOK()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 13 && len(b) != 17 || b[0] != 0x82 {
		return position{}, failf(50811, "Invalid format for resume token: %s", raw)
	}
	n := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
	p := position{ts: timestamp{n(1), n(5)}, op: int(int32(n(9)))}
	if len(b) == 17 {
		p.fragment = int(n(13))
	}
	return p, nil
}

const (
	// maxEvent is the largest event that goes over the wire, maxFragment the largest
	// that is not split.
	maxEvent    = 16<<20 + 16<<10
	maxFragment = maxEvent - 8<<10
)

// fragments returns an event as it is handed out: as a whole, or in parts where it
// is too large and the stream splits. The parts have the event's fields, the small
// ones first (manual: $changeStreamSplitLargeEvent).
func (s *stream) fragments(at position, ev bson.Raw) ([]bson.Raw, error) {
	if !s.splits || len(ev) <= maxFragment {
		if len(ev) > maxEvent {
			return nil, failf(engine.CodeBSONObjectTooLarge, "BSONObj size: %d (0x%X) is invalid. Size must be between 0 and %d(16MB) First element: _id: %v", len(ev), len(ev), maxEvent, at.token())
		}
		return []bson.Raw{ev}, nil
	}
	elems, err := ev.Elements()
	if err != nil {
		return nil, err
	}
	elems = slices.DeleteFunc(elems, func(e bson.RawElement) bool { return e.Key() == "_id" })
	slices.SortStableFunc(elems, func(a, b bson.RawElement) int { return cmp.Compare(len(a), len(b)) })
	var parts [][]bson.RawElement
	room := 0
	for _, e := range elems {
		if len(e) > room {
			parts, room = append(parts, nil), maxFragment-1<<10
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], e)
		room -= len(e)
	}
	var out []bson.Raw
	for i, part := range parts {
		at.fragment = i + 1
		d := doc("_id", at.token(), "splitEvent", doc("fragment", int32(i+1), "of", int32(len(parts))))
		for _, e := range part {
			d = append(d, bson.E{Key: e.Key(), Value: e.Value()})
		}
		raw, err := bson.Marshal(d)
		if err != nil {
			return nil, err
		}
		if len(raw) > maxEvent {
			return nil, failf(7182500, "Splitting change event failed: fragment size is greater than maximum allowed fragment size.")
		}
		out = append(out, raw)
	}
	return out, nil
}
