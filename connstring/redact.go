package connstring

import (
	"net/url"
	"strings"

	"github.com/mgxdb/mgx/internal/setup"
)

// mask stands where a secret was.
const mask = "xxxxx"

// Redact returns uri with all that is or may be a secret replaced by xxxxx: the
// password, the values of secret options, of unknown options (a misspelled name
// may carry a password) and the AWS session token. It takes any text. Where the
// text is malformed, it rather hides too much: all between the first colon and
// the last at-sign counts as password, wherever they are.
func Redact(uri string) string {
	s, _ := redact(uri, 0)
	return s
}

// redact also maps an offset in uri to its place in the redacted text.
func redact(uri string, offset int) (string, int) {
	var b strings.Builder
	mapped, done := -1, 0
	for _, s := range secrets(uri) {
		if mapped < 0 && offset < s.start {
			mapped = b.Len() + offset - done
		}
		b.WriteString(uri[done:s.start])
		if mapped < 0 && offset < s.end {
			mapped = b.Len()
		}
		b.WriteString(mask)
		done = s.end
	}
	if mapped < 0 {
		mapped = b.Len() + min(offset, len(uri)) - done
	}
	b.WriteString(uri[done:])
	return strings.ToValidUTF8(b.String(), "\uFFFD"), mapped
}

// span is a part of a text: from start up to, not including, end.
type span struct{ start, end int }

// secrets returns the parts of uri to hide, in order.
func secrets(uri string) []span {
	var spans []span
	start := schemeLen(uri)
	at := strings.LastIndexByte(uri, '@')
	if at >= start {
		if colon := strings.IndexByte(uri[start:at], ':'); colon >= 0 {
			spans = append(spans, span{start + colon + 1, at})
		}
		start = at + 1
	}
	if at := badColon(uri, start); at >= 0 {
		// What follows a colon and is no port looks like a password whose host
		// is missing; nobody can tell where it ends.
		return append(spans, span{at, len(uri)})
	}
	if q := strings.IndexByte(uri[start:], '?'); q >= 0 {
		spans = append(spans, secretOptions(uri, start+q+1)...)
	}
	return spans
}

// schemeLen returns the length of the scheme with its "://", 0 where there is
// none: a password may contain "://", too.
func schemeLen(uri string) int {
	i := strings.Index(uri, "://")
	if i < 0 || strings.Trim(strings.ToLower(uri[:i]), "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return 0
	}
	return i + len("://")
}

// badColon returns where what follows a colon is no port, or -1. No colon
// belongs into a database either.
func badColon(uri string, start int) int {
	if at := badPort(uri, start); at >= 0 {
		return at
	}
	query := start + until(uri[start:], "?")
	path := start + until(uri[start:query], "/")
	if i := strings.IndexByte(uri[path:query], ':'); i >= 0 {
		return path + i + 1
	}
	return -1
}

// badPort returns where the first port that cannot be one starts, or -1.
func badPort(uri string, start int) int {
	end := len(uri)
	if i := strings.IndexAny(uri[start:], "/?"); i >= 0 {
		end = start + i
	}
	for start <= end {
		stop := end
		if i := strings.IndexByte(uri[start:end], ','); i >= 0 {
			stop = start + i
		}
		host := start
		if strings.HasPrefix(uri[start:stop], "[") {
			host += max(strings.IndexByte(uri[start:stop], ']'), 0)
		}
		if i := strings.IndexByte(uri[host:stop], ':'); i >= 0 {
			port := uri[host+i+1 : stop]
			if len(port) > len("65535") || strings.Trim(port, "0123456789") != "" {
				return host + i + 1
			}
		}
		start = stop + 1
	}
	return -1
}

// secretOptions returns the parts to hide of the options that begin at start.
func secretOptions(uri string, start int) []span {
	var spans []span
	for _, it := range splitItems(uri, start) {
		name, err := url.PathUnescape(uri[it.start:it.nameEnd])
		row := lookup(name)
		known := err == nil && row != nil
		switch value := min(it.nameEnd+1, it.end); {
		case it.start == it.end || known && value == it.end:
		case it.nameEnd == it.end: // not even an option
			spans = append(spans, span{it.start, it.end})
		case !known, row.Secret, row.Type == TypePairs && !harmlessPairs(uri[value:it.end]):
			spans = append(spans, span{value, it.end})
		}
	}
	return spans
}

// harmlessPairs reports whether all properties in an authMechanismProperties
// value are ones that hold no secret.
func harmlessPairs(value string) bool {
	decoded, err := url.PathUnescape(value)
	if err != nil {
		return false
	}
	for pair := range strings.SplitSeq(decoded, ",") {
		name, _, _ := strings.Cut(pair, ":")
		if !setup.PublicProperty(name) {
			return false
		}
	}
	return true
}

// item is one name=value of the options, by its places in the URI. nameEnd is
// the place of the equals sign; it is end where there is none.
type item struct{ start, nameEnd, end int }

// splitItems splits the options that begin at start. They are separated by
// ampersands, or, where there is none, by semicolons.
func splitItems(uri string, start int) []item {
	separator := byte('&')
	if strings.IndexByte(uri[start:], '&') < 0 {
		separator = ';'
	}
	var items []item
	for start <= len(uri) {
		end := len(uri)
		if i := strings.IndexByte(uri[start:], separator); i >= 0 {
			end = start + i
		}
		nameEnd := end
		if i := strings.IndexByte(uri[start:end], '='); i >= 0 {
			nameEnd = start + i
		}
		items = append(items, item{start, nameEnd, end})
		start = end + 1
	}
	return items
}
