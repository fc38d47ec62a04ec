// Package tlsclient is the client's side of TLS: the configuration from files
// and options, the handshake, the checks of the server's certificate, and errors
// that say what to do.
//
// The options are those of the specification "URI Options", the checks for
// revoked certificates those of "OCSP Support".
package tlsclient
