// Package connstring parses and validates MongoDB connection strings.
//
// It implements the Connection String, URI Options, Initial DNS Seedlist
// Discovery and Authentication specifications as far as they concern the
// string. It does no I/O: [ConnString.Resolve] looks up the records of a
// mongodb+srv URI through the [Resolver] that it is given.
//
//	c, err := connstring.Parse("mongodb://alice:secret@db1,db2:27018/shop?w=majority")
//	err = c.Resolve(ctx, net.DefaultResolver) // does nothing unless it is mongodb+srv
//
// # Errors and warnings
//
// What is wrong with the form of a URI, and options that contradict each other,
// are errors: a [*ParseError] that says which part is wrong, where, and what to
// do. As the specifications ask, an unknown option or an unusable value is no
// error: the option is ignored and a [Warning] says so. The exceptions are
// options where to go on without them would be careless: those whose
// [OptionInfo] is Fatal (which decide whether and for whom connections are
// encrypted, who the client is, whom it talks to and who acknowledges writes),
// numbers with something behind them (timeoutMS=30s), and unknown options about
// TLS. True, on and the like are read as true and false, with a warning.
//
// No error, warning or String method shows a password, session token or
// passphrase. [Redact] does the same for any text, well-formed or not.
//
// # Repeated options
//
// Of an option that is given more than once the last one counts, with a
// warning. readPreferenceTags is a list: each one adds a tag set. Repeated proxy
// options are an error, and so are tls and ssl, and the options above, with
// different values. Where both
// the name and an old name of an option are given, the old one is ignored.
//
// # Names and classic names
//
// Names ignore case. [AllOptions] lists every option with its old and classic
// spellings; the parser is driven by that table.
//
// # TLS
//
// TLS is on with tls=true, with mongodb+srv unless tls=false, and where an
// option names a certificate or CA file or relaxes a check (tlsCAFile,
// tlsCertificateKeyFile, ssl_certfile, ssl_keyfile, ssl_cert_reqs, or
// tlsInsecure=true and its like). tls=false together with such a file is an
// error.
package connstring
