package conn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/mgxdb/mgx/internal/fault"
)

func TestOverloadLabels(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, test := range []struct {
		name string
		err  Error
		want bool
	}{
		{"refused", Error{Op: "dial", Err: refused}, true},
		{"dial timeout", Error{Op: "dial", Kind: SocketTimeout, Err: errors.New("late")}, true},
		{"caller gave up", Error{Op: "dial", Kind: Context, Err: errors.New("late")}, false},
		{"no such host", Error{Op: "dial", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Name: "x"}}}, false},
		{"dialer of the user's", Error{Op: "dial", Err: errors.New("proxy says no")}, false},
		{"closed under TLS", Error{Op: "tls handshake", Err: fmt.Errorf("closed: %w", io.EOF)}, true},
		{"bad certificate", Error{Op: "tls handshake", Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, false},
		{"alert", Error{Op: "tls handshake", Err: &net.OpError{Op: "remote error", Err: tls.AlertError(42)}}, false},
		{"closed under hello", Error{Op: "hello", Err: io.ErrUnexpectedEOF}, true},
		{"hello refused", Error{Op: "hello", Kind: Handshake, Err: errors.New("no")}, false},
		{"closed under authentication", Error{Op: "read", Err: io.EOF}, false},
	} {
		e := test.err.busy()
		for _, label := range []string{fault.LabelOverloaded, fault.LabelRetryable} {
			if e.HasLabel(label) != test.want {
				t.Errorf("%s: %s: %v, want %v", test.name, label, !test.want, test.want)
			}
		}
		if e.HasLabel("RetryableWriteError") {
			t.Errorf("%s: it has a label that is not its own", test.name)
		}
	}
}
