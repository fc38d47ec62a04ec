// Package kmiptest is a KMIP server for tests, as far as the keys of data keys need one. It reads and writes messages by
// code of its own.
package kmiptest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// A Server keeps objects.
type Server struct {
	l       net.Listener
	mu      sync.Mutex
	secrets map[string][]byte
	keys    map[string][]byte // AES keys
	active  map[string]bool
	// Fail, if it is not nil, is called with each operation's number: what it returns other than 0 is the reason for
	// which it is refused.
	Fail  func(operation uint32) uint32
	conns sync.WaitGroup
}

// Start starts a server on a loopback port, with a secret of its own named "1".
func Start(config *tls.Config) (*Server, error) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, err
	}
	s := &Server{l: l, secrets: map[string][]byte{"1": make([]byte, 96), "short": make([]byte, 32)}, keys: make(map[string][]byte), active: make(map[string]bool)}
	s.conns.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Go(func() { s.serve(nc) })
		}
	})
	return s, nil
}

// Addr is the server's "host:port".
func (s *Server) Addr() string { return s.l.Addr().String() }

// Close ends the server, and waits for its connections.
func (s *Server) Close() {
	_ = s.l.Close()
	s.conns.Wait()
}

// Active reports whether an object may be used.
func (s *Server) Active(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[id]
}

func (s *Server) serve(nc net.Conn) {
	defer func() { _ = nc.Close() }()
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(nc, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[4:]))
		if _, err := io.ReadFull(nc, body); err != nil {
			return
		}
		if _, err := nc.Write(s.answer(body)); err != nil {
			return
		}
	}
}

// fields are the leaves of a message, by their tags. A tag that is there twice keeps its last value.
func fields(b []byte, into map[uint32][]byte) {
	for len(b) >= 8 {
		tag, n := binary.BigEndian.Uint32(append([]byte{0}, b[:3]...)), int(binary.BigEndian.Uint32(b[4:]))
		if b[3] == 1 {
			fields(b[8:8+n], into)
		} else {
			into[tag] = b[8 : 8+n]
		}
		b = b[8+(n+7)/8*8:]
	}
}

func item(tag uint32, kind byte, value []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, tag<<8|uint32(kind))
	out = append(binary.BigEndian.AppendUint32(out, uint32(len(value))), value...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	return out
}

func structure(tag uint32, items ...[]byte) []byte {
	var all []byte
	for _, i := range items {
		all = append(all, i...)
	}
	return item(tag, 1, all)
}

func enum(tag, n uint32) []byte { return item(tag, 5, binary.BigEndian.AppendUint32(nil, n)) }

func (s *Server) answer(request []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := make(map[uint32][]byte)
	fields(request, f)
	operation := binary.BigEndian.Uint32(f[0x42005C])
	if s.Fail != nil {
		if reason := s.Fail(operation); reason != 0 {
			return response(operation, structure(0x42000F, enum(0x42005C, operation), enum(0x42007F, 1), enum(0x42007E, reason), item(0x42007D, 7, []byte("no way"))))
		}
	}
	payload, err := s.do(operation, f)
	if err != nil {
		return response(operation, structure(0x42000F, enum(0x42005C, operation), enum(0x42007F, 1), enum(0x42007E, 1), item(0x42007D, 7, []byte(err.Error()))))
	}
	return response(operation, structure(0x42000F, enum(0x42005C, operation), enum(0x42007F, 0), payload))
}

func response(_ uint32, item []byte) []byte {
	return structure(0x42007B, structure(0x42007A, structure(0x420069)), item)
}

func (s *Server) do(operation uint32, f map[uint32][]byte) ([]byte, error) {
	id := string(f[0x420094])
	named := func(id string, more ...[]byte) []byte {
		return structure(0x42007C, append([][]byte{item(0x420094, 7, []byte(id))}, more...)...)
	}
	switch operation {
	case 0x03: // Register
		id = fmt.Sprintf("secret-%d", len(s.secrets))
		s.secrets[id] = f[0x420043]
		return named(id), nil
	case 0x01: // Create
		id = fmt.Sprintf("key-%d", len(s.keys))
		s.keys[id] = make([]byte, 32)
		rand.Read(s.keys[id])
		return named(id), nil
	case 0x12: // Activate
		s.active[id] = true
		return named(id), nil
	case 0x0A: // Get
		secret, ok := s.secrets[id]
		if !ok {
			return nil, fmt.Errorf("no object %q", id)
		}
		material := structure(0x420085, enum(0x420086, 2), structure(0x420040, enum(0x420042, 2), structure(0x420045, item(0x420043, 8, secret))))
		return structure(0x42007C, enum(0x420057, 7), item(0x420094, 7, []byte(id)), material), nil
	case 0x1F, 0x20: // Encrypt, Decrypt
		block, err := aes.NewCipher(s.keys[id])
		if err != nil {
			return nil, fmt.Errorf("no key %q", id)
		}
		data := append([]byte(nil), f[0x4200C2]...)
		if operation == 0x1F {
			iv := make([]byte, 16)
			rand.Read(iv)
			pad := 16 - len(data)%16
			for range pad {
				data = append(data, byte(pad))
			}
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
			return named(id, item(0x4200C2, 8, data), item(0x42003D, 8, iv)), nil
		}
		cipher.NewCBCDecrypter(block, f[0x42003D]).CryptBlocks(data, data)
		return named(id, item(0x4200C2, 8, data[:len(data)-int(data[len(data)-1])])), nil
	}
	return nil, fmt.Errorf("operation %d is unknown", operation)
}
