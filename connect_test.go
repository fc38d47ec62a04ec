package mgx

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/certtest"
	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/socks5test"
	"github.com/mgxdb/mgx/internal/wire"
)

// recorder keeps what a scripted server got.
type recorder struct {
	mu   sync.Mutex
	seen []scripted.Request
}

// greet answers hellos and hands all other requests to answer, and keeps both.
func (r *recorder) greet(hello func(scripted.Request) bson.D, answer func(*scripted.Peer, scripted.Request) error) func(*scripted.Peer) {
	return func(p *scripted.Peer) {
		for {
			req, err := p.Read()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.seen = append(r.seen, req)
			r.mu.Unlock()
			if req.IsHello() {
				err = p.Answer(req, hello(req))
			} else {
				err = answer(p, req)
			}
			if err != nil {
				return
			}
		}
	}
}

// each calls f with what came so far.
func (r *recorder) each(f func(scripted.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, req := range r.seen {
		f(req)
	}
}

func healthy(scripted.Request) bson.D { return scripted.Hello() }

func ok(p *scripted.Peer, r scripted.Request) error {
	return p.Answer(r, bson.D{{Key: "ok", Value: 1}})
}

func connectTo(t *testing.T, uri string, change func(*Options)) *Client {
	t.Helper()
	o, err := ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(o)
	}
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// failToConnect returns the error of a deployment that cannot be used. It waits
// longer, on a busy machine, where the first check has not ended.
func failToConnect(t *testing.T, uri string) error {
	t.Helper()
	var err error
	for _, wait := range []string{"200", "1000", "10000"} {
		separator := "/?"
		if strings.Contains(uri, "?") {
			separator = "&"
		}
		var c *Client
		if c, err = Connect(t.Context(), uri+separator+"serverSelectionTimeoutMS="+wait); err == nil {
			_ = c.Close(t.Context())
			return nil
		}
		if !strings.Contains(err.Error(), "no answer to the first check yet") {
			break
		}
	}
	return err
}

// All connections go through the proxy, which resolves the names.
func TestProxy(t *testing.T) {
	ca := certtest.NewAuthority(t, "CA")
	pair := ca.Issue(t, "db", certtest.For("db.internal"))
	plain := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	secure := scripted.ListenTLS(t, &tls.Config{Certificates: []tls.Certificate{pair.TLS()}}, scripted.Greet(scripted.Hello(), scripted.Ping))
	proxy := socks5test.Listen(t, socks5test.Config{Username: "tea", Password: "hunter2", Hosts: map[string]string{
		"db.internal:27017": plain.Address, "db.internal:27018": secure.Address,
	}})
	host, port, _ := net.SplitHostPort(proxy.Address)
	through := "?proxyHost=" + host + "&proxyPort=" + port
	login := through + "&proxyUsername=tea&proxyPassword=hunter2"
	for _, uri := range []string{
		"mongodb://db.internal/" + login,
		"mongodb://db.internal:27018/" + login + "&tlsCAFile=" + ca.File(t), // the certificate is for the name
	} {
		c := connectTo(t, uri, nil)
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if asked := proxy.Asked(); len(asked) < 4 || slices.Contains(asked, plain.Address) { // monitors and pools
		t.Errorf("the proxy was asked for %v", asked)
	}
	for _, tt := range []struct{ uri, want string }{
		{"mongodb://db.internal/" + through, "set proxyUsername and proxyPassword"},
		{"mongodb://db.internal/" + strings.Replace(login, "hunter2", "hunter3", 1), `refused the user name "tea" or the password`},
		{"mongodb://127.0.0.1:1/" + login, "the host refused the connection"},
		{"mongodb://db.internal/" + strings.Replace(login, port, "1", 1), "the proxy cannot be reached"},
	} {
		err := failToConnect(t, tt.uri)
		if !errors.Is(err, ErrConnectionFailure) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v does not say %q", err, tt.want)
		}
	}
}

// The sockets to the proxy are the owner's, if there is a DialContext.
func TestProxyDialContext(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	proxy := socks5test.Listen(t, socks5test.Config{})
	var mu sync.Mutex
	var dialled []string
	connectTo(t, "mongodb://"+s.Address+"/?proxyHost=proxy.invalid&proxyPort=99", func(o *Options) {
		o.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			dialled = append(dialled, address)
			mu.Unlock()
			return new(net.Dialer).DialContext(ctx, network, proxy.Address)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	for _, address := range dialled {
		if address != "proxy.invalid:99" {
			t.Errorf("dialled %s", address)
		}
	}
}

// A declared version goes with every command, the first hello included.
func TestServerAPI(t *testing.T) {
	var r recorder
	s := scripted.Listen(t, r.greet(healthy, ok))
	c := connectTo(t, "mongodb://"+s.Address, func(o *Options) {
		o.ServerAPI = &ServerAPI{Version: "1", Strict: ptr(true), DeprecationErrors: ptr(false)}
	})
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	r.each(func(req scripted.Request) {
		n++
		version, _ := req.Document.Lookup("apiVersion").StringValueOK()
		strict, _ := req.Document.Lookup("apiStrict").BooleanOK()
		deprecated, found := req.Document.Lookup("apiDeprecationErrors").BooleanOK()
		if version != "1" || !strict || deprecated || !found || req.OpCode != wire.OpMsg || req.Name == "isMaster" {
			t.Errorf("%v %v", req.OpCode, req.Document)
		}
	})
	if n < 3 {
		t.Errorf("%d requests", n)
	}
}

func TestLoadBalanced(t *testing.T) {
	id := bson.NewObjectID()
	var r recorder
	behind := scripted.Listen(t, r.greet(func(req scripted.Request) bson.D {
		if balanced, _ := req.Document.Lookup("loadBalanced").BooleanOK(); !balanced {
			return scripted.Hello()
		}
		return scripted.Hello(bson.E{Key: "serviceId", Value: id}, bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30})
	}, ok))
	c := connectTo(t, "mongodb://"+behind.Address+"/?loadBalanced=true", nil)
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.each(func(req scripted.Request) {
		if req.IsHello() && req.Name != "hello" {
			t.Errorf("a legacy hello: %v", req.Document)
		}
	})
	// There is nobody to monitor behind a balancer.
	if n := behind.Accepted(); n != 1 {
		t.Errorf("%d connections", n)
	}

	alone := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	err := failToConnect(t, "mongodb://"+alone.Address+"/?loadBalanced=true")
	if !errors.Is(err, ErrConnectionFailure) || !strings.Contains(err.Error(), "serviceId") {
		t.Errorf("%v", err)
	}
}

// Compression is what both sides know, of what the client prefers, for what may
// be compressed.
func TestCompression(t *testing.T) {
	big := strings.Repeat("tea ", 1000)
	for _, tt := range []struct {
		client string
		server []string
		want   string
	}{
		{"snappy", []string{"snappy", "zlib", "zstd"}, "snappy"},
		{"zlib&zlibCompressionLevel=9", []string{"snappy", "zlib"}, "zlib"},
		{"zlib&zlibCompressionLevel=0", []string{"zlib"}, "zlib"},
		{"zstd,zlib", []string{"snappy", "zlib", "zstd"}, "zstd"},
		{"zstd,zlib", []string{"zlib"}, "zlib"},
		{"zstd", []string{"snappy"}, ""},
		{"zstd", nil, ""},
	} {
		t.Run(tt.client, func(t *testing.T) {
			var r recorder
			s := scripted.Listen(t, r.greet(
				func(scripted.Request) bson.D { return scripted.Hello(bson.E{Key: "compression", Value: tt.server}) },
				func(p *scripted.Peer, req scripted.Request) error {
					reply := p.Reply(req, bson.D{{Key: "ok", Value: 1}, {Key: "echo", Value: big}})
					if req.Compressor != "" {
						reply = scripted.Compress(reply, req.Compressor, -1)
					}
					_, err := p.Write(reply)
					return err
				}))
			c := connectTo(t, "mongodb://"+s.Address+"/?compressors="+tt.client, nil)
			for _, command := range []string{"echo", "createUser", "updateUser", "saslStart", "getnonce"} {
				var reply struct{ Echo string }
				err := c.Database("admin").RunCommand(t.Context(), bson.D{{Key: command, Value: big}}).Decode(&reply)
				if err != nil || reply.Echo != big {
					t.Fatalf("%s: %v", command, err)
				}
			}
			offered, _, _ := strings.Cut(tt.client, "&")
			compressed := 0
			r.each(func(req scripted.Request) {
				if req.IsHello() {
					list, _ := req.Document.Lookup("compression").Array().Values()
					var names []string
					for _, v := range list {
						names = append(names, v.StringValue())
					}
					if req.Name == "isMaster" && strings.Join(names, ",") != offered {
						t.Errorf("offered %v", names)
					}
				}
				want := tt.want
				if !compress.Allowed(req.Name) {
					want = ""
				}
				if req.Compressor != want {
					t.Errorf("%s was compressed with %q, want %q", req.Name, req.Compressor, want)
				}
				if req.Compressor != "" {
					compressed++
				}
			})
			if (compressed > 0) != (tt.want != "") {
				t.Errorf("%d requests were compressed", compressed)
			}
		})
	}
}

// A reply that stands for more than it announces, or that announces more than a
// message may have, is an error and costs no memory.
func TestCompressionBombs(t *testing.T) {
	zeros := bytes.Repeat([]byte{0}, 1<<20)
	for _, compressor := range []string{"snappy", "zlib", "zstd"} {
		for name, size := range map[string]int{"more than announced": 100, "less than announced": 40 << 20, "more than allowed": 1<<31 - 1} {
			t.Run(compressor+" "+name, func(t *testing.T) {
				var r recorder
				s := scripted.Listen(t, r.greet(
					func(scripted.Request) bson.D {
						return scripted.Hello(bson.E{Key: "compression", Value: bson.A{compressor}})
					},
					func(p *scripted.Peer, req scripted.Request) error {
						if req.Name == "ping" {
							return ok(p, req)
						}
						_, err := p.Write(scripted.Compress(p.Reply(req, bson.D{{Key: "ok", Value: 1}, {Key: "x", Value: zeros}}), compressor, size))
						return err
					}))
				c := connectTo(t, "mongodb://"+s.Address+"/?retryReads=false&compressors="+compressor, nil)
				err := c.Database("admin").RunCommand(t.Context(), bson.D{{Key: "bomb", Value: 1}}).Err()
				if !errors.Is(err, ErrProtocol) || !errors.Is(err, ErrConnectionFailure) {
					t.Errorf("%v", err)
				}
				if err := c.Ping(t.Context()); err != nil {
					t.Errorf("the client did not recover: %v", err)
				}
			})
		}
	}
}
