package clientbench

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// recorder keeps what a client writes, to be sent again by the bare socket.
type recorder struct {
	mu     sync.Mutex
	on     bool
	frames [][]byte
}

// dial opens a recorded connection.
func (r *recorder) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &recorded{c, r}, nil
}

type recorded struct {
	net.Conn
	to *recorder
}

func (c *recorded) Write(b []byte) (int, error) {
	c.to.mu.Lock()
	if c.to.on && !isHello(b) {
		c.to.frames = append(c.to.frames, append([]byte(nil), b...))
	}
	c.to.mu.Unlock()
	return c.Conn.Write(b)
}

// isHello tells a monitor's messages apart.
func isHello(b []byte) bool {
	return len(b) < 32 || string(b[26:31]) == "hello" || string(b[26:31]) == "isMas" || binary.LittleEndian.Uint32(b[12:]) != 2013
}

// record returns the frames that run sends.
func (r *recorder) record(run func() error) ([][]byte, error) {
	r.mu.Lock()
	r.on, r.frames = true, nil
	r.mu.Unlock()
	err := run()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = false
	if err == nil && len(r.frames) == 0 {
		err = fmt.Errorf("nothing was sent")
	}
	return r.frames, err
}

// bare is a number of plain sockets, with a buffer each.
type bare struct {
	free chan *plain
	all  []*plain
}

type plain struct {
	c   net.Conn
	buf []byte
}

// mostSockets is as many as both clients open by default.
const mostSockets = 100

func dialBare(address string, goroutines int) (*bare, error) {
	n := min(goroutines, mostSockets)
	b := &bare{free: make(chan *plain, n)}
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.close()
			return nil, err
		}
		p := &plain{c: c, buf: make([]byte, 64<<10)}
		b.all = append(b.all, p)
		b.free <- p
	}
	return b, nil
}

func (b *bare) close() {
	for _, p := range b.all {
		p.c.Close()
	}
}

// exchange sends each frame and reads the reply to it whole.
func (b *bare) exchange(ctx context.Context, frames [][]byte) error {
	p := <-b.free
	defer func() { b.free <- p }()
	if d, ok := ctx.Deadline(); ok {
		if err := p.c.SetDeadline(d); err != nil {
			return err
		}
	} else if err := p.c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	for _, f := range frames {
		if _, err := p.c.Write(f); err != nil {
			return err
		}
		if err := p.read(); err != nil {
			return err
		}
	}
	return nil
}

func (p *plain) read() error {
	n, err := io.ReadAtLeast(p.c, p.buf, 16)
	if err != nil {
		return err
	}
	size := int(binary.LittleEndian.Uint32(p.buf))
	if size > len(p.buf) {
		p.buf = append(make([]byte, 0, size), p.buf[:n]...)[:size]
	}
	_, err = io.ReadFull(p.c, p.buf[n:size])
	return err
}
