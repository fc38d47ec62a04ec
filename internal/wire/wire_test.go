package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
)

// emptyDoc and pingDoc are BSON written out by hand, so that the tests do not
// trust the code that they test.
var (
	emptyDoc = []byte{5, 0, 0, 0, 0}
	pingDoc  = []byte("\x0f\x00\x00\x00\x10ping\x00\x01\x00\x00\x00\x00")
)

func msg(flags Flags, sections ...[]byte) []byte {
	b, start := BeginMsg(nil, 7, 3, flags)
	for _, s := range sections {
		b = append(b, s...)
	}
	if flags&ChecksumPresent != 0 {
		return appendChecksum(b, start)
	}
	return End(b, start)
}

func body(doc []byte) []byte { return append(BeginBody(nil), doc...) }

func sequence(id string, docs ...[]byte) []byte {
	b, start := BeginSequence(nil, id)
	for _, d := range docs {
		b = append(b, d...)
	}
	return EndSequence(b, start)
}

func TestMsgRoundTrip(t *testing.T) {
	for _, flags := range []Flags{0, MoreToCome, ExhaustAllowed, ChecksumPresent, ChecksumPresent | MoreToCome, 1 << 20} {
		b := msg(flags, body(pingDoc), sequence("documents", emptyDoc, pingDoc), sequence("other"))
		m, err := ParseMsg(b)
		if err != nil {
			t.Fatalf("flags %#x: %v", flags, err)
		}
		if m.Flags != flags || m.RequestID != 7 || m.ResponseTo != 3 || int(m.Length) != len(b) {
			t.Errorf("flags %#x: parsed %+v", flags, m.Header)
		}
		if !bytes.Equal(m.Body, pingDoc) {
			t.Errorf("body %x", m.Body)
		}
		if len(m.Sequences) != 2 || m.Sequences[0].Identifier != "documents" || m.Sequences[1].Identifier != "other" {
			t.Fatalf("sequences %+v", m.Sequences)
		}
		s := m.Sequences[0]
		first, ok1 := s.Next()
		second, ok2 := s.Next()
		_, ok3 := s.Next()
		if !ok1 || !ok2 || ok3 || !bytes.Equal(first, emptyDoc) || !bytes.Equal(second, pingDoc) {
			t.Errorf("documents %x %x (%v %v %v)", first, second, ok1, ok2, ok3)
		}
	}
}

func TestMsgSectionsInAnyOrder(t *testing.T) {
	m, err := ParseMsg(msg(0, sequence("documents", pingDoc), body(emptyDoc)))
	if err != nil || !bytes.Equal(m.Body, emptyDoc) || len(m.Sequences) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
}

func TestMsgRefused(t *testing.T) {
	flip := func(b []byte, at int, v byte) []byte { b[at] = v; return b }
	long := func(b []byte, at int, v uint32) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b }
	tests := []struct {
		name, want string
		frame      []byte
	}{
		{"empty", "too few for a header", nil},
		{"half a header", "too few for a header", make([]byte, 8)},
		{"length below a header", "states a length", long(msg(0, body(pingDoc)), 0, 15)},
		{"negative length", "states a length", long(msg(0, body(pingDoc)), 0, 1<<31)},
		{"length beyond the message", "states 999 bytes", long(msg(0, body(pingDoc)), 0, 999)},
		{"wrong opcode", "expected OP_MSG, got OP_REPLY", flip(long(msg(0, body(pingDoc)), 12, 0), 12, 1)},
		{"no flags", "before its flags", End(must(Begin(nil, 1, 0, OpMsg)), 0)},
		{"no body", "no body", msg(0)},
		{"only a sequence", "no body", msg(0, sequence("documents", pingDoc))},
		{"two bodies", "second body", msg(0, body(pingDoc), body(pingDoc))},
		{"unknown section", "unknown kind 2", msg(0, body(pingDoc), []byte{2, 0, 0, 0, 0})},
		{"unknown required flag", "unknown required flags 0x4", msg(4, body(pingDoc))},
		{"repeated identifier", `two sequences "a"`, msg(0, body(pingDoc), sequence("a"), sequence("a"))},
		{"body without terminator", "no terminator", msg(0, body([]byte{5, 0, 0, 0, 1}))},
		{"body too long", "a document states", msg(0, body([]byte{50, 0, 0, 0, 0}))},
		{"body shorter than a document", "too few for a document", msg(0, []byte{0, 4, 0})},
		{"sequence length too long", "a sequence states", msg(0, body(pingDoc), long(sequence("a"), 1, 100))},
		{"sequence length too short", "a sequence states", msg(0, body(pingDoc), long(sequence("a"), 1, 4))},
		{"sequence cut off", "before its length", msg(0, body(pingDoc), []byte{1, 0})},
		{"identifier without terminator", "a string has no terminator", msg(0, body(pingDoc), []byte{1, 5, 0, 0, 0, 'a'})},
		{"document in sequence cut off", "a document states", msg(0, body(pingDoc), sequence("a", pingDoc[:8]))},
		{"checksum missing", "before its checksum", End(append(must(BeginMsg(nil, 1, 0, ChecksumPresent)), 1, 2), 0)},
		{"checksum wrong", "has checksum", func() []byte {
			b := msg(ChecksumPresent, body(pingDoc))
			b[len(b)-1] ^= 1
			return b
		}()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseMsg(tt.frame)
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func must(b []byte, _ int) []byte { return b }

func TestHeaderBounds(t *testing.T) {
	b := msg(0, body(pingDoc))
	if _, err := ParseHeader(b, int32(len(b))); err != nil {
		t.Error(err)
	}
	if _, err := ParseHeader(b, int32(len(b)-1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a message above the limit: %v", err)
	}
}

func TestQueryAndReply(t *testing.T) {
	q, err := ParseQuery(AppendQuery([]byte{}, 9, "admin", pingDoc))
	if err != nil {
		t.Fatal(err)
	}
	if q.RequestID != 9 || q.Collection != "admin.$cmd" || q.Return != -1 || q.Flags != 4 || !bytes.Equal(q.Document, pingDoc) {
		t.Errorf("%+v", q)
	}
	r := AppendReply(nil, 1, 9, pingDoc)
	h, doc, err := ParseReply(r)
	if err != nil || h.ResponseTo != 9 || !bytes.Equal(doc, pingDoc) {
		t.Fatalf("%+v %x %v", h, doc, err)
	}
	broken := func(change func(b []byte) []byte) []byte { return change(bytes.Clone(r)) }
	for name, b := range map[string][]byte{
		"cut":          broken(func(b []byte) []byte { return End(b[:20], 0) }),
		"no documents": broken(func(b []byte) []byte { b[32] = 0; return b }),
		"cursor":       broken(func(b []byte) []byte { b[16] = 1; return b }),
		"trailing":     broken(func(b []byte) []byte { return End(append(b, 1), 0) }),
		"document":     broken(func(b []byte) []byte { b[36] = 200; return b }),
	} {
		if _, _, err := ParseReply(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{17, 22, 30, 40} {
		if _, err := ParseQuery(End(AppendQuery(nil, 9, "admin", pingDoc)[:n:n], 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("query of %d bytes: %v", n, err)
		}
	}
}

func TestCompressed(t *testing.T) {
	b, start := BeginCompressed(nil, 5, 6, OpMsg, 1000, 3)
	b = End(append(b, "data"...), start)
	c, err := ParseCompressed(b, DefaultMaxMessageSize)
	if err != nil {
		t.Fatal(err)
	}
	if c.OriginalOp != OpMsg || c.UncompressedSize != 1000 || c.Compressor != 3 || string(c.Data) != "data" || c.ResponseTo != 6 {
		t.Errorf("%+v", c)
	}
	if _, err := ParseCompressed(b, 1000); !errors.Is(err, ErrMalformed) {
		t.Errorf("announced size above the limit: %v", err)
	}
	nested, _ := BeginCompressed(nil, 5, 6, OpCompressed, 10, 0)
	if _, err := ParseCompressed(End(nested, 0), 1000); !errors.Is(err, ErrMalformed) {
		t.Errorf("nested: %v", err)
	}
	if _, err := ParseCompressed(End(must(Begin(nil, 1, 0, OpCompressed)), 0), 1000); !errors.Is(err, ErrMalformed) {
		t.Errorf("empty: %v", err)
	}
}

func TestParseAllocations(t *testing.T) {
	b := msg(0, body(pingDoc))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := ParseMsg(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("parsing a reply takes %v allocations, want none", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(msg(0, body(pingDoc), sequence("documents", emptyDoc, pingDoc)))
	f.Add(msg(ChecksumPresent|MoreToCome, body(pingDoc)))
	f.Add(AppendQuery(nil, 9, "admin", pingDoc))
	f.Add(AppendReply(nil, 1, 9, pingDoc))
	b, _ := BeginCompressed(nil, 5, 6, OpMsg, 1000, 3)
	f.Add(End(b, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseHeader(b, DefaultMaxMessageSize)
		_, _ = ParseQuery(b)
		_, _, _ = ParseReply(b)
		_, _ = ParseCompressed(b, DefaultMaxMessageSize)
		m, err := ParseMsg(b)
		if err != nil {
			return
		}
		// What parses can be written again, and parses to the same.
		sections := [][]byte{body(m.Body)}
		for _, s := range m.Sequences {
			sections = append(sections, sequence(s.Identifier, s.Documents))
		}
		again, err := ParseMsg(msg(m.Flags, sections...))
		if err != nil {
			t.Fatalf("rewritten message refused: %v", err)
		}
		if !bytes.Equal(again.Body, m.Body) || len(again.Sequences) != len(m.Sequences) {
			t.Fatal("rewritten message differs")
		}
	})
}

// appendChecksum ends an OP_MSG that was begun with ChecksumPresent.
func appendChecksum(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start+4))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}
