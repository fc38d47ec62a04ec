package scripted

import (
	"net"
	"testing"
)

func TestRefusing(t *testing.T) {
	for name, address := range map[string]func(testing.TB) string{"IPv4": Refusing, "IPv6": RefusingIPv6} {
		t.Run(name, func(t *testing.T) {
			at := address(t)
			if nc, err := net.Dial("tcp", at); err == nil {
				_ = nc.Close()
				t.Error("the connection was made")
			}
			if l, err := net.Listen("tcp", at); err == nil {
				_ = l.Close()
				t.Error("somebody else can listen there")
			}
		})
	}
}
