package topology

import (
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

// startMeasuring starts the goroutine for round trip times, once. The replies
// that a server streams do not tell any.
func (s *Server[C]) startMeasuring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.measuring || s.state != serverOpen {
		return
	}
	s.measuring = true
	s.run.wg.Go(s.measure)
}

// measure takes a round trip time once per heartbeat interval, as long as the
// monitor streams. Its errors tell nothing of the server: the monitor's do.
func (s *Server[C]) measure() {
	var conn MonitorConn
	drop := func() {
		if conn != nil {
			_ = conn.Close()
			conn = nil
		}
	}
	defer func() { drop() }()
	for {
		if !s.isStreaming() {
			drop()
		} else if rtt, err := s.ping(&conn); err != nil {
			drop()
		} else {
			s.mu.Lock()
			s.rtt.Add(rtt)
			s.mu.Unlock()
		}
		if !s.rest(s.topology.cfg.HeartbeatInterval) {
			return
		}
	}
}

func (s *Server[C]) isStreaming() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streaming
}

// ping makes one round trip, on a new connection if there is none.
func (s *Server[C]) ping(conn *MonitorConn) (time.Duration, error) {
	cfg := &s.topology.cfg
	ctx, cancel := setup.Limit(s.ctx, cfg.ConnectTimeout)
	defer cancel()
	if *conn == nil {
		c, err := cfg.DialMonitor(ctx, s.address)
		if err != nil {
			return 0, err
		}
		*conn = c
		_, took := c.Hello()
		return took, nil
	}
	start := time.Now()
	_, err := (*conn).Check(ctx, nil, 0)
	return time.Since(start), err
}
