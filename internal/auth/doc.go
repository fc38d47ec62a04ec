// Package auth proves to a server who the client is. It follows MongoDB's
// Driver Authentication specification and the speculative authentication of
// the handshake specification.
//
// # Conversations
//
// Nothing here owns a socket. An [Authenticator], one for each client, hands
// out a [Conversation] for each connection: commands come out of
// [Conversation.Next], the server's replies go in, until it says done. The
// order of things on a new connection is
//
//	ns, negotiate := a.Negotiates()             // hello.saslSupportedMechs
//	conv, doc, err := a.Speculate(ctx, addr)    // hello.speculativeAuthenticate
//	                                            // … hello …
//	if the reply has no speculativeAuthenticate document {
//		conv, err = a.Begin(ctx, addr, reply.saslSupportedMechs)
//		first = nil
//	}
//	for cmd, done, err := conv.Next(ctx, first); !done; {
//		// send cmd to conv.Database(), pass the reply to Next
//	}
//
// Every reply goes to Next, replies that report an error included: MONGODB-OIDC
// goes on after some of them. Only an error that Next returns ends the attempt.
// The connection keeps the conversation that succeeded: when an operation fails
// with ReauthenticationRequired (code 391), [Authenticator.Reauthenticate]
// needs it to know what is no longer good.
//
// # Mechanisms
//
// SCRAM-SHA-1, SCRAM-SHA-256 (and the choice between the two when none is
// configured), MONGODB-X509, PLAIN, MONGODB-AWS and MONGODB-OIDC. GSSAPI and
// the retired MONGODB-CR are refused by [New] with an error that says so.
//
// SCRAM is written over crypto/pbkdf2 and crypto/hmac instead of a SCRAM
// library. What a client does with the keys is a page of code, and owning that
// page allows what libraries leave open: an upper bound for the iteration count
// (a hostile server could otherwise burn minutes of CPU), one derivation shared
// by all the connections that a pool opens at once, waits that end with the
// context, a bounded cache, a server nonce that must be longer than the
// client's, and errors that never quote a payload.
//
// # Secrets
//
// Passwords, tokens, keys and payloads appear in no error, and types that hold
// them print without them, whatever the verb. User names are not secret. A
// server that sees a password or token (PLAIN, OIDC, AWS) could repeat it in an
// error message; it is cut out there as well.
package auth
