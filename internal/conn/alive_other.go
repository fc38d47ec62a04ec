//go:build !unix

package conn

// Alive reports whether the connection was not found broken so far: this
// system's sockets cannot be looked at without reading from them.
func (c *Conn) Alive() bool { return c.Broken() == nil }
