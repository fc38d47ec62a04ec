// Package embedded runs a MongoDB-compatible server inside the process, for
// development, demonstrations and tests.
package embedded
