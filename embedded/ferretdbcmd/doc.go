// Package ferretdbcmd builds FerretDB's own command and runs it, for tests that
// need what its embedded package leaves off: users whose passwords are checked
// (SCRAM-SHA-1 and SCRAM-SHA-256) and the face of a replica set of one member.
//
//	p, err := ferretdbcmd.Start(ctx, ferretdbcmd.Options{Username: "ann", Password: "secret"})
//	if err != nil { … }
//	defer p.Close()
//
// The first Start on a machine compiles the command, which takes about half a
// minute and needs the go command and the module proxy. The result is kept in
// the user's cache folder, one for each version of FerretDB and of Go, and shared
// by all processes.
//
// This is support for tests. Use package embedded for everything that it can do.
package ferretdbcmd
