package write

import (
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
)

// ErrNothing is the error of Fill when no statement of the message can be sent.
var ErrNothing = errors.New("none of the writes can be sent")

// StatementOverhead is what a server accepts around the document of a statement.
const StatementOverhead = sdam.CommandOverhead

// Split sends the statements of one command in as few messages as the server's limits
// allow. Each is encoded once: one that does not fit any more begins the next message.
//
// A statement that cannot be sent, because it cannot be encoded or is too large, takes
// no other with it. In order, those before it are sent, and it ends the operation; if
// not, those behind it are sent too.
type Split struct {
	// Total is how many statements there are. Index is which of the operation's writes
	// a statement is; nil: the same.
	Total int
	Index func(i int) int
	// Append encodes a statement. It may be called again, for a retry.
	Append  func(dst []byte, i int) ([]byte, error)
	Ordered bool
	// Extra is what a statement may take beyond the size of a document.
	Extra   int
	Account *Account

	// What a bulk over several namespaces does besides: Begin is told of the limits
	// whenever a message is begun, and may change them; Cost is how many bytes more the
	// message needs for an encoded statement, or why it cannot be sent; Place completes
	// the statement, which has its place in the message.
	Begin func(*exec.Limits) error
	Cost  func(i int, statement []byte) (int, error)
	Place func(i int, statement []byte)

	first   int       // statement of the message
	next    int       // behind those that the message was filled with
	n       int       // statements in the message
	members []int     // which they are; nil: those from first on
	refused []Refusal // between first and next
	ended   bool      // by a refusal, in order

	spill   []byte // a statement that did not fit in its message
	spilled int    // which statement that is
}

// Run sends all, until the operation has to stop. send runs the command, with Fill for
// its documents; read takes in the reply, releases it, and reports whether to stop.
// The error is that of the message that failed.
func (s *Split) Run(send func() (exec.Result, error), read func(exec.Result) (stop bool)) error {
	for s.first < s.Total && !s.ended {
		s.begin()
		res, err := send()
		stop := false
		switch {
		case errors.Is(err, ErrNothing):
		case err != nil:
			if res.Sent {
				s.mark(Unknown)
			}
			s.settle()
			return err
		case res.Unacknowledged:
			s.mark(Sent)
		default:
			s.Account.Acknowledged = true
			s.mark(Done)
			stop = read(res)
		}
		s.ended = s.ended || stop
		s.settle()
	}
	return nil
}

// begin starts over with a message.
func (s *Split) begin() {
	s.next, s.n, s.members, s.refused, s.ended = s.first, 0, nil, s.refused[:0], false
}

// Next is the write that begins the next message.
func (s *Split) Next() int { return s.index(s.first) }

// Any reports whether there is a write of a kind in the message at hand.
func (s *Split) Any(is func(i int) bool) bool {
	for k := range s.n {
		if is(s.index(s.member(k))) {
			return true
		}
	}
	return false
}

// Count is how many statements are in the message at hand.
func (s *Split) Count() int { return s.n }

// member is the statement at a position of the message.
func (s *Split) member(k int) int {
	if s.members == nil {
		return s.first + k
	}
	return s.members[k]
}

func (s *Split) index(i int) int {
	if s.Index == nil {
		return i
	}
	return s.Index(i)
}

// Write is the operation's write at a position of the message, if there is one: what a
// server says may make no sense.
func (s *Split) Write(k int) (index int, ok bool) {
	if k < 0 || k >= s.n {
		return 0, false
	}
	return s.index(s.member(k)), true
}

// Mark is the outcome of the write at a position of the message.
func (s *Split) Mark(k int, o Outcome) { s.Account.Outcomes[s.index(s.member(k))] = o }

// Refuse takes in that the server refused the write at a position of the message. In
// order, it did not come to those behind it.
func (s *Split) Refuse(k int) {
	s.Mark(k, Refused)
	for k++; s.Ordered && k < s.n; k++ {
		s.Mark(k, NotAttempted)
	}
}

// Doubt takes in that the reply to the message does not say what became of the writes
// from a position on: it makes no sense, or its rest cannot be had.
func (s *Split) Doubt(k int) {
	for ; k < s.n; k++ {
		if s.Account.Outcomes[s.index(s.member(k))] != Refused {
			s.Mark(k, Unknown)
		}
	}
}

func (s *Split) mark(o Outcome) {
	for k := range s.n {
		s.Mark(k, o)
	}
}

// settle closes the account of the message, and goes on behind it.
func (s *Split) settle() {
	for _, r := range s.refused {
		at := s.index(r.Index)
		s.Account.Outcomes[at] = Refused
		s.Account.Refusals = append(s.Account.Refusals, Refusal{at, r.Err})
	}
	s.refused = s.refused[:0]
	s.first = s.next
}

// Fill fills a message with statements.
func (s *Split) Fill(dst []byte, limits exec.Limits) ([]byte, error) {
	s.begin()
	limits.MaxDocument += s.Extra
	if s.Begin != nil {
		if err := s.Begin(&limits); err != nil {
			return dst, err
		}
	}
	room := limits.Room
	if limits.Target > 0 {
		limits.Room = min(room, limits.Target)
	}
	for s.next < s.Total && s.n < limits.MaxBatch && !s.ended {
		at := len(dst)
		out, more, err := s.encode(dst, s.next)
		size := len(out) - at
		if err == nil {
			if size+more > limits.Room && s.n > 0 {
				s.spill, s.spilled = append(s.spill[:0], out[at:]...), s.next
				return out[:at], nil
			}
			err = Fits(size, more, exec.Limits{MaxDocument: limits.MaxDocument, Room: room})
		}
		if err != nil {
			s.refuse(err) // a failing callback may return nil: dst stays
			continue
		}
		dst = out
		limits.Room -= size + more
		if s.Place != nil {
			s.Place(s.next, dst[at:])
		}
		if s.members != nil {
			s.members = append(s.members, s.next)
		}
		s.n++
		s.next++
	}
	if s.next == s.Total {
		s.spill = nil
	}
	if s.n == 0 {
		return dst, ErrNothing
	}
	return dst, nil
}

func (s *Split) encode(dst []byte, i int) (out []byte, more int, err error) {
	at := len(dst)
	if i == s.spilled && len(s.spill) > 0 {
		out = append(dst, s.spill...)
	} else if out, err = s.Append(dst, i); err != nil {
		return dst, 0, err
	}
	if s.Cost != nil {
		more, err = s.Cost(i, out[at:])
	}
	return out, more, err
}

// refuse leaves the next statement out.
func (s *Split) refuse(err error) {
	if s.members == nil && !s.Ordered {
		s.members = make([]int, s.n, s.n+1)
		for k := range s.members {
			s.members[k] = s.first + k
		}
	}
	s.refused = append(s.refused, Refusal{s.next, err})
	s.next++
	s.ended = s.Ordered
}

// TooLargeError is a statement above one of the server's limits.
type TooLargeError struct {
	What        string
	Size, Limit int
	Message     bool // the limit is a message's
}

// Error implements error.
func (e *TooLargeError) Error() string {
	if e.Message {
		return fmt.Sprintf("the %s takes %d bytes, a message has room for %d; it was not sent", e.What, e.Size, e.Limit)
	}
	return fmt.Sprintf("the %s takes %d bytes, the server accepts %d; it was not sent", e.What, e.Size, e.Limit)
}

// Categories implements fault.Categorized.
func (e *TooLargeError) Categories() []error { return []error{fault.ErrDocumentTooLarge} }

// Fits refuses a statement that the server would refuse, or that no message has room
// for, with more bytes that it needs.
func Fits(size, more int, limits exec.Limits) error {
	switch {
	case size > limits.MaxDocument:
		return &TooLargeError{What: "document", Size: size, Limit: limits.MaxDocument}
	case size+more > limits.Room:
		return &TooLargeError{What: "document", Size: size, Limit: limits.Room - more, Message: true}
	}
	return nil
}
