// Package mgx is a MongoDB client.
package mgx
