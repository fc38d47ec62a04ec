package jsonlines

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// read lists all that a reader returns: documents as "line: JSON" and errors as
// they are.
func read(t *testing.T, r io.Reader) []string {
	t.Helper()
	return all(t, NewReader(r))
}

func all(t *testing.T, reader *Reader) (list []string) {
	t.Helper()
	for {
		d, err := reader.Next()
		if err == io.EOF {
			if _, err := reader.Next(); err != io.EOF {
				t.Errorf("after the end: %v", err)
			}
			return list
		}
		var wrong *Error
		switch {
		case errors.As(err, &wrong):
			list = append(list, "! "+err.Error())
		case err != nil:
			return append(list, "!! "+err.Error())
		default:
			list = append(list, fmt.Sprintf("%d: %s", d.Line, d.Raw))
		}
	}
}

func TestReader(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"white space", " \n\t\r\n", nil},
		{"one", `{"a":1}`, []string{`1: {"a": {"$numberInt":"1"}}`}},
		{"lines", "{\"a\":1}\n\n{\"a\":2}\r\n", []string{`1: {"a": {"$numberInt":"1"}}`, `3: {"a": {"$numberInt":"2"}}`}},
		{"one line", `{} {}, {}`, []string{`1: {}`, `1: {}`, `1: {}`}},
		{"formatted", "{\n  \"a\": {\n  }\n}\n{\n  \"b\": 1\n}\n", []string{`1: {"a": {}}`, `5: {"b": {"$numberInt":"1"}}`}},
		{"byte order mark", "\ufeff{}", []string{`1: {}`}},
		{"array", `[{"a":1},{"a":"]}"}]`, []string{`1: {"a": {"$numberInt":"1"}}`, `1: {"a": "]}"}`}},
		{"formatted array", "[\n  {\n    \"a\": \"\\\"{\"\n  },\n  {}\n]\n", []string{`2: {"a": "\"{"}`, `5: {}`}},
		{"empty array", "[ ]\n", nil},
		{
			"types", `{"_id":{"$oid":"507f1f77bcf86cd799439011"},"n":{"$numberLong":"5"},"t":{"$date":"2026-01-02T03:04:05Z"}}`,
			[]string{`1: {"_id": {"$oid":"507f1f77bcf86cd799439011"},"n": {"$numberLong":"5"},"t": {"$date":{"$numberLong":"1767323045000"}}}`},
		},

		{
			"wrong in the middle", "{\"a\":1}\n{\"a\":x}\n{\"a\":3}\n",
			[]string{`1: {"a": {"$numberInt":"1"}}`, `! line 2, column 6: not JSON: invalid character 'x' looking for beginning of value`, `3: {"a": {"$numberInt":"3"}}`},
		},
		{"column in characters", `{"äöü":x}`, []string{`! line 1, column 8: not JSON: invalid character 'x' looking for beginning of value`}},
		{"second line of a document", "\n {\n \"a\": y}", []string{`! line 3, column 7: not JSON: invalid character 'y' looking for beginning of value`}},
		{"wrong type", `{"a":{"$oid":"x"}}`, []string{`! line 1, column 1: not Extended JSON: the provided hex string is not a valid ObjectID`}},
		{"bad UTF-8", "{\"a\":\"\xff\"}\n{}", []string{`! line 1, column 7: not valid UTF-8`, `2: {}`}},
		{"cut off", "{\"a\":1\n{}\n", []string{`! line 1, column 1: the document is not closed before the next one begins`, `2: {}`}},
		{"cut off in a string", "{\"a\":\"x\n{}\n", []string{`! line 1, column 1: the document has a string that is not closed at the end of its line`, `2: {}`}},
		{"cut off at the end", "{}\n{\"a\"", []string{`1: {}`, `! line 2, column 1: the document is not closed at the end of the input`}},
		{"prose", "hello\nworld\n{}\n", []string{`! line 1, column 1: expected a document in braces`, `3: {}`}},
		{"text after a document", "{} x\n{}\n", []string{`! line 1, column 4: there is text after the document`, `2: {}`}},

		{"array not closed", "[{},", []string{`1: {}`, `! line 1, column 5: the array is not closed`}},
		{"array cut off in a document", "[{},{", []string{`1: {}`, `! line 1, column 5: the document is not closed at the end of the input`}},
		{
			"array without indentation", "[\n{\n\"a\": [\n{\n\"b\": 1\n},\n{\n\"b\": 2\n}\n],\n\"c\":\n{\n}\n},\n{\n\"a\": 3\n}\n]\n",
			[]string{`2: {"a": [{"b": {"$numberInt":"1"}},{"b": {"$numberInt":"2"}}],"c": {}}`, `15: {"a": {"$numberInt":"3"}}`},
		},
		{"lines without indentation", "{\n\"a\": [\n{\n}\n]\n}\n{\n\"a\":\n{\n}\n}\n", []string{`1: {"a": [{}]}`, `7: {"a": {}}`}},
		{
			"broken without indentation", "[\n{\"a\":[\n{\n}\n]\n},\n{\"a\":[\n{\"b\":\"x\n},\n{\"c\":1}\n]}\n]",
			[]string{`2: {"a": [{}]}`, `! line 7, column 1: the document has a string that is not closed at the end of its line; what follows is not read, for documents within others begin in the first column, too`},
		},
		{"cut off where a value may follow", "{\"a\":[1,\n{\"b\":2}\n", []string{`! line 1, column 1: the document is not closed before the next one begins`, `2: {"b": {"$numberInt":"2"}}`}},
		{"cut off before a formatted one", "{\"a\":[1,\n{\n\"b\":2}\n{\"c\":3}\n", []string{`! line 1, column 1: the document is not closed before the next one begins, in line 4`, `4: {"c": {"$numberInt":"3"}}`}},
		{"bytes", `{"caf\udce9":"\udcff"}`, []string{"1: {\"caf\xe9\": \"\\ufffd\"}"}},
		{"text after the array", "[{}] {}", []string{`1: {}`, `! line 1, column 6: there is text after the end of the array`}},
		{"comma missing", "[{} {}]", []string{`1: {}`, `! line 1, column 5: a comma is missing between two documents`, `1: {}`}},
		{"wrong element", "[\n1,\n{},\n]", []string{`! line 2, column 1: expected a document in braces, or the end of the array`, `3: {}`}},
		{"wrong document in an array", "[{\"a\":x},{}]", []string{`! line 1, column 7: not JSON: invalid character 'x' looking for beginning of value`, `1: {}`}},
		{"array with a string cut off", "[\n{\"a\":\"x\n},\n{}\n]", []string{`! line 2, column 1: the document has a string that is not closed at the end of its line`, `4: {}`}},
		{"no number", `[{"a":1},null]`, []string{`1: {"a": {"$numberInt":"1"}}`, `! line 1, column 10: expected a document in braces, or the end of the array`}},

		{"gzip cut off", "\x1f\x8b", []string{`!! gzip: unexpected EOF`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in))} {
				got := read(t, r)
				if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
					t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
				}
			}
		})
	}
}

func TestGzip(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte("{}\n{\"a\":x}\n"))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	got := read(t, bytes.NewReader(b.Bytes()))
	if len(got) != 2 || got[0] != "1: {}" || !strings.HasPrefix(got[1], "! line 2, column 6") {
		t.Errorf("got %q", got)
	}
	got = read(t, bytes.NewReader(b.Bytes()[:b.Len()-6]))
	if len(got) != 3 || !strings.HasPrefix(got[2], "!! read: unexpected EOF") {
		t.Errorf("cut off: got %q", got)
	}
}

func TestStreamThatFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	r := NewReader(io.MultiReader(strings.NewReader("{}\n{"), iotest.ErrReader(broken)))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.Next(); !errors.Is(err, broken) {
			t.Fatalf("error is: %v", err)
		}
	}
}

func TestDocumentTooLong(t *testing.T) {
	r := NewReader(strings.NewReader(`{"a":"` + strings.Repeat("x", 100) + "\"}\n{}"))
	r.limit = 100
	got := all(t, r)
	if len(got) != 2 || got[0] != "! line 1, column 1: the document is longer than 100 bytes" || got[1] != "2: {}" {
		t.Errorf("got %.200q", got)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{"", "{}", "[{},{}]", "{\"a\":1}\n{", "[1,{}\n{", `{"a":{"$oid":"507f1f77bcf86cd799439011"}}`, "\x1f\x8b", "{\"a\":\"\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(bytes.NewReader(in))
		last := 0
		for range len(in) + 2 {
			d, err := r.Next()
			var wrong *Error
			switch {
			case err == nil:
				if err := d.Raw.Validate(); err != nil {
					t.Fatalf("document %x: %v", []byte(d.Raw), err)
				}
				if d.Line < last {
					t.Fatalf("line %d after line %d", d.Line, last)
				}
				last = d.Line
			case errors.As(err, &wrong):
				if wrong.Line < 1 || wrong.Column < 1 {
					t.Fatalf("the place of %v", err)
				}
			default:
				return
			}
		}
		t.Fatal("does not end")
	})
}

func BenchmarkReader(b *testing.B) {
	line := `{"_id":"Asia/Kolkata","name":"Kolkata","country":{"code":"IN","name":"India"},"location":{"type":"Point","coordinates":[88.3667,22.5333]},"n":330}` + "\n"
	text := strings.Repeat(line, 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r := NewReader(strings.NewReader(text))
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}
