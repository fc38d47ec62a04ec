package connstring

import (
	"maps"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/internal/setup"
)

// ParseList reads what the classic client takes: a list of hosts ("db1",
// "db2:27018", several separated by commas) and URIs, in any mixture. Hosts
// without a port get defaultPort, or [DefaultPort] if that is 0. An empty list is
// localhost. See [Merge] for what counts where they disagree.
func ParseList(list []string, defaultPort int) (*ConnString, error) {
	if defaultPort == 0 {
		defaultPort = DefaultPort
	}
	if !setup.ValidPort(defaultPort) {
		return nil, problem("port", "must be a number from 1 to 65535")
	}
	if len(list) == 0 {
		list = []string{"localhost"}
	}
	var parsed []*ConnString
	for _, text := range list {
		c, err := parseEntry(text, defaultPort)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, c)
	}
	return Merge(parsed)
}

// parseEntry reads a URI, or hosts without a scheme.
func parseEntry(text string, defaultPort int) (*ConnString, error) {
	if strings.Contains(text, "://") {
		return parse(text, defaultPort)
	}
	if strings.Contains(text, "/") && strings.HasSuffix(text, ".sock") {
		text = escape(text, "")
	}
	if i := strings.IndexAny(text, "/?@"); i >= 0 {
		return nil, problem("host", "is not a host and lacks mongodb:// to be a URI").in(text, i)
	}
	return parse(Scheme+"://"+text, defaultPort)
}

// Merge makes one connection string of several, as the classic client does with
// a list of them: the hosts add up, without duplicates, in their order; of the
// database, of the user name with its password and of every option, the last
// one counts. mongodb+srv URIs cannot be merged.
func Merge(list []*ConnString) (*ConnString, error) {
	if len(list) == 0 {
		return nil, problem("host", "there is nothing to merge")
	}
	if len(list) == 1 {
		return list[0].clone(), nil
	}
	merged := &ConnString{Scheme: Scheme}
	for _, c := range list {
		if c.Scheme == SchemeSRV {
			return nil, problem("scheme", "a mongodb+srv URI must stand alone")
		}
		if merged.TLS != nil && c.TLS != nil && *merged.TLS != *c.TLS {
			return nil, problem("tls", "the connection strings contradict each other")
		}
		merged.add(c)
	}
	if err := merged.Validate(); err != nil {
		return nil, err
	}
	return merged, nil
}

// add lets c override.
func (m *ConnString) add(c *ConnString) {
	c = c.clone()
	for _, host := range c.Hosts {
		if !slices.Contains(m.Hosts, host) {
			m.Hosts = append(m.Hosts, host)
		}
	}
	if c.Username != "" {
		m.Username, m.Password, m.PasswordSet = c.Username, c.Password, c.PasswordSet
	}
	if c.Database != "" {
		m.Database = c.Database
	}
	for i := range table {
		if field := table[i].field(c); !field.IsZero() {
			table[i].field(m).Set(field)
		}
	}
	for _, w := range c.Warnings {
		w.Offset = -1 // nobody could tell in which URI
		m.Warnings = append(m.Warnings, w)
	}
}

// clone copies what the caller might change in place.
func (c *ConnString) clone() *ConnString {
	d := *c
	d.Hosts = slices.Clone(c.Hosts)
	d.Compressors = slices.Clone(c.Compressors)
	d.AuthMechanismProperties = maps.Clone(c.AuthMechanismProperties)
	d.Warnings = slices.Clone(c.Warnings)
	d.ReadPreferenceTags = slices.Clone(c.ReadPreferenceTags)
	for i, tags := range d.ReadPreferenceTags {
		d.ReadPreferenceTags[i] = maps.Clone(tags)
	}
	return &d
}
