// Package encryption encrypts values before they leave the program, so that neither the server nor whoever has its
// files can read them: what the manual calls in-use encryption, client-side field level encryption and Queryable
// Encryption. It is written in Go alone, without cgo and without libmongocrypt.
package encryption
