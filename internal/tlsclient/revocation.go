package tlsclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

// revocation finds out whether servers' certificates were revoked: by the answer
// that the server staples, by answers got before, and by asking the responders
// that the certificate names. What nobody can tell counts as not revoked.
type revocation struct {
	// ask asks a responder; nil asks none.
	ask func(ctx context.Context, url string, request []byte) ([]byte, error)
	now func() time.Time

	mu     sync.Mutex
	known  map[certID]*ocsp.Response
	silent map[certID]time.Time // until then, responders are not asked again
}

// certID is what OCSP knows a certificate by.
type certID struct {
	issuer [sha256.Size]byte // of its name and key
	serial string
}

const (
	// askTimeout bounds the wait for responders, by the specification.
	askTimeout = 5 * time.Second
	// askAgain is how long responders that did not answer are left alone: without
	// it, one that is down would hold each new connection up.
	askAgain = time.Minute
	// maxSkew is how much a responder's clock may be ahead of this machine's.
	maxSkew = 5 * time.Minute
	// maxKnown bounds the answers that are kept.
	maxKnown = 1000
)

// check returns an error if the server's certificate is revoked, or if what the
// server stapled proves nothing.
func (r *revocation) check(ctx context.Context, state *tls.ConnectionState) error {
	leaf, issuer := parties(state.VerifiedChains)
	if leaf == nil {
		return nil
	}
	id := idOf(leaf, issuer)
	if len(state.OCSPResponse) == 0 && mustStaple(leaf) {
		return &CertificateError{Certificate: leaf, Chain: state.PeerCertificates, Err: errNotStapled, Message: fmt.Sprintf(
			"the certificate %s demands a stapled OCSP answer (it is must-staple), and the server stapled none: see to it that the server reaches its OCSP responder", Name(leaf))}
	}
	if len(state.OCSPResponse) > 0 {
		answer, err := r.parse(state.OCSPResponse, leaf, issuer)
		switch {
		case err == nil && answer.Status != ocsp.Unknown:
			return r.verdict(leaf, state, r.remember(id, answer))
		case err != nil && !state.DidResume: // a resumed session keeps the answer of its beginning
			return &CertificateError{Certificate: leaf, Chain: state.PeerCertificates, Err: err, Message: fmt.Sprintf(
				"the OCSP answer that the server stapled for the certificate %s cannot be trusted: %v", Name(leaf), err)}
		}
	}
	if answer := r.cached(id); answer != nil {
		return r.verdict(leaf, state, answer)
	}
	if answer := r.askAll(ctx, id, leaf, issuer); answer != nil {
		return r.verdict(leaf, state, r.remember(id, answer))
	}
	return nil
}

var errNotStapled = errors.New("no stapled OCSP answer")

// ErrRevoked is the cause of a CertificateError for a revoked certificate.
var ErrRevoked = errors.New("certificate revoked")

func (r *revocation) verdict(leaf *x509.Certificate, state *tls.ConnectionState, answer *ocsp.Response) error {
	if answer.Status != ocsp.Revoked {
		return nil
	}
	return &CertificateError{Certificate: leaf, Chain: state.PeerCertificates, Err: ErrRevoked, Message: fmt.Sprintf(
		"the certificate %s was revoked on %s (%s): have a new one issued; if nobody you know revoked it, distrust the server",
		Name(leaf), answer.RevokedAt.UTC().Format(timeFormat), reason(answer.RevocationReason))}
}

func reason(code int) string {
	reasons := map[int]string{
		ocsp.Unspecified: "no reason given", ocsp.KeyCompromise: "key compromised", ocsp.CACompromise: "authority compromised",
		ocsp.AffiliationChanged: "affiliation changed", ocsp.Superseded: "superseded", ocsp.CessationOfOperation: "operation ceased",
		ocsp.CertificateHold: "on hold", ocsp.PrivilegeWithdrawn: "privilege withdrawn", ocsp.AACompromise: "attribute authority compromised",
	}
	if text, ok := reasons[code]; ok {
		return text
	}
	return fmt.Sprintf("reason %d", code)
}

// parties returns the server's certificate and its issuer; none if the server's
// certificate is itself trusted, for then nobody can revoke it.
func parties(chains [][]*x509.Certificate) (leaf, issuer *x509.Certificate) {
	for _, chain := range chains {
		if len(chain) > 1 {
			return chain[0], chain[1]
		}
	}
	return nil, nil
}

func idOf(leaf, issuer *x509.Certificate) certID {
	name := sha256.Sum256(issuer.RawSubject)
	return certID{issuer: sha256.Sum256(append(name[:], issuer.RawSubjectPublicKeyInfo...)), serial: leaf.SerialNumber.String()}
}

var (
	oidTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24} // RFC 7633
	statusRequest = 5                                                 // the extension that staples
)

func mustStaple(cert *x509.Certificate) bool {
	for _, e := range cert.Extensions {
		var features []int
		if !e.Id.Equal(oidTLSFeature) {
			continue
		}
		if _, err := asn1.Unmarshal(e.Value, &features); err == nil && slices.Contains(features, statusRequest) {
			return true
		}
	}
	return false
}

// parse reads an answer about a certificate, and checks it by RFC 6960,
// section 3.2: who signed it, and when.
func (r *revocation) parse(raw []byte, leaf, issuer *x509.Certificate) (*ocsp.Response, error) {
	answer, err := ocsp.ParseResponseForCert(raw, leaf, issuer)
	if err != nil {
		return nil, err
	}
	now := r.now()
	if signer := answer.Certificate; signer != nil && !bytes.Equal(signer.Raw, issuer.Raw) {
		// The issuer's signature on it was verified; that it is meant for OCSP was not.
		switch {
		case !slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
			return nil, fmt.Errorf("it is signed by %s, whose certificate is not for signing OCSP answers", Name(signer))
		case now.Before(signer.NotBefore) || now.After(signer.NotAfter):
			return nil, errors.New("it is signed with a certificate that " + span(signer.NotBefore, signer.NotAfter))
		}
	}
	switch {
	case answer.ThisUpdate.After(now.Add(maxSkew)):
		return nil, fmt.Errorf("it is of %s, in the future: set the clock", answer.ThisUpdate.UTC().Format(timeFormat))
	case !answer.NextUpdate.IsZero() && !now.Before(answer.NextUpdate):
		return nil, errors.New("it " + span(answer.ThisUpdate, answer.NextUpdate))
	}
	return answer, nil
}

func span(from, until time.Time) string {
	return fmt.Sprintf("was valid from %s until %s", from.UTC().Format(timeFormat), until.UTC().Format(timeFormat))
}

// cached returns an answer that still holds, or nil.
func (r *revocation) cached(id certID) *ocsp.Response {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := r.known[id]
	if answer != nil && !r.now().Before(answer.NextUpdate) {
		delete(r.known, id)
		return nil
	}
	return answer
}

// remember keeps an answer until it expires, and returns the one to go by: an
// older one that says revoked is not forgotten for one that ends sooner.
func (r *revocation) remember(id certID, answer *ocsp.Response) *ocsp.Response {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.silent, id)
	if old := r.known[id]; old != nil && old.NextUpdate.After(answer.NextUpdate) && r.now().Before(old.NextUpdate) {
		if answer.Status == ocsp.Revoked {
			return answer
		}
		return old
	}
	if answer.NextUpdate.IsZero() {
		return answer // there is always a newer one
	}
	if len(r.known) >= maxKnown {
		clear(r.known)
	}
	if r.known == nil {
		r.known = map[certID]*ocsp.Response{}
	}
	r.known[id] = answer
	return answer
}

// askAll asks all of the certificate's responders at the same time. The first
// answer that says yes or no counts; nil is none.
func (r *revocation) askAll(ctx context.Context, id certID, leaf, issuer *x509.Certificate) *ocsp.Response {
	if r.ask == nil || len(leaf.OCSPServer) == 0 || r.isSilent(id) {
		return nil
	}
	request, err := ocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		return nil
	}
	timeout := askTimeout
	if limit, ok := ctx.Deadline(); ok {
		// A responder that is down must not use up the time to connect.
		timeout = min(timeout, time.Until(limit)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	answers := make(chan *ocsp.Response, len(leaf.OCSPServer))
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	for _, url := range leaf.OCSPServer {
		asking.Go(func() { answers <- r.askOne(ctx, url, request, leaf, issuer) })
	}
	for range leaf.OCSPServer {
		if answer := <-answers; answer != nil {
			return answer
		}
	}
	r.fellSilent(id)
	return nil
}

// askOne returns a responder's answer if it says yes or no.
func (r *revocation) askOne(ctx context.Context, url string, request []byte, leaf, issuer *x509.Certificate) *ocsp.Response {
	raw, err := r.ask(ctx, url, request)
	if err != nil {
		return nil
	}
	answer, err := r.parse(raw, leaf, issuer)
	if err != nil || answer.Status == ocsp.Unknown {
		return nil
	}
	return answer
}

func (r *revocation) isSilent(id certID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now().Before(r.silent[id])
}

func (r *revocation) fellSilent(id certID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent == nil || len(r.silent) >= maxKnown {
		r.silent = map[certID]time.Time{}
	}
	r.silent[id] = r.now().Add(askAgain)
}
