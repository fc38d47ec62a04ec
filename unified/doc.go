// Package unified runs MongoDB's Unified Test Format against mgx: files of tests
// that MongoDB's drivers share. See the specification "Unified Test Format".
//
// [Load] reads and validates a file, a [Deployment] is what its tests run
// against, and [Deployment.Run] runs one of them. What mgx cannot do yet, and so
// is skipped, is listed in one place, capability.go.
//
// The tests of this package run the suites of MongoDB's specifications: see
// package spectest for where they are looked for.
package unified
