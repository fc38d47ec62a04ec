package scripted

import (
	"crypto/tls"
	"testing"
)

// ListenTLS is Listen behind TLS.
func ListenTLS(t testing.TB, cfg *tls.Config, script func(*Peer)) *Server {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, l, script)
}
