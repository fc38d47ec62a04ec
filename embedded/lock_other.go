//go:build !unix

package embedded

// lockDir does nothing where flock is not to be had: there, giving one folder to
// two servers is not noticed.
func lockDir(string) (unlock func() error, err error) {
	return func() error { return nil }, nil
}
