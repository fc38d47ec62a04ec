package certtest

import (
	"crypto"
	"crypto/x509"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Delegate issues a certificate that may sign OCSP answers for this authority.
func (a *Authority) Delegate(t testing.TB, changes ...Change) *Pair {
	t.Helper()
	return a.Issue(t, "OCSP", append([]Change{Usage(x509.ExtKeyUsageOCSPSigning)}, changes...)...)
}

// Answer is an OCSP answer to be signed.
type Answer struct {
	// Status is ocsp.Good, ocsp.Revoked or ocsp.Unknown.
	Status int
	// This and Next are when it was made and when it expires, by default a minute
	// ago and in an hour.
	This, Next time.Time
	// NoNext leaves the expiry out.
	NoNext bool
	// Signer signs it; nil is the authority itself.
	Signer *Pair
}

// OCSP signs an answer about a certificate.
func (a *Authority) OCSP(t testing.TB, cert *x509.Certificate, answer Answer) []byte {
	t.Helper()
	now := time.Now()
	template := ocsp.Response{
		Status: answer.Status, SerialNumber: cert.SerialNumber, ThisUpdate: answer.This, NextUpdate: answer.Next,
		IssuerHash: crypto.SHA1,
	}
	if answer.Status == ocsp.Revoked {
		template.RevokedAt, template.RevocationReason = now.Add(-2*time.Hour), ocsp.KeyCompromise
	}
	if template.ThisUpdate.IsZero() {
		template.ThisUpdate = now.Add(-time.Minute)
	}
	if template.NextUpdate.IsZero() && !answer.NoNext {
		template.NextUpdate = now.Add(time.Hour)
	}
	signer, key := a.Cert, a.Key
	if answer.Signer != nil {
		signer, key = answer.Signer.Cert, answer.Signer.Key
		template.Certificate = signer
	}
	raw, err := ocsp.CreateResponse(a.Cert, signer, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
