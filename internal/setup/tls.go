package setup

import "strings"

// TLS is what is said of TLS. Nil pointers to one say nothing.
type TLS struct {
	// Enabled is tls=true or tls=false; nil leaves it to the other options.
	Enabled *bool
	// SRV reports whether mongodb+srv asks for it.
	SRV bool

	// CAFile has the authorities to trust, in PEM form; "" is the system's.
	CAFile string
	// CertificateKeyFile has the client's certificate, with its chain, and its
	// private key, in PEM form. Or they are in two files.
	CertificateKeyFile string
	CertFile, KeyFile  string
	// KeyPassword decrypts the private key.
	KeyPassword string
	// CertReqs is the classic ssl_cert_reqs: none, optional or required.
	CertReqs string

	// Insecure and AllowInvalidCertificates check nothing of the server's
	// certificate; AllowInvalidHostnames checks all but its names.
	Insecure, AllowInvalidCertificates, AllowInvalidHostnames bool
	// DisableOCSPEndpointCheck asks no responder whether the certificate was
	// revoked, DisableRevocationCheck does not look at stapled answers either.
	DisableOCSPEndpointCheck, DisableRevocationCheck bool

	// Given reports whether an option is there, whatever its value; nil goes by the
	// values.
	Given func(option string) bool
}

// On reports whether connections use TLS: as Enabled says, else because the
// connection string is of mongodb+srv, or because another option has no sense
// without it.
func (t *TLS) On() bool {
	switch {
	case t == nil:
		return false
	case t.Enabled != nil:
		return *t.Enabled
	}
	return t.SRV || t.CertReqs != "" || len(t.files()) > 0 || t.Insecure || t.AllowInvalidCertificates ||
		t.AllowInvalidHostnames || t.DisableOCSPEndpointCheck || t.DisableRevocationCheck
}

// files returns the names of the options that name a file.
func (t *TLS) files() []string {
	var names []string
	for _, f := range []struct{ name, path string }{
		{"ssl_certfile", t.CertFile}, {"ssl_keyfile", t.KeyFile}, {"tlsCAFile", t.CAFile}, {"tlsCertificateKeyFile", t.CertificateKeyFile},
	} {
		if f.path != "" {
			names = append(names, f.name)
		}
	}
	return names
}

// tlsConflicts are the pairs of options whose presence together is an error,
// whatever their values: see the specification "URI Options".
var tlsConflicts = [][2]string{
	{"tlsInsecure", "tlsAllowInvalidCertificates"},
	{"tlsInsecure", "tlsAllowInvalidHostnames"},
	{"tlsInsecure", "tlsDisableOCSPEndpointCheck"},
	{"tlsInsecure", "tlsDisableCertificateRevocationCheck"},
	{"tlsAllowInvalidCertificates", "tlsDisableOCSPEndpointCheck"},
	{"tlsAllowInvalidCertificates", "tlsDisableCertificateRevocationCheck"},
	{"tlsDisableOCSPEndpointCheck", "tlsDisableCertificateRevocationCheck"},
	{"tlsInsecure", "ssl_cert_reqs"},
	{"tlsAllowInvalidCertificates", "ssl_cert_reqs"},
	{"tlsCertificateKeyFile", "ssl_certfile"},
	{"tlsCertificateKeyFile", "ssl_keyfile"},
}

// Check reports options that contradict each other or lack another one.
func (t *TLS) Check() *Error {
	if t == nil {
		return nil
	}
	given := t.Given
	if given == nil {
		given = t.has
	}
	for _, pair := range tlsConflicts {
		if given(pair[0]) && given(pair[1]) {
			return contradiction(pair[0], pair[0], pair[1])
		}
	}
	checked := t.CertReqs != "" && t.CertReqs != "none"
	if t.Enabled != nil && !*t.Enabled {
		if files := t.files(); len(files) > 0 {
			return contradiction("tls", "tls=false", strings.Join(files, ", "))
		}
		if checked {
			return contradiction("tls", "tls=false", "ssl_cert_reqs="+t.CertReqs)
		}
	}
	if t.KeyFile != "" && t.CertFile == "" {
		return wrong("ssl_keyfile", "needs ssl_certfile")
	}
	if checked && t.CAFile == "" {
		return wrong("ssl_cert_reqs", "ssl_cert_reqs=%s needs ssl_ca_certs", t.CertReqs)
	}
	return nil
}

// has reports whether an option of tlsConflicts has a value.
func (t *TLS) has(option string) bool {
	switch option {
	case "tlsInsecure":
		return t.Insecure
	case "tlsAllowInvalidCertificates":
		return t.AllowInvalidCertificates
	case "tlsAllowInvalidHostnames":
		return t.AllowInvalidHostnames
	case "tlsDisableOCSPEndpointCheck":
		return t.DisableOCSPEndpointCheck
	case "tlsDisableCertificateRevocationCheck":
		return t.DisableRevocationCheck
	case "tlsCertificateKeyFile":
		return t.CertificateKeyFile != ""
	case "ssl_certfile":
		return t.CertFile != ""
	case "ssl_keyfile":
		return t.KeyFile != ""
	case "ssl_cert_reqs":
		return t.CertReqs != ""
	}
	return false
}
