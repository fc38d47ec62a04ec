// Package jsonlines reads documents in Extended JSON from a stream of any length:
// one a line, formatted over several lines, or all in one array, compressed with
// gzip or not. A document that is wrong is reported with its place, and the rest
// can be read on.
package jsonlines

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/extjson"
)

// MaxDocument is the longest text of one document that is read, in bytes. A
// document of the 16 MiB that servers take fits in, whatever its types.
const MaxDocument = 128 << 20

// Document is a document and the line that its text begins in.
type Document struct {
	Raw  bson.Raw
	Line int
}

// Error is something wrong in the text. Reading may go on after it.
type Error struct {
	Line   int // from 1
	Column int // from 1, in characters
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Reader reads documents from a stream.
//
// Where the text is broken, so that one cannot tell where a document ends, reading
// goes on at the next line that begins with an opening brace; where documents within
// others begin in the first column too, it ends. Outside of an array, a line that
// begins with a brace and goes on begins a document, even where a value may follow.
type Reader struct {
	r     *bufio.Reader
	gz    *gzip.Reader
	pos   position
	mode  mode
	text  []byte // of the document that is being read
	start position
	err   error // that ends the stream
	limit int   // of the text of a document
	// flat is set when a document within one has begun in the first column, so that the
	// next brace there may be of either.
	flat bool
}

type position struct{ line, column int }

type mode int

const (
	unknown mode = iota
	lines        // documents after each other
	array        // inside of an array, before an element or its end
	comma        // inside of an array, after an element
	closed       // after the array
)

const bufferSize = 64 << 10

// NewReader returns a reader of r. It reads from it with the first Next.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, bufferSize), pos: position{1, 1}, limit: MaxDocument}
}

// Next returns the next document. Its error is io.EOF at the end, an [*Error] for
// text that is wrong, after which the next call goes on, or the stream's own,
// which all further calls repeat.
func (r *Reader) Next() (Document, error) {
	for {
		if r.err != nil {
			return Document{}, r.err
		}
		found, err := r.step()
		var wrong *Error
		if err != nil && !errors.As(err, &wrong) {
			r.err = err
		}
		if err != nil {
			return Document{}, err
		}
		if found {
			return r.parse()
		}
	}
}

// step reads up to the end of the next document, whose text it leaves in r.text,
// or past something that is not one.
func (r *Reader) step() (found bool, err error) {
	if r.mode == unknown {
		return false, r.begin()
	}
	c, err := r.nextVisible()
	if err == io.EOF && (r.mode == array || r.mode == comma) {
		r.mode = closed
		return false, r.wrong(r.pos, "the array is not closed")
	}
	if err != nil {
		return false, err
	}
	at := r.pos
	switch {
	case r.mode == closed:
		r.err = io.EOF
		return false, r.wrong(at, "there is text after the end of the array")
	case r.mode == comma && c == ',':
		r.mode = array
		r.skip(c)
		return false, nil
	case r.mode != lines && c == ']':
		r.mode = closed
		r.skip(c)
		return false, nil
	case r.mode == comma && c == '{':
		r.mode = array
		return false, r.wrong(at, "a comma is missing between two documents")
	case c == '{':
		return true, r.document()
	}
	return false, r.stray(at)
}

// begin finds out what the stream is.
func (r *Reader) begin() error {
	if magic, _ := r.r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) && r.gz == nil {
		var err error
		if r.gz, err = gzip.NewReader(r.r); err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		r.r = bufio.NewReaderSize(r.gz, bufferSize)
	}
	if mark, _ := r.r.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = r.r.Discard(3) // just peeked
	}
	c, err := r.nextVisible()
	if err != nil {
		return err
	}
	r.mode = lines
	if c == '[' {
		r.mode = array
		r.skip(c)
	}
	return nil
}

// nextVisible skips white space and peeks at what follows.
func (r *Reader) nextVisible() (byte, error) {
	for {
		c, err := r.peek()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, nil
		}
		r.skip(c)
	}
}

func (r *Reader) peek() (byte, error) {
	b, err := r.r.Peek(1)
	if len(b) == 1 {
		return b[0], nil
	}
	if err != io.EOF {
		err = fmt.Errorf("read: %w", err)
	}
	return 0, err
}

// skip goes past the byte c, which was peeked at.
func (r *Reader) skip(c byte) {
	_, _ = r.r.Discard(1)
	switch {
	case c == '\n':
		r.pos = position{r.pos.line + 1, 1}
	case utf8.RuneStart(c):
		r.pos.column++
	}
}

func (r *Reader) wrong(at position, reason string) error {
	return &Error{at.line, at.column, reason}
}

// document reads a document's text. What is between its braces is looked at only
// so far as to find the end: strings, and other braces and brackets.
func (r *Reader) document() error {
	r.text, r.start = r.text[:0], r.pos
	var open nesting
	quoted, escaped, flat := false, false, false
	for {
		c, err := r.peek()
		if err == io.EOF {
			r.mode = closed
			return r.wrong(r.start, "the document is not closed at the end of the input")
		}
		if err != nil {
			return err
		}
		if c == '{' && r.pos.column == 1 && len(r.text) > 0 {
			if !open.takesValue() || r.mode == lines && !r.braceAlone() {
				return r.unclosed()
			}
			flat = true
			r.flat = r.flat || r.mode == array
		}
		if len(r.text) >= r.limit {
			return r.giveUp(r.start, fmt.Sprintf("the document is longer than %d bytes", r.limit))
		}
		r.text = append(r.text, c)
		r.skip(c)
		switch {
		case quoted && c == '\n':
			// The rest of the document cannot be told from other documents.
			return r.giveUp(r.start, "the document has a string that is not closed at the end of its line")
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
			open.last = c
		default:
			if open.see(c); len(open.braces) == 0 {
				r.flat = r.flat || flat
				return r.ended()
			}
		}
	}
}

// nesting is what of a document's text is not closed yet.
type nesting struct {
	braces []byte
	last   byte // that is neither white space nor in a string
}

func (n *nesting) see(c byte) {
	switch c {
	case ' ', '\t', '\n', '\r':
		return
	case '{', '[':
		n.braces = append(n.braces, c)
	case '}', ']':
		n.braces = n.braces[:len(n.braces)-1]
	}
	n.last = c
}

// takesValue reports whether a value may follow, by the grammar of JSON.
func (n *nesting) takesValue() bool {
	return n.last == ':' || n.last == '[' || n.last == ',' && n.braces[len(n.braces)-1] == '['
}

// braceAlone reports whether nothing follows a brace in its line, as where a document
// is formatted without indentation. One that something follows begins the next of
// several documents in lines, of which the one before was cut off.
func (r *Reader) braceAlone() bool {
	next, _ := r.r.Peek(2)
	return len(next) == 2 && (next[1] == '\n' || next[1] == '\r')
}

// unclosed reports a document that the next one begins within.
func (r *Reader) unclosed() error {
	const reason = "the document is not closed before the next one begins"
	switch {
	case r.flat:
		return r.giveUp(r.start, reason)
	case r.pos.line > r.start.line+1:
		return r.wrong(r.start, fmt.Sprintf("%s, in line %d", reason, r.pos.line))
	}
	return r.wrong(r.start, reason)
}

// ended decides what has to follow the document.
func (r *Reader) ended() error {
	if r.mode == array {
		r.mode = comma
		return nil
	}
	for {
		c, ok := r.following()
		if !ok || c == '\n' || c == '{' {
			return nil
		}
		if c != ' ' && c != '\t' && c != '\r' && c != ',' {
			return r.giveUp(r.pos, "there is text after the document")
		}
		r.skip(c)
	}
}

// following peeks at what follows a document. An error waits for the next call:
// the document is whole.
func (r *Reader) following() (c byte, ok bool) {
	c, err := r.peek()
	if err != nil {
		r.err = err
	}
	return c, err == nil
}

// stray reports what is not a document and goes past it.
func (r *Reader) stray(at position) error {
	reason := "expected a document in braces"
	if r.mode != lines {
		reason = "expected a document in braces, or the end of the array"
		r.mode = array
	}
	return r.giveUp(at, reason)
}

// giveUp reports text in which one cannot tell where a document ends, and goes to
// the next line that begins with a brace, or in an array closes it.
func (r *Reader) giveUp(at position, reason string) error {
	if r.flat {
		r.err = io.EOF
		return r.wrong(at, reason+"; what follows is not read, for documents within others begin in the first column, too")
	}
	wrong := r.wrong(at, reason)
	for begins := r.pos.column == 1; ; {
		c, err := r.peek()
		if err == io.EOF {
			r.mode = closed // that an array is not closed is clear without saying
			return wrong
		}
		if err != nil {
			r.err = err
			return wrong
		}
		if begins && (c == '{' || c == ']' && r.mode == array) {
			return wrong
		}
		if c != ' ' && c != '\t' && c != '\r' {
			begins = c == '\n'
		}
		r.skip(c)
	}
}

// parse makes a document of r.text.
func (r *Reader) parse() (Document, error) {
	if err := r.check(); err != nil {
		return Document{}, err
	}
	raw, err := extjson.Unmarshal(r.text)
	if err != nil {
		return Document{}, r.wrong(r.start, "not Extended JSON: "+err.Error())
	}
	return Document{raw, r.start.line}, nil
}

// check sees that the text is JSON, and finds the place where it is not.
func (r *Reader) check() error {
	if !utf8.Valid(r.text) {
		return r.wrong(r.place(invalidUTF8(r.text)), "not valid UTF-8")
	}
	if json.Valid(r.text) {
		return nil
	}
	var v any
	err := json.Unmarshal(r.text, &v)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return r.wrong(r.start, fmt.Sprint("not JSON: ", err))
	}
	return r.wrong(r.place(int(syntax.Offset)-1), "not JSON: "+syntax.Error())
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		c, size := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(b)
}

// place turns an offset in the document's text into a place in the stream.
func (r *Reader) place(offset int) position {
	before := r.text[:max(0, min(offset, len(r.text)))]
	i := bytes.LastIndexByte(before, '\n')
	if i < 0 {
		return position{r.start.line, r.start.column + utf8.RuneCount(before)}
	}
	return position{r.start.line + bytes.Count(before, []byte{'\n'}), 1 + utf8.RuneCount(before[i+1:])}
}
