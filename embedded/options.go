package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DefaultListen is where a server listens when [Options.Listen] is empty: the
// loopback interface, on a free port that the system chooses.
const DefaultListen = "127.0.0.1:0"

// Errors that Start reports besides those of the operating system, which it
// wraps (so errors.Is(err, fs.ErrPermission) works).
var (
	// ErrDirInUse says that another running server owns the folder.
	ErrDirInUse = errors.New("embedded: folder in use by another server")
	// ErrAddressInUse says that something else listens on the address.
	ErrAddressInUse = errors.New("embedded: address in use")
	// ErrOptions says that the options contradict each other or cannot work.
	ErrOptions = errors.New("embedded: invalid options")
)

// Options says how a server runs. The zero value is a server on a free loopback
// port, in a temporary folder, without TLS and without logs.
type Options struct {
	// Dir is the folder for the databases. It is made if it does not exist, and
	// its data is there again for the next server started on it. Empty means a
	// temporary folder, removed by Close.
	//
	// SQLite reads the folder's name as part of a URI, so it must not contain
	// any of the characters "?", "#" and "%".
	Dir string

	// Listen is the address: "host:port", where port 0 means a free port and an
	// empty host means every interface, or the path of a Unix socket, known by
	// the slash in it. Empty means [DefaultListen].
	Listen string

	// TLS, when not nil, makes the server speak TLS only. It does not go
	// together with a Unix socket.
	TLS *TLS

	// Logger receives the server's logs: connections at Info, requests and
	// replies in full at Debug. Nil means no logs.
	Logger *slog.Logger
}

// TLS says which certificate a server shows and whether it asks for one.
type TLS struct {
	// CertFile and KeyFile are PEM files. If both are empty, Start makes a
	// certificate authority and a certificate for localhost, 127.0.0.1 and ::1
	// that live as long as the server; [Server.CAFile] has the authority, and
	// URI names it.
	CertFile string
	KeyFile  string

	// ClientCAFile is a PEM file with the authorities of client certificates.
	// If it is set, clients without a valid certificate are turned away.
	ClientCAFile string
}

// maxUnixPath is the longest socket path that every supported system takes: 104
// bytes with the terminating zero on the BSDs and macOS, 108 on Linux.
const maxUnixPath = 103

func isUnixPath(listen string) bool { return strings.ContainsAny(listen, `/\`) }

// check fills the defaults in and reports what cannot work.
func (o *Options) check() error {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if isUnixPath(o.Listen) {
		if o.TLS != nil {
			return fmt.Errorf("%w: TLS needs a TCP address, not the Unix socket %q", ErrOptions, o.Listen)
		}
		if len(o.Listen) > maxUnixPath {
			return fmt.Errorf("%w: the socket path %q has %d bytes, at most %d work", ErrOptions, o.Listen, len(o.Listen), maxUnixPath)
		}
	} else if _, port, err := net.SplitHostPort(o.Listen); err != nil {
		return fmt.Errorf("%w: listen address %q is neither host:port nor the path of a Unix socket: %w", ErrOptions, o.Listen, err)
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%w: listen address %q: the port must be a number from 0 to 65535", ErrOptions, o.Listen)
	}
	if t := o.TLS; t != nil && (t.CertFile == "") != (t.KeyFile == "") {
		return fmt.Errorf("%w: TLS needs both CertFile and KeyFile, or neither", ErrOptions)
	}
	return nil
}

// openDir makes the folder, or a temporary one, and sees that it can be written.
func (o *Options) openDir() (dir string, temporary bool, err error) {
	if o.Dir == "" {
		dir, err = os.MkdirTemp("", "mgx-embedded-")
		if err != nil {
			return "", false, fmt.Errorf("embedded: make a temporary folder: %w", err)
		}
		return dir, true, checkDirName(dir)
	}
	dir, err = filepath.Abs(o.Dir)
	if err != nil {
		return "", false, fmt.Errorf("embedded: folder %q: %w", o.Dir, err)
	}
	if err := checkDirName(dir); err != nil {
		return "", false, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, fmt.Errorf("embedded: make the folder: %w", err)
	}
	f, err := os.CreateTemp(dir, ".mgx-write-*")
	if err != nil {
		return "", false, fmt.Errorf("embedded: folder %q cannot be written: %w", dir, err)
	}
	err = errors.Join(f.Close(), os.Remove(f.Name()))
	if err != nil {
		return "", false, fmt.Errorf("embedded: folder %q: %w", dir, err)
	}
	return dir, false, nil
}

func checkDirName(dir string) error {
	if i := strings.IndexAny(dir, "?#%"); i >= 0 {
		return fmt.Errorf("%w: folder %q contains %q, which SQLite would misread", ErrOptions, dir, dir[i:i+1])
	}
	return nil
}
