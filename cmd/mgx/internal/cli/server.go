package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
)

const (
	defaultURI = "mongodb://localhost:27017/"
	uriEnv     = "MGX_URI"
	appName    = "mgx"
)

// selectionTimeout is how long a command waits for a server, unless the URI says
// serverSelectionTimeoutMS: somebody is waiting too.
const selectionTimeout = 10 * time.Second

func isURI(s string) bool {
	return strings.HasPrefix(s, "mongodb://") || strings.HasPrefix(s, "mongodb+srv://")
}

// nearlyURI is text that was meant as a connection string, most likely: it begins
// with a scheme that is misspelt, or with user:password@.
var nearlyURI = regexp.MustCompile(`^\s*[A-Za-z+]{2,}[:;]/.*@|^[^/.{]+:[^/\\]*@`)

// checkURIs refuses what was meant as a connection string and is none, before it is
// taken for a name and its password is shown. Doctor says more of it, without.
func checkURIs(command string, args []string) error {
	places := 1
	switch command {
	case "copy":
		places = 2
	case "doctor":
		return nil
	}
	for i, arg := range args[:min(places, len(args))] {
		if command == "top" && isPage(arg) {
			continue
		}
		if !isURI(arg) && nearlyURI.MatchString(arg) {
			return fmt.Errorf("argument %d looks like a connection string (not shown, for it may have a password), but begins with neither mongodb:// nor mongodb+srv://", i+1)
		}
	}
	return nil
}

// takeURI takes the connection string off the arguments, or finds it elsewhere.
func takeURI(args []string) (uri string, rest []string) {
	if len(args) > 0 && isURI(args[0]) {
		return args[0], args[1:]
	}
	if uri := os.Getenv(uriEnv); uri != "" {
		return uri, args
	}
	return defaultURI, args
}

// takeNamespace takes "database.collection" off the arguments.
func takeNamespace(uri string, args []string) (database, collection string, rest []string, err error) {
	if len(args) == 0 {
		return "", "", nil, usageError{errors.New("which collection? give its name as database.collection")}
	}
	database, collection, dotted := strings.Cut(args[0], ".")
	if !dotted {
		if options, err := mgx.ParseURI(uri); err == nil && options.Database != "" {
			database, collection = options.Database, database
		}
	}
	if database == "" || collection == "" {
		return "", "", nil, usageError{fmt.Errorf("%q is not the name of a collection; want database.collection", args[0])}
	}
	return database, collection, args[1:], nil
}

// connect opens a client and waits until a server answers.
func (a *app) connect(ctx context.Context, uri string) (*mgx.Client, error) {
	options, err := a.clientOptions(uri)
	if err != nil {
		return nil, err
	}
	return mgx.Open(ctx, options)
}

// clientOptions are those of the tool's clients.
func (a *app) clientOptions(uri string) (*mgx.Options, error) {
	options, err := mgx.ParseURI(uri)
	if err != nil {
		return nil, usageError{err}
	}
	if options.AppName == "" {
		options.AppName = appName
	}
	if options.ServerSelectionTimeout == 0 {
		options.ServerSelectionTimeout = selectionTimeout
	}
	if w, ok := options.WriteConcern.W.(int); ok && w == 0 {
		options.WriteConcern.W = 1 // what became of writes is to be told
	}
	options.Logger = slog.New(warnings{a})
	return options, nil
}

// closeTimeout bounds the word to the server at the end, where the command's own
// context may have ended already.
const closeTimeout = 2 * time.Second

func closeClient(client *mgx.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return client.Close(ctx)
}

// withClient runs f with a client, which it closes.
func (a *app) withClient(ctx context.Context, uri string, f func(*mgx.Client) error) error {
	client, err := a.connect(ctx, uri)
	if err != nil {
		return err
	}
	return errors.Join(f(client), closeClient(client))
}

// warnings shows the warnings of a client's log, and nothing else.
type warnings struct{ a *app }

func (warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	_, err := fmt.Fprintln(w.a.Err, w.a.style(w.a.Err).Warn("warning:"), text)
	return err
}

func (w warnings) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w warnings) WithGroup(string) slog.Handler      { return w }
