package doctor

import (
	"bytes"
	"net"
	"sync"
)

// tap remembers the first bytes that come over a connection: they tell who
// answers where it is not who should.
type tap struct {
	net.Conn
	mu   sync.Mutex
	seen []byte
}

const tapped = 64

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := tapped - len(t.seen); room > 0 {
		t.seen = append(t.seen, p[:min(n, room)]...)
	}
	return n, err
}

func (t *tap) first() []byte {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// foreign are the beginnings of what others than MongoDB say.
var foreign = []struct{ prefix, speaker string }{
	{"HTTP/", "a web server (HTTP)"},
	{"<", "a web server (HTML)"},
	{"SSH-", "an SSH server"},
	{"-ERR", "a Redis server"},
	{"-DENIED", "a Redis server"},
	{"+OK", "a mail server (POP3)"},
	{"220", "a mail or FTP server"},
	{"* OK", "a mail server (IMAP)"},
	{"AMQP", "a message broker (AMQP)"},
}

// speaker says who begins to speak like that, or "".
func speaker(first []byte) string {
	for _, f := range foreign {
		if bytes.HasPrefix(first, []byte(f.prefix)) {
			return f.speaker
		}
	}
	// A MySQL server begins: a packet with number 0 and protocol version 10.
	if len(first) > 5 && first[2] == 0 && first[3] == 0 && first[4] == 10 {
		return "a MySQL server"
	}
	return ""
}

// isTLS reports whether what came first is a record of TLS: an alert or a handshake.
func isTLS(first []byte) bool {
	return len(first) >= 3 && (first[0] == 21 || first[0] == 22) && first[1] == 3 && first[2] <= 4
}
