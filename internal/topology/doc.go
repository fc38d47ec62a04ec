// Package topology runs package sdam: it monitors the servers of a deployment,
// keeps their pools, and finds a server for each operation.
//
// # Who does what
//
// Each server has one monitor goroutine with a connection of its own. Against
// servers that stream hello replies (MongoDB 4.4 and newer) it waits for the
// next reply, and a second goroutine with a second connection measures the round
// trip time; against others it asks once per heartbeat interval. Each outcome
// goes through the pure transitions of package sdam, and the topology that
// results is published as an immutable view.
//
// [Topology.Select] reads the current view: no lock, no allocation. Only when no
// server suits does it wait for the next view, after asking all monitors to check
// at once; that wait costs one timer and no goroutine.
//
// # Order
//
// What changes a server's description and what becomes of its pool happens in
// one step: a pool is ready before its server can be selected, and a server is
// Unknown before its pool is cleared. Steps of one server follow one another; an
// operation that reports a failure waits until somebody has dealt with it. The lock of the
// topology is held only for pure computing.
//
// # Events
//
// Topology events are queued in the order in which the changes were made, and
// delivered by a goroutine of their own, which ends when none is left. So a handler
// is called for one event at a time and in order, and one that blocks delays
// nothing but events. Close waits a second at most for what is still to be
// delivered.
//
// # Leaving
//
// [Topology.Close] ends all goroutines and connections, in the middle of
// anything. A closed topology can be opened again by [Topology.Connect].
package topology
