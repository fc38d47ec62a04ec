package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

const fsyncHelp = `
Fsync makes a server write everything to disk. With --lock, it also keeps writes from
going on until "mgx unlock", so that the data files can be copied; reads may pass.
Locks are counted: each needs its own unlock.
`

func (a *app) fsync() *cobra.Command {
	var lock, async bool
	cmd := &cobra.Command{
		Use:     "fsync [URI]",
		Short:   "Have a server write everything to disk, and lock it",
		Long:    help(fsyncHelp),
		Example: "  mgx fsync\n  mgx fsync --lock && tar cf backup.tar /var/lib/mongodb; mgx unlock",
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, err := onlyURI(args)
			if err != nil {
				return err
			}
			mode, text := mgx.FsyncWait, "all is on disk"
			switch {
			case lock && async:
				return usageError{errors.New("--lock and --async exclude each other: locking waits for the disk")}
			case lock:
				mode, text = mgx.FsyncLock, `all is on disk, and writes wait for "mgx unlock"`
			case async:
				mode, text = mgx.FsyncAsync, "the server is writing"
			}
			return a.withClient(cmd.Context(), uri, func(client *mgx.Client) error {
				if err := client.Fsync(cmd.Context(), mode); err != nil {
					return err
				}
				return a.say("%s: %s", client.Host(), text)
			})
		},
	}
	cmd.Flags().BoolVar(&lock, "lock", false, "keep writes from going on until mgx unlock")
	cmd.Flags().BoolVar(&async, "async", false, "do not wait for the disk")
	return cmd
}

const unlockHelp = `
Unlock takes back one lock of "mgx fsync --lock", and says whether writes go on. --all
takes back every lock that there is.
`

func (a *app) unlock() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "unlock [URI]",
		Short:   "Let writes go on after fsync --lock",
		Long:    help(unlockHelp),
		Example: "  mgx unlock\n  mgx unlock mongodb://localhost:27018/ --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, err := onlyURI(args)
			if err != nil {
				return err
			}
			return a.withClient(cmd.Context(), uri, func(client *mgx.Client) error {
				return a.runUnlock(cmd.Context(), client, all)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "take back all locks")
	return cmd
}

func (a *app) runUnlock(ctx context.Context, client *mgx.Client, all bool) error {
	for {
		if err := client.Unlock(ctx); err != nil {
			return err
		}
		locked, err := client.IsLocked(ctx)
		switch {
		case err != nil:
			// Not every user may ask.
			return a.say("%s: a lock was taken back; whether there are more is not known: %v", client.Host(), err)
		case !locked:
			return a.say("%s: writes go on", client.Host())
		case !all:
			return a.say(`%s: a lock was taken back, but there are more; "mgx unlock --all" takes them back`, client.Host())
		}
	}
}

const killCursorsHelp = `
Kill-cursors ends cursors on a server, by their identifiers. The server lists the idle
ones: mgx aggregate admin '{"$currentOp":{"idleCursors":true}}'. Cursors that are not
there, or on another server, are told of.
`

func (a *app) killCursors() *cobra.Command {
	return &cobra.Command{
		Use:     "kill-cursors [URI] DATABASE.COLLECTION ID...",
		Short:   "End cursors on a server",
		Long:    help(killCursorsHelp),
		Example: "  mgx kill-cursors shop.orders 7339461526480913275",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.onCollection(ctx, args, func(rest []string) (func(*mgx.Collection) error, error) {
				ids, err := parseCursors(rest)
				return func(c *mgx.Collection) error { return a.runKillCursors(ctx, c, ids) }, err
			})
		},
	}
}

func parseCursors(rest []string) ([]int64, error) {
	if len(rest) == 0 {
		return nil, usageError{errors.New("which cursors? give their identifiers")}
	}
	var ids []int64
	for _, arg := range rest {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id == 0 {
			return nil, usageError{fmt.Errorf("%q is not the identifier of a cursor, which is a number", arg)}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (a *app) runKillCursors(ctx context.Context, c *mgx.Collection, ids []int64) error {
	var reply struct {
		Killed  []int64 `bson:"cursorsKilled"`
		Missing []int64 `bson:"cursorsNotFound"`
		Alive   []int64 `bson:"cursorsAlive"`
		Unknown []int64 `bson:"cursorsUnknown"`
	}
	command := bson.D{{Key: "killCursors", Value: c.Name()}, {Key: "cursors", Value: ids}}
	if err := c.Database().RunCommand(ctx, command).Decode(&reply); err != nil {
		return err
	}
	for _, id := range reply.Missing {
		a.tell("%d: there is no such cursor on %s", id, c.Database().Client().Host())
	}
	for _, id := range append(reply.Alive, reply.Unknown...) {
		a.tell("%d: it was not ended", id)
	}
	err := a.say("%s ended", screen.Count(len(reply.Killed), "cursor", "cursors"))
	switch n := len(reply.Killed); {
	case n == len(ids):
		return err
	case n > 0:
		return errPartly
	}
	return errors.New("none of the cursors was ended")
}
