// Package socks5 opens connections through a SOCKS5 proxy: the client's side of
// RFC 1928, without authentication or with user name and password (RFC 1929). It
// follows the specification "SOCKS5 Support".
//
// Host names are not resolved here but given to the proxy as they are.
package socks5

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Proxy is a SOCKS5 proxy. It must not change while in use.
type Proxy struct {
	// Address is the proxy's "host:port".
	Address string
	// Username and Password are offered to the proxy, if there is a user name.
	Username, Password string
	// Dial opens the socket to the proxy; nil uses a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Error is a connection that could not be made through a proxy.
type Error struct {
	// Proxy is the proxy's address, Target the one that was wanted.
	Proxy, Target string
	// Message says what the proxy answered and what to do.
	Message string
	// Err is the cause, where there is one.
	Err error
}

// Error names the proxy, the target and the reason.
func (e *Error) Error() string {
	s := "through the SOCKS5 proxy " + e.Proxy + " to " + e.Target + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AtProxy reports that it was the proxy that failed: the server has not heard of it.
func (e *Error) AtProxy() bool { return true }

// What RFC 1928 and RFC 1929 put into bytes.
const (
	version     = 5
	authVersion = 1
	connect     = 1

	methodNone     = 0
	methodPassword = 2
	methodRefused  = 0xff

	typeIPv4 = 1
	typeName = 3
	typeIPv6 = 4

	maxText = 255 // of a name, in bytes
)

// DialContext opens a connection to "host:port" through the proxy. Sockets of
// other networks than TCP are opened directly. The context bounds the whole.
func (p *Proxy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dial := p.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return dial(ctx, network, address)
	}
	request, err := request(address)
	if err != nil {
		return nil, &Error{Proxy: p.Address, Target: address, Message: "the address cannot be asked for", Err: err}
	}
	nc, err := dial(ctx, "tcp", p.Address)
	if err != nil {
		return nil, &Error{Proxy: p.Address, Target: address, Message: "the proxy cannot be reached (proxyHost, proxyPort)", Err: err}
	}
	if err := p.negotiate(ctx, nc, request); err != nil {
		_ = nc.Close()
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Message: "the proxy does not answer as it should", Err: err}
		}
		e.Proxy, e.Target = p.Address, address
		return nil, e
	}
	return nc, nil
}

// negotiate runs the conversation under the context.
func (p *Proxy) negotiate(ctx context.Context, nc net.Conn, request []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err := p.converse(nc, request)
	if !stop() {
		// Even if it got through: the connection has a deadline that is over.
		return &Error{Message: "no answer in time", Err: context.Cause(ctx)}
	}
	return err
}

// converse asks the proxy to connect. When it returns nil, the stream is the
// target's.
func (p *Proxy) converse(rw io.ReadWriter, request []byte) error {
	greeting := []byte{version, 1, methodNone}
	if p.Username != "" {
		greeting = []byte{version, 2, methodNone, methodPassword}
	}
	if _, err := rw.Write(greeting); err != nil {
		return err
	}
	var choice [2]byte
	if err := read(rw, choice[:]); err != nil {
		return err
	}
	switch {
	case choice[0] != version:
		return &Error{Message: fmt.Sprintf("it does not speak SOCKS5 (its first byte is %#x): see proxyHost and proxyPort", choice[0])}
	case choice[1] == methodNone:
	case choice[1] == methodPassword && p.Username != "":
		if err := p.authenticate(rw); err != nil {
			return err
		}
	case choice[1] == methodRefused && p.Username == "":
		return &Error{Message: "it does not let clients in without authentication: set proxyUsername and proxyPassword"}
	case choice[1] == methodRefused:
		return &Error{Message: "it accepts neither a user name and password nor clients without"}
	default:
		return &Error{Message: fmt.Sprintf("it chose authentication method %#x, which was not offered", choice[1])}
	}
	if _, err := rw.Write(request); err != nil {
		return err
	}
	return readReply(rw)
}

// authenticate is RFC 1929.
func (p *Proxy) authenticate(rw io.ReadWriter) error {
	message := []byte{authVersion, byte(len(p.Username))}
	message = append(append(message, p.Username...), byte(len(p.Password)))
	if _, err := rw.Write(append(message, p.Password...)); err != nil {
		return err
	}
	var answer [2]byte
	if err := read(rw, answer[:]); err != nil {
		return err
	}
	switch {
	case answer[0] != authVersion:
		return &Error{Message: fmt.Sprintf("it answers version %d of the authentication, which does not exist", answer[0])}
	case answer[1] != 0:
		return &Error{Message: fmt.Sprintf("it refused the user name %q or the password (status %d)", p.Username, answer[1])}
	}
	return nil
}

// request is the message that asks for a connection.
func request(address string) ([]byte, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q is no number up to 65535", portText)
	}
	message := []byte{version, connect, 0}
	if ip, err := netip.ParseAddr(host); err == nil {
		kind := byte(typeIPv4)
		if ip = ip.WithZone("").Unmap(); ip.Is6() {
			kind = typeIPv6
		}
		message = append(append(message, kind), ip.AsSlice()...)
	} else {
		if host == "" || len(host) > maxText {
			return nil, fmt.Errorf("a host name has 1 to %d bytes, this one %d", maxText, len(host))
		}
		message = append(append(message, typeName, byte(len(host))), host...)
	}
	return append(message, byte(port>>8), byte(port)), nil
}

// readReply reads the reply to a request, and not a byte more: what follows is
// the target's.
func readReply(r io.Reader) error {
	var head [4]byte // version, reply, reserved, type of the address that follows
	if err := read(r, head[:]); err != nil {
		return err
	}
	if head[0] != version {
		return &Error{Message: fmt.Sprintf("its reply begins with %#x instead of SOCKS5's version", head[0])}
	}
	if head[1] != 0 {
		return &Error{Message: refusal(head[1])}
	}
	var length int
	switch head[3] {
	case typeIPv4:
		length = net.IPv4len
	case typeIPv6:
		length = net.IPv6len
	case typeName:
		var n [1]byte
		if err := read(r, n[:]); err != nil {
			return err
		}
		length = int(n[0])
	default:
		return &Error{Message: fmt.Sprintf("its reply holds an address of the unknown type %#x", head[3])}
	}
	return read(r, make([]byte, length+2)) // the proxy's own address and port
}

// refusal says what a reply code means.
func refusal(code byte) string {
	texts := [...]string{
		1: "general failure of the proxy: see its log",
		2: "its rules do not allow this connection",
		3: "the network is unreachable from the proxy",
		4: "the host is unreachable from the proxy, or the proxy cannot resolve its name",
		5: "the host refused the connection: nothing listens on that port",
		6: "the connection took too many hops (TTL expired)",
		7: "the proxy does not support opening connections",
		8: "the proxy does not support this type of address",
	}
	text := "unknown reply"
	if int(code) < len(texts) {
		text = texts[code]
	}
	return fmt.Sprintf("%s (reply %d)", text, code)
}

func read(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the proxy closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}
