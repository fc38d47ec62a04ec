package mgx

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/socks5"
)

// Proxy is a SOCKS5 proxy. The servers' names are resolved by the proxy, not
// here. DNS records of a mongodb+srv URI do not go through it.
type Proxy struct {
	// Host (proxyHost) is the proxy's name or address, Port (proxyPort) its port: 1080.
	Host string
	Port int
	// Username and Password (proxyUsername, proxyPassword) are offered to the
	// proxy, both or neither.
	Username, Password string
}

// String hides the password.
func (p Proxy) String() string {
	s := "{" + p.address()
	if p.Username != "" {
		s += " as " + strconv.Quote(p.Username)
	}
	return s + "}"
}

// Format is String for every verb: none prints a secret.
func (p Proxy) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// MarshalText is String: no JSON shows a secret.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue hides the password.
func (p Proxy) LogValue() slog.Value { return slog.StringValue(p.String()) }

func (p Proxy) address() string { return p.rules().Address() }

func (p *Proxy) rules() *setup.Proxy {
	if p == nil {
		return nil
	}
	return &setup.Proxy{Host: p.Host, Port: p.Port, Username: p.Username, Password: p.Password}
}

func proxyFrom(cs *connstring.ConnString) *Proxy {
	if cs.ProxyHost == "" {
		return nil
	}
	return &Proxy{Host: cs.ProxyHost, Port: value(cs.ProxyPort), Username: cs.ProxyUsername, Password: cs.ProxyPassword}
}

// dialer opens connections through the proxy. dial opens those to the proxy.
func (p *Proxy) dialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) *socks5.Proxy {
	if dial == nil {
		dial = conn.OpenSocket
	}
	return &socks5.Proxy{Address: p.address(), Username: p.Username, Password: p.Password, Dial: dial}
}
