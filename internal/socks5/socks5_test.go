package socks5

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/socks5test"
)

// echo is a server that sends back what it gets, after a word of its own.
func echo(t *testing.T) *scripted.Server {
	t.Helper()
	return scripted.Listen(t, func(p *scripted.Peer) {
		_, _ = p.Write([]byte("hello"))
		_, _ = io.Copy(p.Conn, p.Conn)
	})
}

func exchange(t *testing.T, nc net.Conn) {
	t.Helper()
	defer nc.Close()
	b := make([]byte, 5)
	if _, err := io.ReadFull(nc, b); err != nil || string(b) != "hello" {
		t.Fatalf("%q, %v", b, err)
	}
	if _, err := nc.Write([]byte("12345")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, b); err != nil || string(b) != "12345" {
		t.Fatalf("%q, %v", b, err)
	}
}

func TestDial(t *testing.T) {
	s := echo(t)
	_, port, _ := net.SplitHostPort(s.Address)
	password := strings.Repeat("ü", 127)
	long := strings.Repeat("x", 250) + ":27017"
	for _, tt := range []struct{ name, address, asked string }{
		{"IPv4", s.Address, s.Address},
		{"name that only the proxy knows", "db.internal:27017", "db.internal:27017"},
		{"IPv6", "[2001:db8::1]:27017", "[2001:db8::1]:27017"},
		{"IPv6 with a zone", "[fe80::1%eth0]:27017", "[fe80::1]:27017"},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:" + port, s.Address},
		{"long name", long, long},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hosts := map[string]string{tt.asked: s.Address}
			open := socks5test.Listen(t, socks5test.Config{Hosts: hosts})
			locked := socks5test.Listen(t, socks5test.Config{Hosts: hosts, Username: "tea", Password: password})
			for _, p := range []Proxy{
				{Address: open.Address},
				{Address: open.Address, Username: "tea", Password: password}, // not asked for
				{Address: locked.Address, Username: "tea", Password: password},
			} {
				nc, err := p.DialContext(t.Context(), "tcp", tt.address)
				if err != nil {
					t.Fatal(err)
				}
				exchange(t, nc)
			}
			for _, asked := range append(open.Asked(), locked.Asked()...) {
				if asked != tt.asked {
					t.Errorf("the proxy was asked for %s", asked)
				}
			}
		})
	}
}

func TestUnixIsNotProxied(t *testing.T) {
	s := scripted.ListenUnix(t, func(p *scripted.Peer) { _, _ = p.Write([]byte("hello")); _, _ = io.Copy(p.Conn, p.Conn) })
	nc, err := (&Proxy{Address: "127.0.0.1:1"}).DialContext(t.Context(), "unix", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, nc)
}

func TestRefusals(t *testing.T) {
	closed := scripted.Refusing(t)
	say := func(b string) string {
		return scripted.Listen(t, func(p *scripted.Peer) {
			_, _ = p.Conn.Read(make([]byte, 512))
			_, _ = p.Write([]byte(b))
			if b != "" {
				_, _ = io.Copy(io.Discard, p.Conn)
			}
		}).Address
	}
	locked := socks5test.Listen(t, socks5test.Config{Username: "tea", Password: "pot"}).Address
	open := socks5test.Listen(t, socks5test.Config{}).Address
	refuses := func(code byte) string { return socks5test.Listen(t, socks5test.Config{Reply: code}).Address }
	for _, tt := range []struct {
		name  string
		proxy Proxy
		to    string
		want  string
	}{
		{"nothing there", Proxy{Address: closed}, "db:1", "cannot be reached (proxyHost, proxyPort)"},
		{"target closed", Proxy{Address: open}, closed, "refused the connection"},
		{"rules", Proxy{Address: refuses(2)}, "db:1", "its rules do not allow"},
		{"unknown host", Proxy{Address: refuses(4)}, "db:1", "cannot resolve its name"},
		{"strange code", Proxy{Address: refuses(99)}, "db:1", "unknown reply (reply 99)"},
		{"wants a password", Proxy{Address: locked}, "db:1", "set proxyUsername and proxyPassword"},
		{"wrong password", Proxy{Address: locked, Username: "tea", Password: "secret"}, "db:1", `refused the user name "tea" or the password (status 7)`},
		{"no method fits", Proxy{Address: say("\x05\xff"), Username: "tea", Password: "secret"}, "db:1", "accepts neither"},
		{"method not offered", Proxy{Address: say("\x05\x02")}, "db:1", "which was not offered"},
		{"strange authentication", Proxy{Address: say("\x05\x02\x07\x00"), Username: "tea", Password: "secret"}, "db:1", "version 7"},
		{"web server", Proxy{Address: say("HTTP/1.1 400 Bad Request\r\n\r\n")}, "db:1", "does not speak SOCKS5"},
		{"hangs up", Proxy{Address: say("")}, "db:1", "closed the connection"},
		{"strange reply", Proxy{Address: say("\x05\x00\x04\x00\x00\x01")}, "db:1", "begins with 0x4"},
		{"strange address", Proxy{Address: say("\x05\x00\x05\x00\x00\x09")}, "db:1", "unknown type 0x9"},
		{"name too long", Proxy{Address: open}, strings.Repeat("x", 256) + ":1", "1 to 255 bytes"},
		{"no port", Proxy{Address: open}, "db", "missing port"},
		{"port too large", Proxy{Address: open}, "db:70000", "65535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nc, err := tt.proxy.DialContext(t.Context(), "tcp", tt.to)
			if err == nil {
				_ = nc.Close()
				t.Fatal("no error")
			}
			var e *Error
			if !errors.As(err, &e) || e.Proxy != tt.proxy.Address || e.Target != tt.to {
				t.Errorf("%#v", err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.proxy.Address) {
				t.Errorf("%q does not say %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q shows the password", err)
			}
		})
	}
}

// A proxy that says nothing does not outlast the context.
func TestContext(t *testing.T) {
	silent := scripted.Listen(t, func(p *scripted.Peer) { _, _ = io.Copy(io.Discard, p.Conn) })
	p := &Proxy{Address: silent.Address}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.DialContext(ctx, "tcp", "db:1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	ctx, cancel2 := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	time.AfterFunc(10*time.Millisecond, func() { cancel2(why) })
	if _, err := p.DialContext(ctx, "tcp", "db:1"); !errors.Is(err, why) {
		t.Error(err)
	}
}

// No deadline stays on a connection that was made.
func TestNoDeadlineStays(t *testing.T) {
	p := &Proxy{Address: socks5test.Listen(t, socks5test.Config{}).Address}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	nc, err := p.DialContext(ctx, "tcp", echo(t).Address)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	exchange(t, nc)
}

// Whatever a proxy answers, the client ends with a verdict and takes no byte of
// what the target says.
func FuzzReplies(f *testing.F) {
	f.Add([]byte("\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"), false)
	f.Add([]byte("\x05\x02\x01\x00\x05\x00\x00\x03\x02db\x00\x50"), true)
	f.Add([]byte("\x05\x00\x05\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50"), false)
	f.Add([]byte("\x05\x00\x05\x05"), false)
	f.Fuzz(func(t *testing.T, replies []byte, login bool) {
		p := &Proxy{}
		if login {
			p.Username, p.Password = "tea", "pot"
		}
		in := bytes.NewReader(append(bytes.Clone(replies), "target"...))
		err := p.converse(struct {
			io.Reader
			io.Writer
		}{in, io.Discard}, []byte("request"))
		if err != nil {
			return
		}
		all := append(bytes.Clone(replies), "target"...)
		at := 2
		if all[1] == methodPassword {
			at += 2
		}
		reply := all[at:]
		length := map[byte]int{typeIPv4: 4, typeIPv6: 16, typeName: 1 + int(reply[4])}[reply[3]]
		if taken := len(all) - in.Len(); taken != at+4+length+2 {
			t.Errorf("took %d bytes of %x, whose replies have %d", taken, all, at+4+length+2)
		}
	})
}
