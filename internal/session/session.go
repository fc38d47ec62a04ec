// Package session holds what sessions need of a client: identifiers that the
// server knows a session by, their reuse, and the cluster time.
//
// See the specifications "Driver Sessions" and "Causal Consistency".
package session

import (
	"bytes"
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// ServerSession is a session as the server knows it.
type ServerSession struct {
	// LSID is the document that names the session in commands.
	LSID []byte
	// TxnNumber counts the session's retryable writes and transactions.
	TxnNumber int64
	// Dirty tells that a network error hit the session: the server may still be
	// busy with it, and it is not used again.
	Dirty bool

	lastUse time.Time
}

// NextTxnNumber counts on.
func (s *ServerSession) NextTxnNumber() int64 {
	s.TxnNumber++
	return s.TxnNumber
}

// Used tells that a command of the session was sent: the server counts anew until
// it expires.
func (s *ServerSession) Used(now time.Time) { s.lastUse = now }

const binaryUUID = 4

func newServerSession() *ServerSession {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	doc, start := bsonwire.Begin(make([]byte, 0, 32))
	doc = bsonwire.AppendBinary(doc, "id", binaryUUID, id[:])
	return &ServerSession{LSID: bsonwire.End(doc, start)}
}

// Pool keeps server sessions for reuse, the most recently used first.
type Pool struct {
	mu   sync.Mutex
	idle []*ServerSession
}

// margin is how long before its expiry on the server a session is given up.
const margin = time.Minute

// Get returns a session that the server will not expire soon. timeout is the
// deployment's logicalSessionTimeoutMinutes.
func (p *Pool) Get(timeout time.Duration, now time.Time) *ServerSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		s := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		if !s.expired(timeout, now) {
			s.lastUse = now
			return s
		}
	}
	s := newServerSession()
	s.lastUse = now
	return s
}

// Put gives a session back. One that is dirty or about to expire is dropped.
// timeout 0 stands for a load balancer, where sessions do not expire here.
func (p *Pool) Put(s *ServerSession, timeout time.Duration, now time.Time) {
	if s.Dirty || s.expired(timeout, now) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// The longest unused are at the bottom, where nobody might ever look for them.
	n := 0
	for n < len(p.idle) && p.idle[n].expired(timeout, now) {
		n++
	}
	p.idle = append(slices.Delete(p.idle, 0, n), s)
}

func (s *ServerSession) expired(timeout time.Duration, now time.Time) bool {
	return timeout > 0 && now.Sub(s.lastUse) > timeout-margin
}

// Take empties the pool and returns the sessions' documents, so that they can
// be ended on the server.
func (p *Pool) Take() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := make([][]byte, len(p.idle))
	for i, s := range p.idle {
		ids[i] = s.LSID
	}
	p.idle = nil
	return ids
}

// Len is the number of idle sessions.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// ClusterTime is the highest $clusterTime seen.
type ClusterTime struct {
	doc atomic.Pointer[[]byte]
}

// Load returns the $clusterTime document, or nil.
func (c *ClusterTime) Load() []byte {
	if p := c.doc.Load(); p != nil {
		return *p
	}
	return nil
}

// Advance keeps doc, a copy of it, if it is later than what is known.
func (c *ClusterTime) Advance(doc []byte) {
	t, ok := clusterTimestamp(doc)
	if !ok {
		return
	}
	var own *[]byte
	for {
		known := c.doc.Load()
		if known != nil {
			if k, _ := clusterTimestamp(*known); k >= t {
				return
			}
		}
		if own == nil {
			b := bytes.Clone(doc)
			own = &b
		}
		if c.doc.CompareAndSwap(known, own) {
			return
		}
	}
}

// clusterTimestamp returns a $clusterTime's time as a number that grows.
func clusterTimestamp(doc []byte) (uint64, bool) {
	v, ok := bsonwire.Lookup(doc, "clusterTime")
	if !ok {
		return 0, false
	}
	t, i, ok := v.AsTimestamp()
	return uint64(t)<<32 | uint64(i), ok
}
