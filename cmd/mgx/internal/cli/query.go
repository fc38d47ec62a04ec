package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson"

	"github.com/mgxdb/mgx/cmd/mgx/internal/extjson"
)

// parseDocument reads one document in Extended JSON from the command line. what
// names it in errors.
func parseDocument(what, text string) (bson.Raw, error) {
	v, err := parseJSON(what, text)
	if err != nil {
		return nil, err
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, usageError{fmt.Errorf(`%s is not a document, like {"qty":{"$gt":1}}`, what)}
	}
	// Raw, since what is decoded may have no text that is not UTF-8 any more.
	doc, err := extjson.Unmarshal([]byte(text))
	if err != nil {
		return nil, usageError{fmt.Errorf("%s is not Extended JSON: %w", what, err)}
	}
	return doc, nil
}

// parseJSON sees that a text is one JSON value, and finds the place where it is not.
func parseJSON(what, text string) (v any, err error) {
	if !utf8.ValidString(text) {
		return nil, usageError{fmt.Errorf(`%s is not UTF-8; a byte like 0xe9 is written \udce9`, what)}
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&v); err != nil || decoder.More() {
		return nil, notJSON(what, text, err)
	}
	return v, nil
}

func notJSON(what, text string, err error) error {
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return usageError{fmt.Errorf("%s has text after its end", what)}
	case errors.As(err, &syntax):
		before := text[:max(0, min(int(syntax.Offset)-1, len(text)))]
		return usageError{fmt.Errorf("%s is not JSON: %w at character %d (quote it for the shell: '…')", what, err, len([]rune(before))+1)}
	}
	return usageError{fmt.Errorf("%s is not JSON: %w (is it cut off?)", what, err)}
}

// parseFields reads a sort or a projection: a document in Extended JSON, or a list
// of names, "-qty,item", of which those with a minus get the value negative.
func parseFields(flag, text string, negative int32) (bson.Raw, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return parseDocument(flag, text)
	}
	var d bson.D
	for name := range strings.SplitSeq(text, ",") {
		name, value := strings.TrimSpace(name), int32(1)
		if rest, ok := strings.CutPrefix(name, "-"); ok {
			name, value = rest, negative
		}
		if name == "" {
			return nil, usageError{fmt.Errorf("%s %q lacks the name of a field", flag, text)}
		}
		d = append(d, bson.E{Key: name, Value: value})
	}
	doc, err := bson.Marshal(d)
	if err != nil {
		err = usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	return doc, err
}

// output is the flag that chooses the kind of Extended JSON.
type output struct{ canonical bool }

func (o *output) String() string {
	if o.canonical {
		return "canonical"
	}
	return "relaxed"
}

func (o *output) Set(s string) error {
	switch s {
	case "relaxed":
		o.canonical = false
	case "canonical":
		o.canonical = true
	default:
		return errors.New("it can be relaxed or canonical")
	}
	return nil
}

func (*output) Type() string { return "format" }

// indented formats JSON for reading.
func indented(doc bson.Raw, canonical bool) ([]byte, error) {
	line, err := extjson.Marshal(doc, canonical)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Indent(&b, line, "", "  ")
	return append(b.Bytes(), '\n'), err
}

const outputUsage = "`kind` of Extended JSON: relaxed is easy to read, canonical keeps all types"
