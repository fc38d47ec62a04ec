//go:build !mgx_plain

package bson

// fastPaths is whether structs are decoded along layouts, fields of common kinds without their plans, and plans found
// without asking the map that has all of them. The build tag mgx_plain turns that off: what comes out is the same, which
// the package's tests prove by passing with it, too.
const fastPaths = true
