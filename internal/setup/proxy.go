package setup

import (
	"net"
	"strconv"
)

// ProxyPort is where SOCKS5 proxies listen by default.
const ProxyPort = 1080

// ValidPort reports whether a server may listen at the port.
func ValidPort(port int) bool { return port >= 1 && port <= 65535 }

// maxProxyText is how long names are in SOCKS5, in bytes.
const maxProxyText = 255

// Proxy is a SOCKS5 proxy. See the specification "SOCKS5 Support".
type Proxy struct {
	Host string
	// Port is [ProxyPort], if zero. PortGiven counts without a value, too.
	Port               int
	PortGiven          bool
	Username, Password string
}

// Address returns the proxy's "host:port".
func (p *Proxy) Address() string {
	port := p.Port
	if port == 0 {
		port = ProxyPort
	}
	return net.JoinHostPort(p.Host, strconv.Itoa(port))
}

// Check reports a proxy that cannot be used.
func (p *Proxy) Check() *Error {
	if p == nil {
		return nil
	}
	none := p.Host == ""
	switch {
	case none && (p.PortGiven || p.Port != 0):
		return wrong("proxyPort", "needs proxyHost")
	case none && p.Username != "":
		return wrong("proxyUsername", "needs proxyHost")
	case none && p.Password != "":
		return wrong("proxyPassword", "needs proxyHost")
	case none:
		return wrong("proxyHost", "is empty")
	case (p.PortGiven || p.Port != 0) && !ValidPort(p.Port):
		return wrong("proxyPort", "%d is no number from 1 to 65535", p.Port)
	case p.Username != "" && p.Password == "":
		return wrong("proxyUsername", "needs proxyPassword")
	case p.Username == "" && p.Password != "":
		return wrong("proxyPassword", "needs proxyUsername")
	case len(p.Username) > maxProxyText:
		return wrong("proxyUsername", "has %d bytes, more than the %d that SOCKS5 allows", len(p.Username), maxProxyText)
	case len(p.Password) > maxProxyText:
		return wrong("proxyPassword", "has more than the %d bytes that SOCKS5 allows", maxProxyText)
	}
	return nil
}
