package connstring

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Parse parses a connection string. Its errors are of type [*ParseError].
func Parse(uri string) (*ConnString, error) {
	return parse(uri, DefaultPort)
}

func parse(uri string, defaultPort int) (*ConnString, error) {
	p := &parser{uri: uri, port: defaultPort, c: &ConnString{}, at: strings.LastIndexByte(uri, '@')}
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.c, nil
}

// parser walks over one URI. Its errors point at bytes of it.
type parser struct {
	uri  string
	port int // of hosts that name none
	c    *ConnString
	// at is the last at-sign. Text before it may be part of a password that was
	// not encoded, so messages do not quote it.
	at int
	// seen are the places of the options, by canonical name, and spelled are those
	// of their names that differ from it.
	seen    map[string]int
	spelled map[string]string
}

func (p *parser) fail(offset int, part, format string, args ...any) *ParseError {
	return problem(part, format, args...).in(p.uri, offset)
}

func (p *parser) warn(offset int, name, format string, args ...any) {
	if offset <= p.at {
		name = ""
	}
	p.c.Warnings = append(p.c.Warnings, Warning{Option: name, Message: fmt.Sprintf(format, args...), Offset: offset})
}

// run returns error, not *ParseError, so that nil stays nil.
func (p *parser) run() error {
	if i := invalidUTF8(p.uri); i >= 0 {
		return p.fail(i, "options", "must be UTF-8")
	}
	start, err := p.scheme()
	if err != nil {
		return err
	}
	hosts := start + until(p.uri[start:], "/?")
	query := start + until(p.uri[start:], "?")
	if err := p.unescaped(start, hosts, query); err != nil {
		return err
	}
	if at := start + strings.LastIndexByte(p.uri[start:hosts], '@'); at >= start {
		if err := p.userinfo(start, at); err != nil {
			return err
		}
		start = at + 1
	}
	if err := p.hosts(start, hosts); err != nil {
		return err
	}
	if hosts < query {
		if err := p.database(hosts+1, query); err != nil {
			return err
		}
	}
	if query < len(p.uri) {
		if err := p.options(query + 1); err != nil {
			return err
		}
	}
	if err := p.c.validate(p.has); err != nil {
		err.Message = p.asSpelled(err.Message)
		return err.in(p.uri, p.place(err.Part))
	}
	p.hints()
	return nil
}

// asSpelled calls options by the names that the URI gives them.
func (p *parser) asSpelled(message string) string {
	for name, spelled := range p.spelled {
		message = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllLiteralString(message, spelled)
	}
	return message
}

// scheme returns where it ends.
func (p *parser) scheme() (int, error) {
	for _, scheme := range []string{Scheme, SchemeSRV} {
		prefix := scheme + "://"
		if len(p.uri) >= len(prefix) && lower(p.uri[:len(prefix)]) == prefix {
			p.c.Scheme = scheme
			return len(prefix), nil
		}
	}
	return 0, p.fail(0, "scheme", "must begin with mongodb:// or mongodb+srv://")
}

// unescaped finds an at-sign after what looks like the end of the hosts, which
// means that a slash or question mark in the user name or password ended them.
func (p *parser) unescaped(start, hosts, query int) error {
	inPath := strings.Contains(p.uri[hosts:query], "@")
	inQuery := hosts == query && strings.Contains(p.uri[query:], "@") && !strings.Contains(p.uri[start:hosts], "@") &&
		badPort(p.uri, start) >= 0
	if !inPath && !inQuery {
		return nil
	}
	code := map[byte]string{'/': "%2F", '?': "%3F"}[p.uri[hosts]]
	return p.fail(hosts, "user name", "%q in a user name, password or database must be written %s, and @ must be %%40", p.uri[hosts], code)
}

// userinfo reads user:password.
func (p *parser) userinfo(start, end int) error {
	if i := strings.IndexByte(p.uri[start:end], '@'); i >= 0 {
		return p.fail(start+i, "user name", "@ in a user name or password must be written %%40")
	}
	name, password, ok := strings.Cut(p.uri[start:end], ":")
	if name == "" {
		return p.fail(start, "user name", "is empty; leave the @ away to connect without one")
	}
	var err error
	if p.c.Username, err = p.decode(start, start+len(name), "user name"); err != nil || !ok {
		return err
	}
	begin := start + len(name) + 1
	if i := strings.IndexByte(password, ':'); i >= 0 {
		return p.fail(begin+i, "password", ": in a user name or password must be written %%3A")
	}
	p.c.PasswordSet = true
	p.c.Password, err = p.decode(begin, end, "password")
	return err
}

// database reads what is between the hosts and the options.
func (p *parser) database(start, end int) error {
	name, err := p.decode(start, end, "database")
	if err != nil {
		return err
	}
	if i := strings.IndexAny(p.uri[start:end], "&="); i >= 0 {
		return p.fail(start+i, "database", "cannot contain %q; options follow a question mark: /DATABASE?name=value&name=value", p.uri[start+i])
	}
	if i := strings.IndexAny(name, "/\\ \"$\x00"); i >= 0 {
		at := start
		if j := strings.IndexByte(p.uri[start:end], name[i]); j >= 0 {
			at += j
		}
		return p.fail(at, "database", "cannot contain %q", name[i])
	}
	p.c.Database = name
	return nil
}

// decode undoes percent-encoding. A plus sign stands for itself.
func (p *parser) decode(start, end int, part string) (string, error) {
	raw := p.uri[start:end]
	for i := range len(raw) {
		if raw[i] == '%' && (i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2])) {
			return "", p.fail(start+i, part, "%% must be followed by two hexadecimal digits; a %% itself is written %%25")
		}
		if raw[i] < ' ' || raw[i] == 0x7f {
			return "", p.fail(start+i, part, "a control character must be written %%%02X", raw[i])
		}
	}
	text, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(text) {
		return "", p.fail(start, part, "must be UTF-8 after decoding")
	}
	return text, nil
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

// until returns the place of the first of chars in s, or the length of s.
func until(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// invalidUTF8 returns the first byte that is not UTF-8, or -1.
func invalidUTF8(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
