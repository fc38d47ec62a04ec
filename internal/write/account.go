// Package write splits the writes of one operation into messages, and keeps account
// of what became of each. It sends nothing, and decodes no replies.
package write

import "slices"

// Outcome is what became of one write of an operation.
type Outcome uint8

const (
	// NotAttempted: neither was it sent, nor did the server, which stops at the first
	// refusal if writes are ordered, come to it.
	NotAttempted Outcome = iota
	// Unknown: the message that it was in failed, after the server may have got it.
	Unknown
	// Sent: it was sent with a write concern of w=0.
	Sent
	// Refused: the server refused it, or it could not be sent: see Account.Refusals.
	Refused
	// Done: the server answered for it.
	Done
)

// Refusal is a write that could not be sent.
type Refusal struct {
	Index int
	Err   error
}

// Account is what became of the writes of an operation, by their index in it.
type Account struct {
	Outcomes []Outcome
	// Refusals are the writes that could not be sent, in the order in which they were
	// come to.
	Refusals []Refusal
	// Acknowledged is true where the server answered a message.
	Acknowledged bool
}

// NewAccount is for an operation of a number of writes, none of which was attempted.
func NewAccount(total int) Account { return Account{Outcomes: make([]Outcome, total)} }

// Unanswered is the index of the first write that was not attempted, or whose outcome
// is not known; the number of writes, if there is none.
func (a *Account) Unanswered() int {
	at := slices.IndexFunc(a.Outcomes, func(o Outcome) bool { return o <= Unknown })
	if at < 0 {
		return len(a.Outcomes)
	}
	return at
}

// Any reports whether there is a write with one of the outcomes.
func (a *Account) Any(outcomes ...Outcome) bool {
	return slices.ContainsFunc(a.Outcomes, func(o Outcome) bool { return slices.Contains(outcomes, o) })
}
