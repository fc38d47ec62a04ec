// Package sdam knows what a MongoDB deployment looks like and how that picture
// changes: server and topology descriptions, the transitions between them, what
// an error means for a server, and which server suits an operation.
//
// Everything here is a value or a pure function. The package holds no lock,
// reads no clock and opens no socket; time, randomness and replies come in as
// arguments. Package topology runs it.
//
// It follows the Server Discovery and Monitoring, Server Selection and Max
// Staleness specifications, and keeps their names.
package sdam
