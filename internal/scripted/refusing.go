package scripted

import (
	"io"
	"net"
	"testing"
)

// Refusing returns a loopback address that refuses connections until the test ends. The
// port is not free, so that nobody else can come to listen on it meanwhile: it is the near
// end of a connection.
func Refusing(t testing.TB) string {
	t.Helper()
	return refusing(t, listen(t, "tcp", "127.0.0.1:0", hold))
}

// RefusingIPv6 is Refusing with an IPv6 address, for machines that have the protocol.
func RefusingIPv6(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 loopback on this machine")
	}
	return refusing(t, start(t, l, hold))
}

// hold keeps a connection until the other side hangs up.
func hold(p *Peer) { _, _ = io.Copy(io.Discard, p.Conn) }

func refusing(t testing.TB, s *Server) string {
	t.Helper()
	nc, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc.LocalAddr().String()
}
