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
	ca, cert, key := filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	if err := makeCertificates(ca, cert, key, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{TLS: &TLS{CertFile: cert, KeyFile: key}})
	if s.CAFile() != "" || !strings.HasSuffix(s.URI(), "/?tls=true") {
		t.Fatalf("URI %q, CAFile %q", s.URI(), s.CAFile())
	}
	insert(t, s.URI()+"&tlsCAFile="+ca, "tea")
}

func TestTLSWantsClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, cert, key := filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	if err := makeCertificates(ca, cert, key, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{TLS: &TLS{ClientCAFile: ca}})
	conn, err := tls.Dial("tcp", s.Addr(), &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		defer func() { _ = conn.Close() }()
		err = roundTrip(conn)
	}
	if !refused(err) {
		t.Fatalf("without a certificate: %v", err)
	}
}
