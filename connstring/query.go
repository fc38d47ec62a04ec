package connstring

import (
	"errors"
	"regexp"
	"strings"
)

// entry is an option as the URI gives it.
type entry struct {
	row    *option
	name   string // as spelled
	value  string // decoded
	offset int    // of the name
	at     int    // of the value
}

// canonical reports whether the entry uses the option's own name.
func (e *entry) canonical() bool { return lower(e.name) == lower(e.row.Name) }

// options reads the options that begin at start.
func (p *parser) options(start int) error {
	entries, err := p.entries(start)
	if err != nil {
		return err
	}
	p.seen, p.spelled = map[string]int{}, map[string]string{}
	for _, e := range entries {
		if e.row != nil && (e.canonical() || !given(entries, e.row.Name)) {
			p.seen[e.row.Name] = e.offset
			if !e.canonical() {
				p.spelled[e.row.Name] = e.name
			}
		}
	}
	if err := p.sameTLS(entries); err != nil {
		return err
	}
	applied := map[string]string{}
	for _, e := range entries {
		if err := p.apply(e, entries, applied); err != nil {
			return err
		}
	}
	return nil
}

// entries splits and decodes.
func (p *parser) entries(start int) ([]entry, error) {
	var entries []entry
	for _, it := range splitItems(p.uri, start) {
		if it.start == it.end {
			continue // a separator too many
		}
		if at := mixed(p.uri[it.start:it.end]); at >= 0 {
			return nil, p.fail(it.start+at, "options", "are separated by & or by ; and not by both; a ; itself is written %%3B")
		}
		name, err := p.decode(it.start, it.nameEnd, "options")
		if err != nil {
			return nil, err
		}
		row := lookup(name)
		part := "options"
		if row != nil {
			part = row.Name
		}
		switch {
		case it.nameEnd == it.end:
			return nil, p.fail(it.start, part, "has no value; write name=value, separated by &")
		case name == "":
			return nil, p.fail(it.start, part, "a value without a name; write name=value, separated by &")
		}
		value, err := p.decode(it.nameEnd+1, it.end, part)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{row, name, value, it.start, it.nameEnd + 1})
	}
	return entries, nil
}

var semicolon = regexp.MustCompile(`;[A-Za-z_]*=`)

// mixed returns where a semicolon ends a name or begins another option, or -1.
func mixed(item string) int {
	if at := semicolon.FindStringIndex(item); at != nil {
		return at[0]
	}
	name, _, _ := strings.Cut(item, "=")
	return strings.IndexByte(name, ';')
}

// given reports whether an entry uses that canonical name.
func given(entries []entry, name string) bool {
	for _, e := range entries {
		if lower(e.name) == lower(name) {
			return true
		}
	}
	return false
}

// sameTLS demands that all instances of tls and ssl agree.
func (p *parser) sameTLS(entries []entry) error {
	var first *entry
	for i, e := range entries {
		switch {
		case e.row == nil || e.row.Name != "tls":
		case first == nil:
			first = &entries[i]
		case !sameBool(first.value, e.value):
			return p.fail(e.offset, "tls", "%s and %s contradict each other", first.name, e.name)
		}
	}
	return nil
}

// sameBool compares by meaning where both have one.
func sameBool(a, b string) bool {
	x, _, errX := parseBool(a)
	y, _, errY := parseBool(b)
	if errX != nil || errY != nil {
		return a == b
	}
	return x == y
}

// apply sets one option, or warns.
func (p *parser) apply(e entry, all []entry, applied map[string]string) error {
	if e.row == nil {
		if concernsTLS(e.name) {
			return p.failUnknown(e)
		}
		if meant := suggestion(e.name); meant != "" {
			p.warn(e.offset, e.name, "unknown option, ignored; did you mean %s?", meant)
			return nil
		}
		p.warn(e.offset, e.name, "unknown option, ignored")
		return nil
	}
	row := e.row
	switch {
	case row.Name == "tls":
		// sameTLS has looked at it, and ssl is no deprecated name.
	case !e.canonical() && given(all, row.Name):
		p.warn(e.offset, e.name, "an old name of %s, which is also given; ignored", row.Name)
		return nil
	case !e.canonical():
		p.warn(e.offset, e.name, "an old name; write %s", row.Name)
	}
	if row.ReplacedBy != "" {
		if given(all, row.ReplacedBy) {
			p.warn(e.offset, e.name, "deprecated, and ignored because %s is also given", row.ReplacedBy)
			return nil
		}
		p.warn(e.offset, e.name, "deprecated; write %s", row.ReplacedBy)
	}
	if before, again := applied[row.Name]; again && row.Type != TypeTagSet && row.Name != "tls" {
		switch {
		case strings.HasPrefix(row.Name, "proxy"):
			return p.fail(e.offset, row.Name, "is given more than once")
		case row.Fatal && before != e.value:
			return p.fail(e.offset, row.Name, "is given more than once, with different values")
		}
		p.warn(e.offset, e.name, "given more than once; the last one counts")
	}
	applied[row.Name] = e.value
	return p.setOption(e)
}

// concernsTLS reports whether an unknown option is about TLS. To ignore that one
// could leave a connection open to everybody on its way.
func concernsTLS(name string) bool {
	name = lower(name)
	return strings.Contains(name, "tls") || strings.Contains(name, "ssl")
}

func (p *parser) failUnknown(e entry) error {
	if meant := suggestion(e.name); meant != "" {
		return p.fail(e.offset, "options", "an option about TLS that is not known; did you mean %s?", meant)
	}
	return p.fail(e.offset, "options", "an option about TLS that is not known; correct it, or leave it away")
}

func (p *parser) setOption(e entry) error {
	note, err := e.row.set(p.c, e.value)
	switch {
	case note != "":
		p.warn(e.at, e.name, "%s", note)
	case errors.Is(err, errIgnore) && e.row.Fatal:
		return p.fail(e.at, e.row.Name, "is empty; give it a value, or leave the option away")
	case errors.Is(err, errIgnore):
		p.warn(e.at, e.name, "%v", err)
	case errors.Is(err, errComma):
		p.warn(e.at, e.name, "%v; ignored", err)
	case fatal(e.row, err) && e.at <= p.at:
		return p.fail(e.at, e.row.Name, "has a value that cannot be used") // what err says may be part of a password
	case fatal(e.row, err) && e.row.Type == TypeBool:
		return p.fail(e.at, e.row.Name, "%v, not %q", err, e.value)
	case fatal(e.row, err):
		return p.fail(e.at, e.row.Name, "%v", err)
	case err != nil && e.row.Secret, err != nil && e.row.Type == TypePairs, err != nil && e.at <= p.at:
		p.warn(e.at, e.name, "%v; ignored", err)
	case err != nil:
		p.warn(e.at, e.name, "%v; %q is ignored", err, e.value)
	}
	return nil
}

// fatal reports whether an unusable value is an error.
func fatal(row *option, err error) bool {
	var always fatalError
	return err != nil && row.Fatal || errors.As(err, &always)
}

// has reports whether the URI gives an option, usable or not.
func (p *parser) has(name string) bool {
	_, ok := p.seen[name]
	return ok
}

// place returns where a part of the URI is, for an error that was found when
// all was parsed.
func (p *parser) place(part string) int {
	if at, ok := p.seen[part]; ok {
		return at
	}
	start := strings.Index(p.uri, "://") + len("://")
	switch part {
	case "host", "user name", "password":
		return start
	case "database":
		return start + until(p.uri[start:], "/")
	}
	return start + until(p.uri[start:], "?")
}

// hints warns about options that do nothing as they stand.
func (p *parser) hints() {
	c := p.c
	if len(c.AuthMechanismProperties) > 0 && c.Credential() == nil {
		p.warn(p.place("authMechanismProperties"), "authMechanismProperties", "has no effect without authMechanism or a user name")
	}
	if w := c.writes(); w.W == nil && c.Safe != nil && !*c.Safe && w.OverrulesSafe() {
		p.warn(p.place("safe"), "safe", "safe=false has no effect beside wTimeoutMS, journal or fsync, which ask for an acknowledgement")
	}
	if c.SlaveOK != nil && c.ReadPreference != "" {
		p.warn(p.place("slaveOk"), "slaveOk", "has no effect beside readPreference")
	}
	if c.TLS != nil && !*c.TLS && (isTrue(c.TLSInsecure) || isTrue(c.TLSAllowInvalidCerts) || isTrue(c.TLSAllowInvalidHostnames)) {
		p.warn(p.place("tls"), "tls", "connections are not encrypted, so the other TLS options have no effect")
	}
}
