package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// start starts a server that the end of the test closes, and sees that Close
// succeeds.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// with runs f with a client, which it disconnects.
func with(t *testing.T, uri string, f func(*mongo.Client)) {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	f(client)
}

func insert(t *testing.T, uri, id string) {
	t.Helper()
	with(t, uri, func(c *mongo.Client) {
		if _, err := c.Database("shop").Collection("orders").InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
			t.Fatal(err)
		}
	})
}

func ids(t *testing.T, uri string) (ids []string) {
	t.Helper()
	with(t, uri, func(c *mongo.Client) {
		cur, err := c.Database("shop").Collection("orders").Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var docs []struct {
			ID string `bson:"_id"`
		}
		if err := cur.All(t.Context(), &docs); err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			ids = append(ids, d.ID)
		}
	})
	return ids
}

func TestServerVersion(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/FerretDB/FerretDB "+ServerVersion+"\n") {
		t.Errorf("go.mod requires another version than %s", ServerVersion)
	}
}

func TestTemporaryFolder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := start(t, Options{})
	insert(t, s.URI(), "tea")
	if got := ids(t, s.URI()); len(got) != 1 || got[0] != "tea" {
		t.Fatalf("found %q", got)
	}
	if _, err := os.Stat(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Fatalf("left behind: %v (%v)", left, err)
	}
	if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr()); err == nil {
		_ = c.Close()
		t.Fatal("something listens after Close")
	}
	if err := s.Close(); err != nil {
		t.Fatalf("second Close: %v", err)
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a new folder", "für mgx")
	for i := range 3 {
		s := start(t, Options{Dir: dir})
		if s.Dir() != dir {
			t.Fatalf("Dir is %q", s.Dir())
		}
		insert(t, s.URI(), fmt.Sprint(i))
		if got := ids(t, s.URI()); len(got) != i+1 {
			t.Fatalf("start %d: found %q", i, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || filepath.Base(files[0]) != "shop.sqlite" {
		t.Fatalf("the folder holds %q", files)
	}
}

func TestGivenAddress(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_, err = Start(t.Context(), Options{Listen: addr})
	if !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), addr) {
		t.Fatalf("on a taken port: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Listen: addr})
	if want := "mongodb://" + addr + "/"; s.URI() != want {
		t.Fatalf("URI is %q, want %q", s.URI(), want)
	}
	insert(t, s.URI(), "tea")
}

func TestEveryInterface(t *testing.T) {
	s := start(t, Options{Listen: ":0"})
	if !strings.HasPrefix(s.Addr(), "127.0.0.1:") {
		t.Fatalf("Addr is %q", s.Addr())
	}
	insert(t, s.URI(), "tea")
}

func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "mgx") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "mgx.sock")

	s := start(t, Options{Listen: path})
	insert(t, s.URI(), "tea")
	if _, err := Start(t.Context(), Options{Listen: path}); !errors.Is(err, ErrAddressInUse) {
		t.Fatalf("on a socket in use: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the socket is still there: %v", err)
	}

	// What a killed server leaves is replaced, another file is not.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	s = start(t, Options{Listen: path})
	insert(t, s.URI(), "coffee")

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Listen: file}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Fatalf("on a file: %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Fatalf("the file is now %q (%v)", b, err)
	}
}

func TestConcurrentServers(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, err := Start(t.Context(), Options{})
			if err != nil {
				t.Error(err)
				return
			}
			want := fmt.Sprint(i)
			insert(t, s.URI(), want)
			if got := ids(t, s.URI()); len(got) != 1 || got[0] != want {
				t.Errorf("server %d has %q", i, got)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOneServerPerFolder(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Dir: dir})
	_, err := Start(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrDirInUse) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("second server: %v", err)
	}
	insert(t, s.URI(), "still works")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, Options{Dir: dir})
}

func TestWrongOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		options Options
		is      error
		says    string
	}{
		{"no port", Options{Listen: "localhost"}, ErrOptions, "host:port"},
		{"port too high", Options{Listen: "localhost:65536"}, ErrOptions, "65535"},
		{"port by name", Options{Listen: "localhost:http"}, ErrOptions, "number"},
		{"long socket", Options{Listen: "/tmp/" + strings.Repeat("x", 100)}, ErrOptions, "bytes"},
		{"TLS on a socket", Options{Listen: "/tmp/x.sock", TLS: &TLS{}}, ErrOptions, "TCP"},
		{"half a certificate", Options{TLS: &TLS{CertFile: "x"}}, ErrOptions, "KeyFile"},
		{"missing certificate", Options{TLS: &TLS{CertFile: "/none", KeyFile: "/none"}}, fs.ErrNotExist, "/none"},
		{"missing authorities", Options{TLS: &TLS{ClientCAFile: "/none"}}, fs.ErrNotExist, "/none"},
		{"empty authorities", Options{TLS: &TLS{ClientCAFile: file}}, nil, "PEM"},
		{"folder is a file", Options{Dir: file}, nil, file},
		{"folder below a file", Options{Dir: filepath.Join(file, "x")}, nil, file},
		{"folder for SQLite", Options{Dir: filepath.Join(t.TempDir(), "100%")}, ErrOptions, "%"},
		{"foreign address", Options{Listen: "192.0.2.1:0"}, nil, "192.0.2.1"},
		{"socket in no folder", Options{Listen: "/none/x.sock"}, fs.ErrNotExist, "/none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := Start(t.Context(), test.options)
			if err == nil {
				_ = s.Close()
				t.Fatal("started")
			}
			if test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error is: %v", err)
			}
		})
	}
}

func TestFolderNotWritable(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		dir = "/proc/self" // what not even root can write to
		if _, err := os.Stat(dir); err != nil {
			t.Skip("running as root, who may write to every folder")
		}
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Fatalf("error is: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("changed my mind")
	cancel(reason)
	if _, err := Start(ctx, Options{}); !errors.Is(err, reason) {
		t.Fatalf("cancelled before: %v", err)
	}
	// At some moment within the start, wherever that is: all or nothing.
	for d := range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(d)*time.Millisecond)
		s, err := Start(ctx, Options{})
		if err == nil {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled after %d ms: %v", d, err)
		}
		cancel()
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Fatalf("left behind: %v (%v)", left, err)
	}
}

// Close does not wait for ever for a client that stays.
func TestCloseWithAClientConnected(t *testing.T) {
	s := start(t, Options{})
	with(t, s.URI(), func(c *mongo.Client) {
		if err := c.Ping(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d > 10*time.Second {
			t.Fatalf("Close took %v", d)
		}
	})
}

func TestLogger(t *testing.T) {
	var mu sync.Mutex
	var logs bytes.Buffer
	logger := slog.New(slog.NewTextHandler(lockedWriter{&mu, &logs}, nil))
	s := start(t, Options{Logger: logger})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(logs.String(), "Connection started") {
		t.Fatalf("logs: %s", &logs)
	}
}

// Without a logger nothing reaches the default one.
func TestQuiet(t *testing.T) {
	var mu sync.Mutex
	var logs bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(lockedWriter{&mu, &logs}, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(old)
	s := start(t, Options{})
	insert(t, s.URI(), "tea")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if logs.Len() > 0 {
		t.Fatalf("logs: %s", &logs)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}
