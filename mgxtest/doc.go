// Package mgxtest simulates MongoDB deployments in the process, so that
// programs can test how they behave when servers fail.
package mgxtest
