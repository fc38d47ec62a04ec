package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"

	"github.com/mgxdb/mgx/embedded/internal/ping"
)

// ServerVersion is the version of FerretDB that runs.
const ServerVersion = "v1.24.2"

// startTimeout bounds the wait for the first answer when the caller's context
// does not.
const startTimeout = 30 * time.Second

// Server is a running server. Its methods may be called by several goroutines.
type Server struct {
	dir     string
	network string // "tcp" or "unix"
	address string // that can be dialled
	uri     string
	caFile  string

	stop    context.CancelFunc
	stopped chan struct{} // closed when FerretDB has ended
	cleanup []func() error
	close   func() error
}

// constructing is held while a FerretDB is constructed, which sets a variable of
// its package.
var constructing sync.Mutex

// Start starts a server and returns when it has answered a command over the
// wire. The context bounds the start, not the server's life: that ends with
// [Server.Close].
//
// Errors: [ErrOptions], [ErrDirInUse], [ErrAddressInUse], the context's own, and
// the operating system's for a folder that cannot be written or an address that
// cannot be listened on. After an error nothing is left behind, except a folder
// that was asked for.
func Start(ctx context.Context, options Options) (_ *Server, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("embedded: not started: %w", context.Cause(ctx))
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	s := new(Server)
	s.close = sync.OnceValue(s.shutDown)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.openDir(&options); err != nil {
		return nil, err
	}
	certs, err := s.prepareTLS(options.TLS)
	if err != nil {
		return nil, err
	}
	if err := s.run(ctx, &options, certs); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("no answer within "+startTimeout.String()))
	defer cancel()
	err = ping.Run(ctx, s.network, s.address, certs.clientTLS())
	if certs != nil && certs.clientCA != "" && ping.Refused(err) {
		err = nil // it asked for a certificate that Start does not have: it is there
	}
	if err != nil {
		return nil, fmt.Errorf("embedded: the server on %s did not come up: %w", s.address, err)
	}
	return s, nil
}

// onClose adds what Close has to undo, last first.
func (s *Server) onClose(f func() error) { s.cleanup = append(s.cleanup, f) }

func (s *Server) openDir(options *Options) error {
	dir, temporary, err := options.openDir()
	if temporary {
		s.onClose(func() error { return os.RemoveAll(dir) })
	}
	if err != nil {
		return err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return err
	}
	s.onClose(unlock)
	s.dir = dir
	return nil
}

func (s *Server) prepareTLS(t *TLS) (*certificates, error) {
	if t == nil {
		return nil, nil
	}
	scratch, err := os.MkdirTemp("", "mgx-embedded-tls-")
	if err != nil {
		return nil, fmt.Errorf("embedded: make a temporary folder: %w", err)
	}
	s.onClose(func() error { return os.RemoveAll(scratch) })
	certs, err := t.prepare(scratch)
	if err != nil {
		return nil, err
	}
	s.caFile = certs.ca
	return certs, nil
}

// run constructs FerretDB and starts it.
func (s *Server) run(ctx context.Context, options *Options, certs *certificates) error {
	config := &ferretdb.Config{
		Logger:    options.Logger,
		Handler:   "sqlite",
		SQLiteURL: "file:" + filepath.ToSlash(s.dir) + "/",
	}
	listen := options.Listen
	s.network = "tcp"
	switch {
	case isUnixPath(listen):
		s.network, config.Listener.Unix = "unix", listen
	case certs != nil:
		config.Listener.TLS = listen
		config.Listener.TLSCertFile, config.Listener.TLSKeyFile = certs.cert, certs.key
		config.Listener.TLSCAFile = certs.clientCA
	default:
		config.Listener.TCP = listen
	}
	if err := probe(ctx, s.network, listen); err != nil {
		return err
	}
	constructing.Lock()
	db, err := ferretdb.New(config)
	constructing.Unlock()
	if err != nil {
		return fmt.Errorf("embedded: start on %s in %s: %w", listen, s.dir, err)
	}
	s.start(db)
	return s.findAddress(db.MongoDBURI(), listen, certs != nil)
}

func (s *Server) start(db *ferretdb.FerretDB) {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.stopped = cancel, make(chan struct{})
	go func() {
		defer close(s.stopped)
		_ = db.Run(ctx) // always nil
	}()
}

func (s *Server) findAddress(ferretURI, listen string, tls bool) error {
	s.address = listen
	if s.network == "tcp" {
		u, err := url.Parse(ferretURI)
		if err != nil {
			return fmt.Errorf("embedded: read the address: %w", err)
		}
		if s.address, err = connectable(u.Host); err != nil {
			return fmt.Errorf("embedded: read the address: %w", err)
		}
	}
	s.uri = uri(s.network, s.address, tls, s.caFile)
	return nil
}

// URI is the connection string for the server, with its TLS options if it has
// any. A server that listens on every interface is named by its loopback address.
func (s *Server) URI() string { return s.uri }

// Addr is the address that the server listens on, as something to dial:
// "host:port", or the path of its Unix socket.
func (s *Server) Addr() string { return s.address }

// Dir is the folder that holds the databases.
func (s *Server) Dir() string { return s.dir }

// CAFile is the PEM file with the certificate authority that was made for this
// server, or empty if there is none. Close removes it.
func (s *Server) CAFile() string { return s.caFile }

// Close stops the server and waits until its goroutines have ended and its files
// are closed; a temporary folder is removed. Clients that are still connected
// are given three seconds to finish and are cut off then; with none Close is
// immediate. Further calls wait for the first and return what it returned.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutDown() error {
	if s.stop != nil {
		s.stop()
		<-s.stopped
	}
	var errs []error
	for _, undo := range slices.Backward(s.cleanup) {
		errs = append(errs, undo())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("embedded: clean up: %w", err)
	}
	return nil
}
