// Package libmongocrypt compares this module with libmongocrypt, the C library that other clients encrypt with: what one
// encrypts, the other has to decrypt. It is empty without the build tag libmongocrypt, which needs cgo and the library
// (on Debian: apt-get install libmongocrypt-dev pkg-config):
//
//	go test -tags libmongocrypt -bench . ./internal/libmongocrypt
package libmongocrypt
