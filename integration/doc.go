// Package integration holds the tests that need a server.
package integration
