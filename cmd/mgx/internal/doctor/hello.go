package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/tlsclient"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// greet says hello over the open socket, as the client's monitor does.
func greet(ctx context.Context, w *walk, s *server) *Finding {
	cfg := *w.cfg
	cfg.Secure = nil // done
	cfg.DialContext = func(context.Context, string, string) (net.Conn, error) { return s.nc, nil }
	began := time.Now()
	c, err := conn.DialMonitor(ctx, s.address, &cfg)
	if err != nil {
		return unmannered(ctx, w, s, time.Since(began), err)
	}
	hello, took := c.Hello()
	s.desc = hello.Server
	s.nc = nil
	_ = c.Close() // its work is done
	return greeted(w, s, took)
}

func greeted(w *walk, s *server, took time.Duration) *Finding {
	d := s.desc
	f := find(OK, "hello", "%s, %s, in %s", role(d), versions(d), screen.Duration(took))
	f.fact("kind", d.Kind.String()).fact("minWireVersion", d.MinWireVersion).fact("maxWireVersion", d.MaxWireVersion).fact("took", took)
	if d.SetName != "" {
		f.fact("setName", d.SetName)
	}
	if c := compress.Negotiate(w.cfg.Compressors, d.Compression); c != nil {
		f.Message += ", compression " + c.Name()
		f.fact("compression", c.Name())
	}
	settings := w.resolved.Deployment()
	switch {
	case d.MaxWireVersion < wireversion.Min:
		f.refuse("hello.tooOld", "the server is too old: this client speaks wire versions %d to %d (MongoDB %s and later)", wireversion.Min, wireversion.Max, wireversion.MinRelease).
			advise("update the server to MongoDB %s or later", wireversion.MinRelease)
	case d.MinWireVersion > wireversion.Max:
		f.refuse("hello.tooNew", "the server is too new: this client speaks wire versions %d to %d", wireversion.Min, wireversion.Max).
			advise("update mgx")
	case d.Kind == sdam.RSGhost:
		f.refuse("hello.ghost", "the server was started for a replica set (--replSet) and has no configuration of one").
			advise("initiate the set (rs.initiate() in mongosh, on one member), or add this server to it (rs.add())").
			advise("if it was removed from its set, take it out of the connection string")
	case settings.SetName != "" && d.SetName == "":
		f.refuse("hello.noSet", "replicaSet=%s, but the server is a member of no replica set", settings.SetName).
			advise("leave replicaSet away, or name the hosts of the set")
	case settings.SetName != "" && d.SetName != settings.SetName:
		f.refuse("hello.setName", "replicaSet=%s, but the server is a member of %q", settings.SetName, d.SetName).
			advise("write replicaSet=%s, if this is the set that you mean; names are case-sensitive", d.SetName)
	case len(w.cfg.Compressors) > 0 && compress.Negotiate(w.cfg.Compressors, d.Compression) == nil:
		f.warn("hello.compression", "the server has none of the compressors asked for, so messages go uncompressed: it offers %s", none(list(d.Compression)))
	}
	return f
}

// refuse makes a finding of what was reached a failure.
func (f *Finding) refuse(code, format string, args ...any) *Finding {
	f.Code, f.Verdict = code, Failed
	f.Details = append([]string{f.Message}, f.Details...)
	f.Message = fmt.Sprintf(format, args...)
	return f
}

func none(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// role says what a server is.
func role(d *sdam.Server) string {
	what := map[sdam.ServerKind]string{
		sdam.Standalone: "a standalone server", sdam.Mongos: "a router of a sharded cluster (mongos)",
		sdam.RSPrimary: "the primary", sdam.RSSecondary: "a secondary", sdam.RSArbiter: "an arbiter",
		sdam.RSOther: "a member that takes no operations now", sdam.RSGhost: "a server without a replica set's configuration",
		sdam.LoadBalancer: "a service behind a load balancer",
	}[d.Kind]
	switch {
	case d.Hidden:
		what = "a hidden member"
	case what == "":
		what = "a server of unknown kind"
	}
	if d.SetName != "" {
		what += " of " + d.SetName
	}
	return what
}

func versions(d *sdam.Server) string {
	text := fmt.Sprintf("wire versions %d to %d", d.MinWireVersion, d.MaxWireVersion)
	if release := wireversion.Release(d.MaxWireVersion); release != "" {
		return text + " (MongoDB " + release + ")"
	}
	return text + " (before MongoDB 3.0)"
}

// unmannered explains a server that does not answer the hello as MongoDB does.
func unmannered(ctx context.Context, w *walk, s *server, waited time.Duration, err error) *Finding {
	first := s.heard.first()
	var ce *conn.Error
	var refused *fault.Refusal
	var secure *tlsclient.Error
	if errors.As(err, &ce) {
		err = ce.Err
	}
	switch {
	case errors.As(err, &secure): // with TLS 1.3, it is only now that the server says so
		return alerted(secure)
	case errors.As(err, &refused):
		return find(Failed, "hello.refused", "the server refuses the hello: %v", refused).
			advise("it may be starting, shutting down, or out of connections: see its log")
	case speaker(first) != "":
		return find(Failed, "hello.notMongoDB", "%s answers on this port, not MongoDB", speaker(first)).
			advise("correct the host or the port; MongoDB's own is 27017")
	case w.cfg.Secure == nil && isTLS(first), w.cfg.Secure == nil && closed(err) && w.speaksTLS(ctx, s.address):
		return find(Failed, "hello.needsTLS", "the server speaks TLS alone on this port").
			advise("add tls=true, and tlsCAFile=FILE where its certificate is not of a public authority")
	case ce != nil && (ce.Kind == conn.SocketTimeout || ce.Kind == conn.Context):
		if w.speaksHTTP(ctx, s.address) {
			return find(Failed, "hello.notMongoDB", "a web server (HTTP) answers on this port, not MongoDB").
				advise("correct the host or the port; MongoDB's own is 27017")
		}
		return find(Failed, "hello.silent", "the connection is accepted, and the hello is not answered within %s", screen.Duration(waited)).
			advise("the server may be frozen, overloaded, or still recovering: see its log").
			advise("or what accepts is not the server: a proxy, a load balancer or a port mapping with nothing behind it")
	case closed(err):
		return find(Failed, "hello.closed", "%v, without an answer", err).
			advise("see the server's log: it may be out of connections (net.maxIncomingConnections), or refuse this address").
			advise("or what accepts is not the server: a proxy or a port mapping with nothing behind it")
	case w.options.LoadBalanced != nil && *w.options.LoadBalanced && strings.Contains(err.Error(), "serviceId"):
		return find(Failed, "hello.noLoadBalancer", "%v", err).advise("leave loadBalanced=true away")
	}
	return find(Failed, "hello.notMongoDB", "what answers does not speak MongoDB's protocol: %v", err).
		advise("correct the host or the port; MongoDB's own is 27017")
}

// speaksHTTP reports whether a server that does not answer the hello is one that
// waits for the end of a line.
func (w *walk) speaksHTTP(ctx context.Context, address string) bool {
	ctx, cancel := w.probe(ctx)
	defer cancel()
	nc, err := w.cfg.Open(ctx, address)
	if err != nil {
		return false
	}
	defer nc.Close()
	if w.cfg.Secure != nil {
		if nc, err = w.cfg.Secure(ctx, nc, address); err != nil {
			return false
		}
	}
	end, _ := ctx.Deadline()
	_ = nc.SetDeadline(end) // a failure shows below
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	if _, err := io.WriteString(nc, "HEAD / HTTP/1.0\r\n\r\n"); err != nil {
		return false
	}
	var first [5]byte
	_, err = io.ReadFull(nc, first[:])
	return err == nil && string(first[:]) == "HTTP/"
}

// closed reports whether the server hung up.
func closed(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
