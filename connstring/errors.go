package connstring

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is the category of all errors that come from the connection string
// itself, or from DNS records that it may not use: errors.Is(err, ErrInvalid).
var ErrInvalid = errors.New("invalid MongoDB connection string")

// ErrResolve is the category of all errors of [ConnString.Resolve] that have to
// do with DNS: errors.Is(err, ErrResolve).
var ErrResolve = errors.New("the SRV or TXT records of a MongoDB connection string cannot be used")

// ParseError says what is wrong with a connection string. It is in the category
// [ErrInvalid] and never contains a password.
type ParseError struct {
	// Part is the part that is wrong: an option's name, or one of "scheme",
	// "user name", "password", "host", "port", "database", "options".
	Part string
	// Offset is the byte in the URI where the trouble starts, -1 where there is
	// no such place: the contradiction came with a merge or a TXT record.
	Offset int
	// Message says what is wrong and what to do.
	Message string
	// URI is the connection string with its secrets replaced, "" if unknown.
	URI string

	caret int // Offset, moved to its place in URI
}

// Error returns the part, the message and the place.
func (e *ParseError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "invalid MongoDB connection string: %s: %s", e.Part, e.Message)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " (at byte %d)", e.Offset)
	}
	return b.String()
}

// Is reports the category: it is true for [ErrInvalid].
func (e *ParseError) Is(target error) bool { return target == ErrInvalid }

// Pointer returns two lines: the redacted URI, and a caret below the place where
// the trouble starts. It returns "" where that is unknown.
func (e *ParseError) Pointer() string {
	if e.Offset < 0 || e.URI == "" {
		return ""
	}
	at := min(max(e.caret, 0), len(e.URI))
	blanks := strings.Repeat(" ", len([]rune(e.URI[:at])))
	return e.URI + "\n" + blanks + "^"
}

// in returns the error with the place that it was found at.
func (e *ParseError) in(uri string, offset int) *ParseError {
	e.Offset = offset
	e.URI, e.caret = redact(uri, offset)
	return e
}

// problem makes an error that does not know its place yet.
func problem(part, format string, args ...any) *ParseError {
	return &ParseError{Part: part, Offset: -1, Message: fmt.Sprintf(format, args...)}
}

// Warning tells about an option that was ignored, or that should be written
// differently. It never contains a password.
type Warning struct {
	// Option is the option as its owner spelled it, "" where it is not certain
	// that the text is an option at all.
	Option string
	// Message says what is the matter and what to do.
	Message string
	// Offset is the byte in the URI, or -1.
	Offset int
}

// String returns the option and the message.
func (w Warning) String() string {
	if w.Option == "" {
		return w.Message
	}
	return w.Option + ": " + w.Message
}
