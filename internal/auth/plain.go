package auth

import "context"

// plainExchange is RFC 4616: one message with everything in it. The password
// goes to the server as it is, so PLAIN is used only if it is configured.
type plainExchange struct {
	sealed
	username, password string
}

func (x plainExchange) first(context.Context) ([]byte, error) {
	return []byte("\x00" + x.username + "\x00" + x.password), nil
}

func (x plainExchange) step(context.Context, []byte) ([]byte, error) { return nil, errTooLong }
func (x plainExchange) finished() bool                               { return true }
func (x plainExchange) secrets() []string                            { return []string{x.password} }
func (x plainExchange) failed()                                      {}
