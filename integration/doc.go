// Package integration holds the tests of mgx that need a server.
//
// They run against the embedded server, or against the deployment that the
// environment variable MGX_TEST_URI names. Each test has a database of its own,
// whose name begins with mgx_, and drops it. What a server cannot do is asked of
// the server, not looked up by its version: see capabilities_test.go, which is
// also the list of all that is skipped.
package integration
