package ferretdbcmd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/mgxdb/mgx/embedded/internal/cert"
	"github.com/mgxdb/mgx/embedded/internal/ping"
)

// Options says how the command runs. The zero value is a server without users on
// a free loopback port.
type Options struct {
	// Username and Password are a user to be made at the first start in a folder,
	// with SCRAM-SHA-1 and SCRAM-SHA-256. With a username, every command but a few
	// needs an authenticated connection, and createUser makes more users.
	Username string
	Password string
	// Database is the user's database (its authSource). The default is "admin".
	Database string

	// ReplicaSet is the name of a replica set that the server pretends to be the
	// only member of. It does not go together with TLS: the server would name an
	// address without TLS as its member.
	ReplicaSet string

	// CertFile and KeyFile, in PEM, make the server speak TLS only. ClientCAFile,
	// in PEM, makes it turn away clients without a certificate from there.
	CertFile     string
	KeyFile      string
	ClientCAFile string

	// Dir keeps the data, which is there again for the next start. Empty means a
	// temporary folder, removed by Close.
	Dir string

	// Listen is the address, "host:port", for a server that comes back where it
	// was. Empty means a free loopback port.
	Listen string
}

// Process is a running command.
type Process struct {
	addr    string
	uri     string
	dir     string
	keep    bool // the folder was given
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
	output  tail
	closing func() error
}

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 5 * time.Second
	attempts     = 5
)

var errPortTaken = errors.New("the port was taken in the meantime")

// Start builds the command if need be, starts it and returns when it has answered
// over the wire. The context bounds the start only; Close ends the process, and
// on Linux so does the death of the process that started it.
func Start(ctx context.Context, options Options) (*Process, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	path, err := Build(ctx)
	if err != nil {
		return nil, err
	}
	for range attempts {
		var p *Process
		if p, err = start(ctx, path, options); err == nil {
			return p, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, fmt.Errorf("ferretdbcmd: %w", err)
}

func (o *Options) check() error {
	if o.Database == "" {
		o.Database = "admin"
	}
	switch {
	case o.Username == "" && o.Password != "":
		return errors.New("ferretdbcmd: a password needs a username")
	case (o.CertFile == "") != (o.KeyFile == ""):
		return errors.New("ferretdbcmd: TLS needs both CertFile and KeyFile")
	case o.CertFile == "" && o.ClientCAFile != "":
		return errors.New("ferretdbcmd: ClientCAFile needs CertFile and KeyFile")
	case o.CertFile != "" && o.ReplicaSet != "":
		return errors.New("ferretdbcmd: ReplicaSet does not go together with TLS")
	}
	return nil
}

func start(ctx context.Context, path string, o Options) (_ *Process, err error) {
	p := &Process{dir: o.Dir, keep: o.Dir != "", exited: make(chan struct{})}
	p.closing = sync.OnceValue(p.shutDown)
	if p.keep {
		p.dir, err = filepath.Abs(o.Dir)
	} else {
		p.dir, err = os.MkdirTemp("", "mgx-ferretdb-")
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	if p.addr = o.Listen; p.addr == "" {
		if p.addr, err = freeAddress(ctx); err != nil {
			return nil, err
		}
	}
	p.setURI(&o)
	// The process outlives the context of its start.
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), path, o.args(p.addr, p.dir)...)
	p.cmd.Dir = p.dir
	p.cmd.Env = append(os.Environ(), "FERRETDB_SETUP_PASSWORD="+o.Password) // not for ps to show
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = diesWithParent()
	if err := p.launch(); err != nil {
		return nil, errors.Join(err, p.cleanUp())
	}
	if err := p.awaitAnswer(ctx, &o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// freeAddress finds a port that is free now. The command must be told a definite
// one: the address that it was told is what it names as its member.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (o *Options) args(addr, dir string) []string {
	args := []string{
		"--handler=sqlite", "--sqlite-url=file:" + filepath.ToSlash(dir) + "/",
		"--state-dir=" + dir, "--telemetry=disable", "--debug-addr=-", "--log-level=warn",
	}
	if o.CertFile != "" {
		args = append(args, "--listen-addr=", "--listen-tls="+addr,
			"--listen-tls-cert-file="+o.CertFile, "--listen-tls-key-file="+o.KeyFile)
	} else {
		args = append(args, "--listen-addr="+addr)
	}
	if o.ClientCAFile != "" {
		args = append(args, "--listen-tls-ca-file="+o.ClientCAFile)
	}
	if o.ReplicaSet != "" {
		args = append(args, "--repl-set-name="+o.ReplicaSet)
	}
	if o.Username != "" {
		args = append(args, "--test-enable-new-auth", "--setup-database="+o.Database, "--setup-username="+o.Username)
	}
	return args
}

func (p *Process) setURI(o *Options) {
	u := url.URL{Scheme: "mongodb", Host: p.addr, Path: "/"}
	q := url.Values{}
	if o.CertFile != "" {
		q.Set("tls", "true")
	}
	if o.ReplicaSet != "" {
		q.Set("replicaSet", o.ReplicaSet)
	}
	u.RawQuery = q.Encode()
	p.uri = u.String()
}

// launch starts the process on a thread that lives as long as it: on Linux the
// signal for the parent's death comes with the death of the starting thread.
func (p *Process) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // its state tells the same
			close(p.exited)
		}
	}()
	return <-started
}

// awaitAnswer asks until the server answers, the process ends or the time is up.
func (p *Process) awaitAnswer(ctx context.Context, o *Options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("no answer within "+startTimeout.String()))
	defer cancel()
	config, err := o.clientTLS()
	if err != nil {
		return err
	}
	for {
		err := ping.Run(ctx, "tcp", p.addr, config)
		if err == nil || o.ClientCAFile != "" && ping.Refused(err) {
			return nil
		}
		select {
		case <-p.exited:
			return p.died()
		case <-ctx.Done():
			return fmt.Errorf("the server on %s did not come up: %w (%w)", p.addr, context.Cause(ctx), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// clientTLS trusts the server's own certificate, whoever signed it.
func (o *Options) clientTLS() (*tls.Config, error) {
	if o.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, err
	}
	return cert.Pinned(pair.Certificate[0]), nil
}

func (p *Process) died() error {
	output := p.output.String()
	if strings.Contains(output, "address already in use") {
		return errPortTaken
	}
	return fmt.Errorf("the command ended with %s:\n%s", p.cmd.ProcessState, output)
}

// URI is the connection string, without the user: add it where it is wanted.
func (p *Process) URI() string { return p.uri }

// UserURI is the connection string with the given user, password and
// authentication database.
func (p *Process) UserURI(username, password, authSource string) string {
	u, err := url.Parse(p.uri)
	if err != nil {
		panic(err) // it was made from a URL
	}
	u.User = url.UserPassword(username, password)
	q := u.Query()
	q.Set("authSource", authSource)
	u.RawQuery = q.Encode()
	return u.String()
}

// Addr is the address that the server listens on, "host:port".
func (p *Process) Addr() string { return p.addr }

// Output is the end of what the command printed, its warnings and errors.
func (p *Process) Output() string { return p.output.String() }

// Close ends the process and removes a temporary folder. A process with a given
// folder is asked to end and has five seconds for it; one with a temporary folder
// has nothing to save. Further calls return what the first one did.
func (p *Process) Close() error { return p.closing() }

// Kill ends the process as a crash would, and waits for its end. Close is still to
// be called if the folder is a temporary one.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ferretdbcmd: kill the process: %w", err)
	}
	<-p.exited
	return nil
}

func (p *Process) shutDown() error {
	if p.keep && p.cmd.Process.Signal(os.Interrupt) == nil {
		select {
		case <-p.exited:
		case <-time.After(stopTimeout):
		}
	}
	if err := p.Kill(); err != nil {
		return err
	}
	return p.cleanUp()
}

func (p *Process) cleanUp() error {
	if p.keep {
		return nil
	}
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("ferretdbcmd: clean up: %w", err)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - tailSize; n > 0 {
		t.b = bytes.Clone(t.b[n:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
