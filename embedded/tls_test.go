package embedded

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/embedded/internal/cert"
	"github.com/mgxdb/mgx/embedded/internal/ping"
)

func TestTLSWithAnOwnCertificate(t *testing.T) {
	s := start(t, Options{TLS: &TLS{}})
	if !strings.Contains(s.URI(), "tls=true") || s.CAFile() == "" {
		t.Fatalf("URI %q, CAFile %q", s.URI(), s.CAFile())
	}
	insert(t, s.URI(), "tea") // the URI is all that a client needs
	if got := ids(t, s.URI()); len(got) != 1 {
		t.Fatalf("found %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.CAFile()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the authority's file is still there: %v", err)
	}
}

func TestTLSWithGivenCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, crt, key := filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	if err := cert.Make(ca, crt, key, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{TLS: &TLS{CertFile: crt, KeyFile: key}})
	if s.CAFile() != "" || !strings.HasSuffix(s.URI(), "/?tls=true") {
		t.Fatalf("URI %q, CAFile %q", s.URI(), s.CAFile())
	}
	insert(t, s.URI()+"&tlsCAFile="+ca, "tea")
}

func TestTLSWantsClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, crt, key := filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	if err := cert.Make(ca, crt, key, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{TLS: &TLS{ClientCAFile: ca}})
	err := ping.Run(t.Context(), "tcp", s.Addr(), &tls.Config{InsecureSkipVerify: true})
	if !ping.Refused(err) {
		t.Fatalf("without a certificate: %v", err)
	}
}
