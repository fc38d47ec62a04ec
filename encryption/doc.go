// Package encryption encrypts values before they leave the program, so that neither the server nor whoever has its
// files can read them: what the manual calls in-use encryption, client-side field level encryption and Queryable
// Encryption. It is written in Go alone, without cgo and without libmongocrypt.
//
// Values are encrypted with data keys, which lie in a collection, the key vault, encrypted under a master key of a key
// management service: AWS, Azure, GCP, a KMIP server, or the program itself. A ClientEncryption makes data keys, and
// encrypts and decrypts values explicitly.
//
// docs/encryption.md in the repository says what is there and what is not.
package encryption
