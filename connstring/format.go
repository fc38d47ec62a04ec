package connstring

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

// String returns the connection string with canonical names, in the order of
// [AllOptions], and with xxxxx for every secret.
func (c ConnString) String() string { return c.format(true) }

// Format is String for every verb: none prints a secret.
func (c ConnString) Format(f fmt.State, _ rune) { io.WriteString(f, c.format(true)) }

// MarshalText is String: no JSON shows a secret.
func (c ConnString) MarshalText() ([]byte, error) { return []byte(c.format(true)), nil }

// LogValue returns the same, so that no log shows a secret.
func (c ConnString) LogValue() slog.Value { return slog.StringValue(c.format(true)) }

func (c *ConnString) format(hide bool) string {
	var b strings.Builder
	b.WriteString(c.Scheme + "://")
	if c.Username != "" {
		b.WriteString(escape(c.Username, ""))
		if c.PasswordSet || c.Password != "" {
			b.WriteString(":" + secret(c.Password, hide))
		}
		b.WriteByte('@')
	}
	if c.Scheme == SchemeSRV {
		b.WriteString(escape(c.SRVHost, ""))
	} else {
		for i, host := range c.Hosts {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(formatHost(host))
		}
	}
	b.WriteString("/" + escape(c.Database, ""))
	separator := byte('?')
	for i := range table {
		if table[i].shared {
			continue
		}
		for _, value := range table[i].values(c, hide) {
			b.WriteByte(separator)
			b.WriteString(table[i].Name + "=" + value)
			separator = '&'
		}
	}
	return b.String()
}

// formatHost leaves the brackets and colons of an address.
func formatHost(host string) string {
	if strings.Contains(host, "/") {
		return escape(host, "")
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return escape(host, "")
	}
	if strings.Contains(name, ":") {
		name = "[" + escape(name, ":") + "]"
	} else {
		name = escape(name, "")
	}
	return name + ":" + port
}

// values returns the option's values as the URI writes them: none if absent.
func (o *option) values(c *ConnString, hide bool) []string {
	field := o.field(c)
	if field.IsZero() {
		return nil
	}
	switch value := field.Interface().(type) {
	case string:
		if o.Secret {
			return []string{secret(value, hide)}
		}
		return []string{escape(value, "/:$")}
	case *bool:
		return []string{strconv.FormatBool(*value)}
	case *int:
		return []string{strconv.Itoa(*value)}
	case *time.Duration:
		return []string{strconv.FormatInt(value.Milliseconds(), 10)}
	case *W:
		if value.Tag == "" {
			return []string{strconv.Itoa(value.Number)}
		}
		return []string{escape(value.Tag, "")}
	case []string:
		return []string{escape(strings.Join(value, ","), ",")}
	case map[string]string:
		return []string{formatPairs(value, hide)}
	case []map[string]string:
		var sets []string
		for _, tags := range value {
			sets = append(sets, formatPairs(tags, false))
		}
		return sets
	}
	return nil
}

// formatPairs sorts by name and hides the values of unknown names.
func formatPairs(pairs map[string]string, hide bool) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		value := pairs[name]
		if hide && !setup.PublicProperty(name) {
			value = mask
		}
		list = append(list, escape(name, "")+":"+escape(value, ":/"))
	}
	return strings.Join(list, ",")
}

func secret(value string, hide bool) string {
	if hide {
		return mask
	}
	return escape(value, "")
}

// escape percent-encodes all but unreserved characters and those in keep.
func escape(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		ch := s[i]
		switch {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9',
			strings.IndexByte("-._~", ch) >= 0, strings.IndexByte(keep, ch) >= 0:
			b.WriteByte(ch)
		default:
			fmt.Fprintf(&b, "%%%02X", ch)
		}
	}
	return b.String()
}
