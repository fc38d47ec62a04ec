package mgx

import (
	"bytes"
	"context"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
)

// ServerInfo describes a server's build: the buildInfo command.
type ServerInfo struct {
	Version       string   `bson:"version"`
	VersionArray  []int    `bson:"versionArray"`
	GitVersion    string   `bson:"gitVersion"`
	Modules       []string `bson:"modules"`
	MaxBSONSize   int      `bson:"maxBsonObjectSize"`
	Bits          int      `bson:"bits"`
	Debug         bool     `bson:"debug"`
	StorageEngine []string `bson:"storageEngines"`
	// Raw is the whole reply.
	Raw bson.Raw `bson:"-"`
}

// ServerInfo asks the server about its build.
func (c *Client) ServerInfo(ctx context.Context) (ServerInfo, error) {
	res, err := c.adminCommand(ctx, "buildInfo", nil)
	if err != nil {
		return ServerInfo{}, err
	}
	defer res.Release()
	info := ServerInfo{Raw: bytes.Clone(res.Body)}
	if err := bson.Unmarshal(res.Body, &info); err != nil {
		return info, category(err, ErrProtocol)
	}
	return info, nil
}

// adminCommand runs a command against the admin database of the primary.
func (c *Client) adminCommand(ctx context.Context, name string, body func([]byte) []byte) (exec.Result, error) {
	op := exec.Op{
		Name: name, Database: "admin", Access: exec.Other,
		Body: func(dst []byte) ([]byte, error) {
			dst = bsonwire.AppendInt32(dst, name, 1)
			if body != nil {
				dst = body(dst)
			}
			return dst, nil
		},
	}
	return c.run(ctx, &op)
}

// DropDatabase drops a database with all its collections. One that does not exist
// is no error.
func (c *Client) DropDatabase(ctx context.Context, name string, options ...DropOption) error {
	return c.Database(name).Drop(ctx, options...)
}

// FsyncMode says how Fsync works.
type FsyncMode uint8

const (
	// FsyncWait returns when all is on disk.
	FsyncWait FsyncMode = 0
	// FsyncLock also keeps writes from going on until Unlock: for copies of the
	// data files. Reads may pass.
	FsyncLock FsyncMode = 1 << 0
	// FsyncAsync returns at once, while the server goes on flushing. It excludes
	// FsyncLock.
	FsyncAsync FsyncMode = 1 << 1
)

// Fsync makes the server write everything to disk.
func (c *Client) Fsync(ctx context.Context, mode FsyncMode) error {
	if mode&FsyncLock != 0 && mode&FsyncAsync != 0 {
		return failure(ErrInvalidArgument, "fsync: lock and async exclude each other: locking waits for the flush")
	}
	res, err := c.adminCommand(ctx, "fsync", func(dst []byte) []byte {
		dst = appendTrue(dst, "lock", mode&FsyncLock != 0)
		return appendTrue(dst, "async", mode&FsyncAsync != 0)
	})
	if err == nil {
		res.Release()
	}
	return err
}

// Unlock ends what Fsync with FsyncLock began. Locks are counted by the server:
// each needs its own Unlock.
func (c *Client) Unlock(ctx context.Context) error {
	res, err := c.adminCommand(ctx, "fsyncUnlock", nil)
	if err == nil {
		res.Release()
	}
	return err
}

// IsLocked reports whether the server keeps writes from going on, because of Fsync
// with FsyncLock.
func (c *Client) IsLocked(ctx context.Context) (bool, error) {
	res, err := c.adminCommand(ctx, "currentOp", func(dst []byte) []byte {
		// No operation has this number: the lock is told beside the list.
		return bsonwire.AppendInt32(dst, "opid", -1)
	})
	if err != nil {
		return false, err
	}
	defer res.Release()
	v, _ := bsonwire.Lookup(res.Body, "fsyncLock")
	locked, _ := v.AsBool()
	return locked, nil
}
