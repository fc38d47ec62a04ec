package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"syscall"
)

// probe sees whether the address can be listened on, before FerretDB is asked
// to: when its own listener fails, FerretDB leaves its storage open, with
// finalizers that panic once that is collected.
func probe(ctx context.Context, network, address string) error {
	if network == "unix" {
		if err := removeStaleSocket(ctx, address); err != nil {
			return err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, network, address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: %s: choose another one, or port 0 for any that is free: %w", ErrAddressInUse, address, err)
	}
	if err != nil {
		return fmt.Errorf("embedded: listen on %s: %w", address, err)
	}
	if err := l.Close(); err != nil {
		return fmt.Errorf("embedded: listen on %s: %w", address, err)
	}
	return nil
}

// removeStaleSocket removes a socket file that a killed server left behind: one
// that nobody answers on. Other kinds of files are never touched.
func removeStaleSocket(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("embedded: socket %s: %w", path, err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("embedded: %s is there already and is not a socket", path)
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("%w: another process answers on the socket %s", ErrAddressInUse, path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("embedded: socket %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("embedded: remove the abandoned socket: %w", err)
	}
	return nil
}

// connectable turns the address listened on into one that can be dialled: an
// unspecified host becomes a loopback address.
func connectable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// uri writes the connection string for an address.
func uri(network, address string, tls bool, caFile string) string {
	if network == "unix" {
		return "mongodb://" + url.PathEscape(address) + "/"
	}
	u := url.URL{Scheme: "mongodb", Host: address, Path: "/"}
	if tls {
		u.RawQuery = "tls=true"
	}
	if caFile != "" {
		u.RawQuery += "&tlsCAFile=" + url.QueryEscape(caFile)
	}
	return u.String()
}
