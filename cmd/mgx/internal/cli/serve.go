package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx/embedded"
)

const serveHelp = `
Serve runs a development database until it is interrupted with Ctrl-C: FerretDB on
SQLite, in this process. Its connection string is the one line on the standard
output.

With --dir the data stays in that folder and is there again the next time; without
it, the data is gone at the end. There are no users: whoever reaches the address can
do everything, so it listens on this machine only, unless told otherwise.

It is not MongoDB, and does less: there are no replica sets, transactions, change
streams, retryable writes, expiring documents, partial indexes, array filters or
pipelines as updates; nor $lookup, $facet and $sample. It ignores some
options that MongoDB heeds: hints, min and max, read concerns, the strict Stable API.
Commands, stages, operators and other options that it does not know it refuses with an
error, operators only once there is a document to look at.

Clients that are still connected at the end have three seconds to finish; a second
Ctrl-C ends the process at once.
`

const serveExample = `  mgx serve
  mgx serve --dir ./data --listen 127.0.0.1:27018
  mgx serve --listen ./mgx.sock`

// defaultListen is the port that MongoDB clients expect a server on.
const defaultListen = "127.0.0.1:27017"

func (a *app) serve() *cobra.Command {
	var options embedded.Options
	var tls, verbose bool
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run a development database until Ctrl-C",
		Long:    help(serveHelp),
		Example: serveExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tls {
				options.TLS = new(embedded.TLS)
			}
			if verbose {
				options.Logger = slog.New(slog.NewTextHandler(a.Err, nil))
			}
			return a.runServe(cmd.Context(), options)
		},
	}
	cmd.Flags().StringVar(&options.Dir, "dir", "", "`folder` for the data (default: a temporary one)")
	cmd.Flags().StringVar(&options.Listen, "listen", defaultListen, "`address` to listen on: host:port, port 0 for a free one, or the path of a Unix socket")
	cmd.Flags().BoolVar(&tls, "tls", false, "speak TLS, with a certificate made for this run")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "show the server's log")
	return cmd
}

func (a *app) runServe(ctx context.Context, options embedded.Options) error {
	if host, _, err := net.SplitHostPort(options.Listen); err != nil && !strings.ContainsAny(options.Listen, `/\`) {
		return usageError{fmt.Errorf("--listen %q: %w", options.Listen, err)}
	} else if err == nil && !loopback(host) {
		a.tell("%s there are no users: whoever reaches %s can read and change everything", a.style(a.Err).Warn("warning:"), options.Listen)
	}
	server, err := embedded.Start(ctx, options)
	if err != nil {
		return err
	}
	if err := a.announce(server, options.Dir); err != nil {
		return errors.Join(err, server.Close())
	}
	<-ctx.Done()
	a.tell("stopping; Ctrl-C again ends it at once")
	return server.Close()
}

// announce tells that the server is ready.
func (a *app) announce(server *embedded.Server, dir string) error {
	style := a.style(a.Err)
	where := "a temporary folder, gone at the end"
	if dir != "" {
		where = server.Dir()
	}
	if _, err := fmt.Fprintln(a.Out, server.URI()); err != nil {
		return outputError(err)
	}
	a.tell("%s; data in %s; Ctrl-C ends it", style.Good("ready"), style.Name(where))
	return nil
}

// loopback says whether only this machine reaches the host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
