package cli

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

const infoHelp = `
Info tells what a server is: its version, its place in a replica set or a sharded
cluster, its limits, and its databases with their collections. With --json, it
prints the server's own replies in one document.
`

func (a *app) info() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "info [URI]",
		Short:   "Show what a server is and what it holds",
		Long:    help(infoHelp),
		Example: "  mgx info\n  mgx info mongodb://localhost:27018/ --json | jq .buildInfo.version",
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, err := onlyURI(args)
			if err != nil {
				return err
			}
			return a.withClient(cmd.Context(), uri, func(client *mgx.Client) error {
				facts, err := ask(cmd.Context(), client)
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(facts)
				}
				return a.printFacts(facts)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's replies as Extended JSON")
	return cmd
}

// facts are what a server says of itself.
type facts struct {
	Hello     bson.Raw   `bson:"hello"`
	BuildInfo bson.Raw   `bson:"buildInfo"`
	Databases []database `bson:"databases,omitempty"`
	// Withheld is why the databases are not known: not every user may list them.
	Withheld string `bson:"withheld,omitempty"`
}

type database struct {
	Name        string   `bson:"name"`
	Size        int64    `bson:"sizeOnDisk"`
	Collections []string `bson:"collections"`
}

func ask(ctx context.Context, client *mgx.Client) (*facts, error) {
	var f facts
	var err error
	admin := client.Database("admin")
	if f.Hello, err = admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Raw(); err != nil {
		return nil, err
	}
	if f.BuildInfo, err = admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Raw(); err != nil {
		return nil, err
	}
	if f.Databases, err = askDatabases(ctx, client); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		f.Withheld = err.Error()
	}
	return &f, nil
}

func askDatabases(ctx context.Context, client *mgx.Client) ([]database, error) {
	infos, err := client.ListDatabases(ctx, nil)
	if err != nil {
		return nil, err
	}
	var list []database
	for _, info := range infos {
		names, err := client.Database(info.Name).ListCollectionNames(ctx, nil)
		if err != nil {
			return nil, err
		}
		list = append(list, database{info.Name, info.SizeOnDisk, names})
	}
	return list, nil
}

func (a *app) printJSON(v any) error {
	doc, err := bson.Marshal(v)
	if err != nil {
		return err
	}
	return a.printDocument(doc, false)
}

func (a *app) printFacts(f *facts) error {
	var b bytes.Buffer
	style := a.style(a.Out)
	client := fmt.Sprintf("mgx %s, %s %s/%s", mgx.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, line := range append(f.lines(), [2]string{"client", client}) {
		fmt.Fprintf(&b, "%-16s  %s\n", line[0], line[1])
	}
	b.WriteByte('\n')
	switch {
	case f.Withheld != "":
		fmt.Fprintln(&b, "databases are not known:", f.Withheld)
	case len(f.Databases) == 0:
		fmt.Fprintln(&b, "no databases")
	}
	for _, d := range f.Databases {
		fmt.Fprintf(&b, "%s  %s\n", style.Bold(d.Name), style.Dim(bytesText(d.Size)))
		for _, c := range d.Collections {
			fmt.Fprintf(&b, "  %s\n", c)
		}
	}
	_, err := a.Out.Write(b.Bytes())
	return outputError(err)
}

// lines are the facts in words, each with its heading.
func (f *facts) lines() [][2]string {
	version := text(f.BuildInfo, "version")
	if ferret := text(f.BuildInfo, "ferretdbVersion"); ferret != "" {
		version += " (spoken by FerretDB)"
	}
	lines := [][2]string{
		{"server", "MongoDB " + version},
		{"kind", f.kind()},
		{"wire version", fmt.Sprintf("%d to %d", number(f.Hello, "minWireVersion"), number(f.Hello, "maxWireVersion"))},
		{"documents", "up to " + bytesText(number(f.Hello, "maxBsonObjectSize"))},
		{"messages", "up to " + bytesText(number(f.Hello, "maxMessageSizeBytes")) + ", " +
			screen.Number(int(number(f.Hello, "maxWriteBatchSize"))) + " writes"},
	}
	if c := list(f.Hello, "compression"); len(c) > 0 {
		lines = append(lines, [2]string{"compression", strings.Join(c, ", ")})
	}
	for _, h := range list(f.Hello, "hosts") {
		role := "member"
		switch h {
		case text(f.Hello, "primary"):
			role = "primary"
		case text(f.Hello, "me"):
			role = "member, this one"
		}
		lines = append(lines, [2]string{role, h})
	}
	return lines
}

func (f *facts) kind() string {
	set := text(f.Hello, "setName")
	switch {
	case text(f.Hello, "msg") == "isdbgrid":
		return "router of a sharded cluster (mongos)"
	case set == "":
		return "standalone server"
	case flag(f.Hello, "isWritablePrimary"):
		return "primary of the replica set " + set
	case flag(f.Hello, "secondary"):
		return "secondary of the replica set " + set
	case flag(f.Hello, "arbiterOnly"):
		return "arbiter of the replica set " + set
	}
	return "member of the replica set " + set
}

func text(doc bson.Raw, key string) string {
	s, _ := doc.Lookup(key).StringValueOK()
	return s
}

func number(doc bson.Raw, key string) int64 {
	n, _ := doc.Lookup(key).AsInt64OK()
	return n
}

func flag(doc bson.Raw, key string) bool {
	b, _ := doc.Lookup(key).BooleanOK()
	return b
}

func list(doc bson.Raw, key string) (all []string) {
	array, _ := doc.Lookup(key).ArrayOK()
	values, _ := array.Values() // what cannot be read is not listed
	for _, v := range values {
		if s, ok := v.StringValueOK(); ok {
			all = append(all, s)
		}
	}
	return all
}

// bytesText writes a size: "16 MiB", "1.2 KiB".
func bytesText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + units[i]
}
