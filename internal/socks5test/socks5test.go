// Package socks5test is a SOCKS5 proxy for tests.
package socks5test

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
)

// Proxy is a proxy on a loopback port.
type Proxy struct {
	// Address is where it listens.
	Address string

	cfg   Config
	l     net.Listener
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	asked []string
}

// Config says how a proxy behaves.
type Config struct {
	// Username and Password must be given by clients, if there is a user name.
	Username, Password string
	// Reply, if not 0, is what every request is answered.
	Reply byte
	// Hosts maps the names that the proxy knows to addresses; others are dialled
	// as they are.
	Hosts map[string]string
}

// Listen starts a proxy, which ends with the test.
func Listen(t testing.TB, cfg Config) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), cfg: cfg, l: l, conns: map[net.Conn]struct{}{}}
	p.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(nc) })
		}
	})
	t.Cleanup(p.close)
	return p
}

// Asked is the addresses that were asked for, in their order.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

func (p *Proxy) close() {
	_ = p.l.Close()
	p.mu.Lock()
	for nc := range p.conns {
		_ = nc.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.wg.Wait()
}

// track has the connection closed with the proxy.
func (p *Proxy) track(nc net.Conn) (untrack func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		_ = nc.Close()
		return func() {}
	}
	p.conns[nc] = struct{}{}
	return func() {
		_ = nc.Close()
		p.mu.Lock()
		delete(p.conns, nc)
		p.mu.Unlock()
	}
}

func (p *Proxy) serve(nc net.Conn) {
	defer p.track(nc)()
	if !p.welcome(nc) {
		return
	}
	address, ok := readRequest(nc)
	if !ok {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, address)
	p.mu.Unlock()
	if p.cfg.Reply != 0 {
		_, _ = nc.Write([]byte{5, p.cfg.Reply, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	if known, ok := p.cfg.Hosts[address]; ok {
		address = known
	}
	target, err := net.Dial("tcp", address)
	if err != nil {
		_, _ = nc.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer p.track(target)()
	if _, err := nc.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 80}); err != nil {
		return
	}
	var done sync.WaitGroup
	done.Go(func() { _, _ = io.Copy(target, nc); _ = target.Close() })
	_, _ = io.Copy(nc, target)
	_ = nc.Close()
	done.Wait()
}

// welcome runs the negotiation of the method and the authentication.
func (p *Proxy) welcome(nc net.Conn) bool {
	var head [2]byte
	if _, err := io.ReadFull(nc, head[:]); err != nil || head[0] != 5 {
		return false
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(nc, methods); err != nil {
		return false
	}
	want := byte(0)
	if p.cfg.Username != "" {
		want = 2
	}
	for _, m := range methods {
		if m == want {
			_, err := nc.Write([]byte{5, want})
			return err == nil && (want == 0 || p.login(nc))
		}
	}
	_, _ = nc.Write([]byte{5, 0xff})
	return false
}

func (p *Proxy) login(nc net.Conn) bool {
	var version [1]byte
	if _, err := io.ReadFull(nc, version[:]); err != nil || version[0] != 1 {
		return false
	}
	user, okUser := readText(nc)
	password, okPassword := readText(nc)
	if !okUser || !okPassword {
		return false
	}
	if user != p.cfg.Username || password != p.cfg.Password {
		_, _ = nc.Write([]byte{1, 7})
		return false
	}
	_, err := nc.Write([]byte{1, 0})
	return err == nil
}

func readText(r io.Reader) (string, bool) {
	var n [1]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", false
	}
	b := make([]byte, n[0])
	_, err := io.ReadFull(r, b)
	return string(b), err == nil
}

func readRequest(r io.Reader) (address string, ok bool) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || head[0] != 5 || head[1] != 1 {
		return "", false
	}
	var host string
	switch head[3] {
	case 1, 4:
		b := make([]byte, map[byte]int{1: 4, 4: 16}[head[3]])
		if _, err := io.ReadFull(r, b); err != nil {
			return "", false
		}
		ip, _ := netip.AddrFromSlice(b)
		host = ip.String()
	case 3:
		if host, ok = readText(r); !ok {
			return "", false
		}
	default:
		return "", false
	}
	var port [2]byte
	if _, err := io.ReadFull(r, port[:]); err != nil {
		return "", false
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port[:])))), true
}
