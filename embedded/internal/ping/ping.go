// Package ping asks a server over the wire whether it is there.
package ping

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// Run connects to the address, over TLS if config is not nil, and returns nil once
// the server has answered a ping command. It needs no user: servers answer a ping
// to anyone. The context bounds it.
func Run(ctx context.Context, network, address string, config *tls.Config) (err error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if !stop() && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	if config != nil {
		conn = tls.Client(conn, config)
	}
	return roundTrip(conn)
}

// causeOf returns why ctx ended, if that is what err is about. The dialer keeps the
// deadline by a timer of its own, which can be a moment ahead of the context's.
func causeOf(ctx context.Context, err error) error {
	if d, ok := ctx.Deadline(); ok && time.Until(d) <= 0 {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Refused says whether err is the server's end of the TLS handshake by an alert,
// as a server does that wants a client certificate and sees none.
func Refused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

const (
	headerSize   = 16
	opMsg        = 2013
	maxPingReply = 1 << 20
)

// roundTrip sends one ping command in an OP_MSG and reads its reply.
func roundTrip(conn net.Conn) error {
	body, err := bson.Marshal(bson.D{{Key: "ping", Value: int32(1)}, {Key: "$db", Value: "admin"}})
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(headerSize+5+len(body)))
	b = le.AppendUint32(b, 1) // request id
	b = le.AppendUint32(b, 0) // response to
	b = le.AppendUint32(b, opMsg)
	b = le.AppendUint32(b, 0) // flags
	b = append(b, 0)          // a section of one document
	if _, err := conn.Write(append(b, body...)); err != nil {
		return err
	}
	var header [headerSize + 5]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return fmt.Errorf("read the reply: %w", err)
	}
	size := le.Uint32(header[:])
	if size <= uint32(len(header)) || size > maxPingReply || le.Uint32(header[8:]) != 1 || le.Uint32(header[12:]) != opMsg {
		return errors.New("the reply is not one to a ping command")
	}
	reply := make(bson.Raw, int(size)-len(header))
	if _, err := io.ReadFull(conn, reply); err != nil {
		return fmt.Errorf("read the reply: %w", err)
	}
	if err := reply.Validate(); err != nil {
		return fmt.Errorf("the reply is not a document: %w", err)
	}
	if ok, found := reply.Lookup("ok").AsFloat64OK(); !found || ok != 1 {
		return fmt.Errorf("the server answers a ping with %s", reply)
	}
	return nil
}
