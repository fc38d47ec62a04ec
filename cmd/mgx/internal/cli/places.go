package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mgxdb/mgx"
)

// place is a database on a server.
type place struct{ uri, database string }

// parsePlace reads an argument that names a database: by a connection string with a
// database in it, or by its name, for the server that the URI is left out for.
func parsePlace(what, arg string) (place, error) {
	if !isURI(arg) {
		if strings.Contains(arg, "://") || strings.ContainsAny(arg, "/:") {
			return place{}, usageError{fmt.Errorf("%s: %q is neither the name of a database nor a connection string, like %sshop", what, arg, defaultURI)}
		}
		uri, _ := takeURI(nil)
		return place{uri, arg}, nil
	}
	p := place{uri: arg}
	options, err := mgx.ParseURI(arg)
	if err != nil {
		return place{}, usageError{fmt.Errorf("%s: %w", what, err)}
	}
	if p.database = options.Database; p.database == "" {
		return place{}, usageError{fmt.Errorf("%s: the connection string names no database; add one behind the servers, like %sshop", what, defaultURI)}
	}
	return p, nil
}

// takeDatabase takes the connection string off the arguments, and the name of a
// database, from the arguments or from the connection string. Without one, it is "".
func takeDatabase(args []string) (p place, rest []string, err error) {
	p.uri, rest = takeURI(args)
	if len(rest) > 0 {
		p.database, rest = rest[0], rest[1:]
		return p, rest, nil
	}
	options, err := mgx.ParseURI(p.uri)
	if err != nil {
		return place{}, nil, usageError{err}
	}
	p.database = options.Database
	return p, rest, nil
}

// needDatabase is takeDatabase where there has to be one.
func needDatabase(args []string) (place, []string, error) {
	p, rest, err := takeDatabase(args)
	if err == nil && p.database == "" {
		err = usageError{errors.New("which database? give its name, or a connection string with one, like " + defaultURI + "shop")}
	}
	return p, rest, err
}

// noMore refuses arguments that are left over.
func noMore(args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%q is one argument too many; documents and names with spaces need quotes: '…'", args[0])}
	}
	return nil
}
