package classic

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestFsync(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	c := connectTo(t, dep.URI())
	sent := watch(t, dep, "fsync")
	if err := c.Fsync(t.Context(), mgx.FsyncLock|mgx.FsyncAsync); !errors.Is(err, mgx.ErrInvalidArgument) {
		t.Errorf("lock and async together: %v", err)
	}
	if len(sent.take()) > 0 {
		t.Error("lock and async together were sent")
	}
	for _, mode := range []mgx.FsyncMode{mgx.FsyncWait, mgx.FsyncAsync, mgx.FsyncLock} {
		if err := c.Fsync(t.Context(), mode); err != nil {
			t.Error(err)
		}
		cmd := sent.one(t)
		lock, _ := cmd.Body.Lookup("lock").BooleanOK()
		async, _ := cmd.Body.Lookup("async").BooleanOK()
		if cmd.DB != "admin" || lock != (mode == mgx.FsyncLock) || async != (mode == mgx.FsyncAsync) {
			t.Errorf("mode %d sends %v", mode, cmd.Body)
		}
	}
	if err := c.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
}

// While locked, writes block, and reads pass.
func TestIsLocked(t *testing.T) {
	c := connectTo(t, mgxtest.Standalone(t).URI())
	ctx := t.Context()
	isLocked := func(want bool) {
		t.Helper()
		if locked, err := c.IsLocked(ctx); locked != want || err != nil {
			t.Errorf("locked: %v (%v)", locked, err)
		}
	}
	isLocked(false)
	if err := c.Fsync(ctx, mgx.FsyncWait); err != nil {
		t.Error(err)
	}
	isLocked(false)
	if err := c.Fsync(ctx, mgx.FsyncLock); err != nil {
		t.Fatal(err)
	}
	isLocked(true)
	coll := c.Database("fsync").Collection("c")
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := coll.InsertOne(short, bson.D{{"_id", 1}}); !errors.Is(err, mgx.ErrTimeout) {
		t.Errorf("a write went on while locked: %v", err)
	}
	if err := coll.FindOne(ctx, nil).Err(); !errors.Is(err, mgx.ErrNoDocuments) {
		t.Errorf("a read did not pass: %v", err)
	}
	waits := make(chan error, 1)
	go func() {
		_, err := coll.InsertOne(ctx, bson.D{{"_id", 2}})
		waits <- err
	}()
	select {
	case err := <-waits:
		t.Errorf("a write went on while locked: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := c.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	isLocked(false)
	if err := <-waits; err != nil {
		t.Errorf("the write that waited: %v", err)
	}
}

func TestUnlock(t *testing.T) {
	c := connectTo(t, mgxtest.Standalone(t).URI())
	ctx := t.Context()
	var se *mgx.ServerError
	if err := c.Unlock(ctx); !errors.As(err, &se) {
		t.Errorf("without a lock: %v", err)
	}
	// Locks are counted.
	for range 2 {
		if err := c.Fsync(ctx, mgx.FsyncLock); err != nil {
			t.Fatal(err)
		}
	}
	for _, still := range []bool{true, false} {
		if err := c.Unlock(ctx); err != nil {
			t.Fatal(err)
		}
		if locked, err := c.IsLocked(ctx); locked != still || err != nil {
			t.Errorf("locked: %v, want %v (%v)", locked, still, err)
		}
	}
}

// databases makes databases of these names.
func databases(t *testing.T, c *mgx.Client, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := c.Database(name).CreateCollection(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.DropDatabase(context.Background(), name) })
	}
}

func TestDatabaseNames(t *testing.T) {
	c := connect(t)
	databases(t, c, "names_a", "names_b")
	names, err := c.ListDatabaseNames(t.Context(), nil)
	if err != nil || !slices.Contains(names, "names_a") || !slices.Contains(names, "names_b") {
		t.Errorf("%v %v", names, err)
	}
	names, err = c.ListDatabaseNames(t.Context(), bson.D{{"name", "names_a"}})
	if err != nil || !slices.Equal(names, []string{"names_a"}) {
		t.Errorf("filtered: %v %v", names, err)
	}
}

func TestDropDatabase(t *testing.T) {
	c := connect(t)
	ctx := t.Context()
	databases(t, c, "drop_a", "drop_b")
	if err := c.DropDatabase(ctx, "drop_a"); err != nil {
		t.Error(err)
	}
	if err := c.Database("drop_b").Drop(ctx); err != nil {
		t.Error(err)
	}
	names, err := c.ListDatabaseNames(ctx, nil)
	if err != nil || slices.Contains(names, "drop_a") || slices.Contains(names, "drop_b") {
		t.Errorf("after dropping: %v %v", names, err)
	}
	if err := c.DropDatabase(ctx, "drop_a"); err != nil {
		t.Errorf("one that is not there: %v", err)
	}
	if err := c.DropDatabase(ctx, "a.b"); !errors.Is(err, mgx.ErrInvalidName) {
		t.Errorf("an invalid name: %v", err)
	}
}

func TestServerInfo(t *testing.T) {
	info, err := connect(t).ServerInfo(t.Context())
	if err != nil || info.Version == "" || info.MaxBSONSize != 16<<20 ||
		info.Raw.Lookup("version").StringValue() != info.Version {
		t.Errorf("%+v %v", info, err)
	}
}

func TestGetDefaultDatabase(t *testing.T) {
	if db, err := connectTo(t, strings.TrimSuffix(uri, "/")+"/shop").DefaultDatabase(); err != nil ||
		db.Name() != "shop" {
		t.Error(err)
	}
	if _, err := connect(t).DefaultDatabase(); !errors.Is(err, mgx.ErrConfiguration) {
		t.Error(err)
	}
}
