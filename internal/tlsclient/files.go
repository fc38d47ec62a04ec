package tlsclient

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/youmark/pkcs8"
)

// readAuthorities reads a PEM file of certificates.
func readAuthorities(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tlsCAFile: %w", err)
	}
	certs, _, err := split(data)
	if err != nil {
		return nil, fmt.Errorf("tlsCAFile: %s: %w", path, err)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("tlsCAFile: %s holds no certificate in PEM form", path)
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool, nil
}

// split returns the certificates of a PEM file, and its first private key.
func split(data []byte) (certs []*x509.Certificate, key *pem.Block, err error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return certs, key, nil
		}
		switch {
		case block.Type == "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("certificate %d cannot be read: %w", len(certs)+1, err)
			}
			certs = append(certs, cert)
		case key == nil && isKey(block.Type):
			key = block
		}
	}
}

func isKey(blockType string) bool {
	switch blockType {
	case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		return true
	}
	return false
}

// certificate reads the client's certificate and private key, from one file or
// from two.
func (o *Options) certificate() (tls.Certificate, error) {
	name, path := "tlsCertificateKeyFile", o.CertificateKeyFile
	if path == "" {
		name, path = "ssl_certfile", o.CertFile
	}
	fail := func(err error) (tls.Certificate, error) {
		return tls.Certificate{}, fmt.Errorf("%s: %s: %w", name, path, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", name, err)
	}
	certs, block, err := split(data)
	switch {
	case err != nil:
		return fail(err)
	case len(certs) == 0:
		return fail(errors.New("holds no certificate in PEM form"))
	}
	if o.KeyFile != "" {
		name, path = "ssl_keyfile", o.KeyFile
		if data, err = os.ReadFile(path); err != nil {
			return tls.Certificate{}, fmt.Errorf("%s: %w", name, err)
		}
		if _, block, err = split(data); err != nil {
			return fail(err)
		}
	}
	if block == nil {
		return fail(errors.New("holds no private key in PEM form"))
	}
	key, err := privateKey(block, []byte(o.KeyPassword))
	if err != nil {
		return fail(err)
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(certs[0].PublicKey) {
		return fail(fmt.Errorf("the private key is not the one of the certificate %q, which must come first", certs[0].Subject))
	}
	cert := tls.Certificate{PrivateKey: key, Leaf: certs[0]}
	for _, c := range certs {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, nil
}

var (
	errPasswordNeeded = errors.New("the private key is encrypted: set tlsCertificateKeyFilePassword")
	errPasswordWrong  = errors.New("tlsCertificateKeyFilePassword does not decrypt the private key")
)

// privateKey reads a key, in any of the forms that OpenSSL writes.
func privateKey(block *pem.Block, password []byte) (crypto.Signer, error) {
	der := block.Bytes
	//nolint:staticcheck // the old encryption is weak, but files with it are in use
	legacy := x509.IsEncryptedPEMBlock(block)
	encrypted := legacy || block.Type == "ENCRYPTED PRIVATE KEY"
	if encrypted && len(password) == 0 {
		return nil, errPasswordNeeded
	}
	var key any
	var err error
	switch {
	case legacy:
		//nolint:staticcheck // as above
		if der, err = x509.DecryptPEMBlock(block, password); err == nil {
			key, err = parseKey(der)
		}
	case encrypted:
		key, err = decryptPKCS8(der, password)
	default:
		key, err = parseKey(der)
	}
	switch {
	case err != nil && encrypted:
		// A wrong password yields noise, which is found out in one way or another.
		return nil, fmt.Errorf("%w (%w)", errPasswordWrong, err)
	case err != nil:
		return nil, fmt.Errorf("the private key cannot be read: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a private key of type %T cannot sign", key)
	}
	return signer, nil
}

func parseKey(der []byte) (any, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParsePKCS8PrivateKey(der)
}

// decryptPKCS8 survives the panics of the decryption below it, which trusts the
// lengths in the file.
func decryptPKCS8(der, password []byte) (key any, err error) {
	defer func() {
		if r := recover(); r != nil {
			key, err = nil, fmt.Errorf("the encryption's parameters are malformed: %v", r)
		}
	}()
	key, _, err = pkcs8.ParsePrivateKey(bytes.Clone(der), password)
	return key, err
}
