package cipher

import (
	"fmt"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/payload"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
	"github.com/mgxdb/mgx/encryption/internal/text"
	"github.com/mgxdb/mgx/encryption/internal/token"
)

// str is the string to encrypt, as it is and folded.
func (w *writer) str() (s, folded string, err error) {
	s, ok := w.p.Value.AsString()
	if !ok || w.p.Text == nil {
		return "", "", fmt.Errorf("a field with text queries holds strings and needs its options")
	}
	if err := text.Valid(s); err != nil {
		return "", "", err
	}
	return s, text.Fold(s, !w.p.Text.CaseSensitive, !w.p.Text.DiacriticSensitive), nil
}

func limits(l *placeholder.TextLimits) text.Limits {
	return text.Limits{MaxLength: int(l.MaxLength), MinQuery: int(l.MinQuery), MaxQuery: int(l.MaxQuery)}
}

// bsonString is the data of a BSON string, of which tokens are derived.
func bsonString(s string) []byte { return bsonwire.AppendStringValue(nil, s) }

func (w *writer) insertText() ([]byte, error) {
	s, folded, err := w.str()
	if err != nil {
		return nil, err
	}
	o := w.p.Text
	var substrings, suffixes, prefixes text.Parts
	if o.Suffix != nil {
		suffixes, err = text.Suffixes(folded, len(s), limits(o.Suffix))
	}
	if o.Prefix != nil && err == nil {
		prefixes, err = text.Prefixes(folded, len(s), limits(o.Prefix))
	}
	if o.Substring != nil && err == nil {
		substrings, err = text.Substrings(folded, utf8.RuneCountInString(s), len(s), limits(o.Substring))
	}
	switch {
	case err != nil:
		return nil, err
	case o.Suffix == nil && o.Prefix == nil && o.Substring == nil:
		return nil, fmt.Errorf("a field with text queries has one for prefixes, suffixes or substrings")
	}
	w.chooseFactor()
	total := 1 + substrings.Len() + suffixes.Len() + prefixes.Len()
	out, start := begin(payload.InsertUpdate, 600+len(s)+250*total)
	out = w.appendStored(out, &token.Set{}, 0, 0, 0) // only the tokens of the parts count
	out, inner := bsonwire.BeginDocument(out, "b")
	exact := w.level1.Text(token.TextExact).Of(bsonString(folded)).WithContention(w.factor)
	out, element := bsonwire.BeginDocument(out, "e")
	out = appendTokens(out, &exact, true)
	out = bsonwire.AppendBinary(out, "p", 0, w.compactionToken(&exact, byte(total), byte(total>>8), byte(total>>16)))
	out = bsonwire.End(out, element)
	out = w.appendParts(out, "s", token.TextSubstring, substrings)
	out = w.appendParts(out, "u", token.TextSuffix, suffixes)
	out = w.appendParts(out, "p", token.TextPrefix, prefixes)
	return bsonwire.End(bsonwire.End(out, inner), start), nil
}

// appendParts appends the tokens of a string's parts of one kind.
func (w *writer) appendParts(dst []byte, name string, kind token.TextKind, parts text.Parts) []byte {
	level1 := w.level1.Text(kind)
	dst, list := bsonwire.BeginArray(dst, name)
	n := 0
	for i, s := range parts.Strings {
		set := level1.Of(bsonString(s)).WithContention(w.factor)
		times := 1
		if i == len(parts.Strings)-1 {
			times = max(parts.Padding, 1)
		}
		for range times {
			dst = w.appendElement(dst, n, &set, 0, 0, 0)
			n++
		}
	}
	return bsonwire.End(dst, list)
}

func (w *writer) findText() ([]byte, error) {
	_, folded, err := w.str()
	if err != nil {
		return nil, err
	}
	o := w.p.Text
	name, spec, kind, l := "e", "", token.TextExact, (*placeholder.TextLimits)(nil)
	asked := 0
	for _, q := range []struct {
		name, spec string
		kind       token.TextKind
		limits     *placeholder.TextLimits
	}{{"s", "ss", token.TextSubstring, o.Substring}, {"u", "fs", token.TextSuffix, o.Suffix}, {"p", "ps", token.TextPrefix, o.Prefix}} {
		if q.limits != nil {
			name, spec, kind, l = q.name, q.spec, q.kind, q.limits
			asked++
		}
	}
	if asked > 1 {
		return nil, fmt.Errorf("a query looks for one of a prefix, a suffix and a substring")
	}
	if l != nil {
		if err := text.CheckQuery(folded, limits(l)); err != nil {
			return nil, err
		}
	}
	set := w.level1.Text(kind).Of(bsonString(folded))
	out, start := begin(payload.FindText, 256)
	out, sets := bsonwire.BeginDocument(out, "ts")
	out, element := bsonwire.BeginDocument(out, name)
	out = bsonwire.End(bsonwire.End(appendTokens(out, &set, true), element), sets)
	out = bsonwire.AppendInt64(out, "cm", w.p.Contention)
	out = bsonwire.AppendBoolean(out, "cf", !o.CaseSensitive)
	out = bsonwire.AppendBoolean(out, "df", !o.DiacriticSensitive)
	if l != nil {
		out = appendLimits(out, spec, kind, l)
	}
	return bsonwire.End(out, start), nil
}

// appendLimits appends the limits of a field's queries, as a query says them.
func appendLimits(dst []byte, name string, kind token.TextKind, l *placeholder.TextLimits) []byte {
	dst, start := bsonwire.BeginDocument(dst, name)
	if kind == token.TextSubstring {
		dst = bsonwire.AppendInt32(dst, "mlen", l.MaxLength)
	}
	dst = bsonwire.AppendInt32(dst, "ub", l.MaxQuery)
	dst = bsonwire.AppendInt32(dst, "lb", l.MinQuery)
	return bsonwire.End(dst, start)
}
