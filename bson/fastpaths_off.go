//go:build mgx_plain

package bson

const fastPaths = false
