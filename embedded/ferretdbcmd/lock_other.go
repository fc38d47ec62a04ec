//go:build !unix

package ferretdbcmd

import "context"

// lock does nothing where flock is not to be had: two builds at the same time do
// the work twice, and the second replaces the result of the first by its like.
func lock(context.Context, string) (unlock func() error, err error) {
	return func() error { return nil }, nil
}
