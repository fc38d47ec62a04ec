// Package event holds what can be observed of a client: commands, connection
// pools, and the discovery of the deployment. Names and fields follow MongoDB's
// monitoring specifications.
package event
