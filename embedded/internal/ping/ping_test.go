package ping

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// answering is the address of a server that answers the first request with b.
func answering(t *testing.T, b []byte) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Read(make([]byte, 1024)); err != nil {
			return
		}
		_, _ = conn.Write(b)
		_, _ = io.Copy(io.Discard, conn) // until the client hangs up
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func frame(size uint32, body []byte) []byte {
	b := []byte{byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24), 7, 0, 0, 0, 1, 0, 0, 0, 0xdd, 7, 0, 0, 0, 0, 0, 0, 0}
	return append(b, body...)
}

func document(t *testing.T, d bson.D) []byte {
	t.Helper()
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A dialer's timer can be ahead of its context's: the error is the context's all
// the same.
func TestTimeoutIsTheContexts(t *testing.T) {
	reason := errors.New("took too long")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, reason)
	defer cancel()
	late, _ := ctx.Deadline()
	for time.Now().Before(late) {
		runtime.Gosched()
	}
	if err := causeOf(ctx, os.ErrDeadlineExceeded); !errors.Is(err, reason) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := causeOf(t.Context(), io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("without one: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	ok := document(t, bson.D{{Key: "ok", Value: 1.0}})
	bad := document(t, bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: "no such command"}})
	tests := []struct {
		name   string
		answer []byte
		says   string // empty for success
	}{
		{"ok", frame(uint32(21+len(ok)), ok), ""},
		{"an error", frame(uint32(21+len(bad)), bad), "no such command"},
		{"not a frame", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "not one to a ping"},
		{"huge", frame(1<<31, ok), "not one to a ping"},
		{"too small", frame(20, ok), "not one to a ping"},
		{"broken document", frame(26, []byte{9, 9, 9, 9, 9}), "not a document"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Run(t.Context(), "tcp", answering(t, test.answer), nil)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Fatalf("error is: %v", err)
			}
		})
	}
}

func TestSilence(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := Run(ctx, "tcp", answering(t, nil), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error is: %v", err)
	}
}
