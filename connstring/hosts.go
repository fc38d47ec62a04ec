package connstring

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// hosts reads the host identifiers, separated by commas.
func (p *parser) hosts(start, end int) error {
	if start == end {
		if end < len(p.uri) && p.uri[end] == '/' && strings.Contains(p.uri[end:], ".sock") {
			return p.fail(start, "host", "is missing; the slashes in the path of a Unix socket must be written %%2F")
		}
		return p.fail(start, "host", "is missing")
	}
	if p.c.Scheme == SchemeSRV {
		return p.srvHost(start, end)
	}
	for start <= end {
		stop := start + until(p.uri[start:end], ",")
		host, err := p.host(start, stop)
		if err != nil {
			return err
		}
		p.c.Hosts = append(p.c.Hosts, host)
		start = stop + 1
	}
	return nil
}

// srvHost reads the one name, without a port, that mongodb+srv takes.
func (p *parser) srvHost(start, end int) error {
	raw := p.uri[start:end]
	if i := strings.IndexByte(raw, ','); i >= 0 {
		return p.fail(start+i, "host", "mongodb+srv takes one host only")
	}
	if i := strings.IndexByte(raw, ':'); i >= 0 {
		return p.fail(start+i, "port", "mongodb+srv takes no port; the SRV records name it")
	}
	name, err := p.decode(start, end, "host")
	if err != nil {
		return err
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if _, err := netip.ParseAddr(name); err == nil || !validName(name) || strings.Contains("."+name+".", "..") {
		return p.fail(start, "host", "mongodb+srv takes a host name that has SRV records")
	}
	p.c.SRVHost = name
	return nil
}

// host reads one identifier and returns it as [ConnString.Hosts] has it.
func (p *parser) host(start, end int) (string, error) {
	raw := p.uri[start:end]
	if raw == "" {
		return "", p.fail(start, "host", "is empty; hosts are separated by single commas")
	}
	if raw[0] == '[' {
		return p.ipv6(start, end)
	}
	colon := strings.IndexByte(raw, ':')
	nameEnd := end
	if colon >= 0 {
		nameEnd = start + colon
	}
	name, err := p.decode(start, nameEnd, "host")
	if err != nil {
		return "", err
	}
	if strings.Contains(name, "/") {
		return p.socket(start, end, name, colon >= 0)
	}
	if name == "" {
		return "", p.fail(start, "host", "is missing before the port")
	}
	if colon >= 0 && strings.Count(raw, ":") > 1 {
		return "", p.fail(nameEnd, "host", "has more than one colon; an IPv6 address must stand in brackets: [::1]:27017")
	}
	if !validName(name) {
		return "", p.fail(start, "host", "has a character that host names cannot have")
	}
	port := p.port
	if colon >= 0 {
		if port, err = p.portNumber(nameEnd+1, end); err != nil {
			return "", err
		}
	}
	return net.JoinHostPort(strings.ToLower(name), strconv.Itoa(port)), nil
}

// socket checks the path of a Unix domain socket.
func (p *parser) socket(start, end int, path string, port bool) (string, error) {
	if port {
		return "", p.fail(start, "host", "a Unix socket takes no port, and : in its path must be written %%3A")
	}
	if !strings.HasSuffix(path, ".sock") || strings.ContainsRune(path, 0) {
		return "", p.fail(start, "host", "the path of a Unix socket must end with .sock")
	}
	return path, nil
}

// ipv6 reads an address in brackets.
func (p *parser) ipv6(start, end int) (string, error) {
	bracket := start + strings.IndexByte(p.uri[start:end], ']')
	if bracket < start {
		return "", p.fail(start, "host", "lacks the closing bracket of an IPv6 address")
	}
	text, err := p.decode(start+1, bracket, "host")
	if err != nil {
		return "", err
	}
	address, err := netip.ParseAddr(text)
	if err != nil || !address.Is6() || !validName(strings.ReplaceAll(strings.ReplaceAll(text, ":", ""), "%", "")) {
		return "", p.fail(start+1, "host", "what stands in brackets must be an IPv6 address")
	}
	port := p.port
	switch rest := p.uri[bracket+1 : end]; {
	case rest == "":
	case rest[0] != ':':
		return "", p.fail(bracket+1, "host", "only a port may follow the brackets")
	default:
		if port, err = p.portNumber(bracket+2, end); err != nil {
			return "", err
		}
	}
	number, zone, zoned := strings.Cut(text, "%")
	if number = strings.ToLower(number); zoned {
		number += "%" + zone // the name of an interface, which minds its case
	}
	return net.JoinHostPort(number, strconv.Itoa(port)), nil
}

// portNumber does not quote what it read: without an at-sign it may be a
// password whose host was forgotten.
func (p *parser) portNumber(start, end int) (int, error) {
	n, err := strconv.ParseUint(p.uri[start:end], 10, 16)
	if err != nil || n == 0 || strings.Trim(p.uri[start:end], "0123456789") != "" {
		return 0, p.fail(start, "port", "must be a number from 1 to 65535")
	}
	return int(n), nil
}

// validName refuses what would be read as another part of a URI. It does not
// hold names to the rules of DNS, which /etc/hosts need not follow.
func validName(name string) bool {
	for _, r := range name {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`:/?#[]@\"%,`, r) {
			return false
		}
	}
	return name != ""
}

// SplitHost splits an element of [ConnString.Hosts] into what [net.Dial] takes:
// the network, "tcp" or "unix", and the address.
func SplitHost(host string) (network, address string) {
	if strings.Contains(host, "/") {
		return "unix", host
	}
	return "tcp", host
}
