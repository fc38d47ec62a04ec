package gridfs

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// commands are what a bucket sent: the commands' names with their collections, and
// the last of each.
type commands struct {
	mu    sync.Mutex
	names []string
	last  map[string]bson.Raw
	docs  map[string]bson.Raw // the first document, update or deletion of each
}

// take returns the names since the last call.
func (c *commands) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := strings.Join(c.names, ", ")
	c.names = nil
	return names
}

// value is a field of the last command of a name, as text; "" if it is not there.
func (c *commands) value(name string, path ...string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return text(c.last[name], path)
}

// statement is value for the first document, update or deletion of the command.
func (c *commands) statement(name string, path ...string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return text(c.docs[name], path)
}

func text(doc bson.Raw, path []string) string {
	v, err := doc.LookupErr(path...)
	if err != nil {
		return ""
	}
	if n, ok := v.AsInt64OK(); ok {
		return fmt.Sprint(n)
	}
	if s, ok := v.StringValueOK(); ok {
		return s
	}
	return v.String()
}

// file is what the server has: a description of some bytes, in one chunk.
type file struct{ length, chunkSize int }

// watched returns a bucket on a server that keeps what is sent. It says it is a
// mongos, to which everything is sent.
func watched(t *testing.T, options Options, f file) (*Bucket, *commands) {
	t.Helper()
	c := &commands{last: map[string]bson.Raw{}, docs: map[string]bson.Raw{}}
	greeting := scripted.Hello(bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30})
	server := scripted.Listen(t, scripted.Greet(greeting, func(p *scripted.Peer, r scripted.Request) bool {
		name := r.Name
		if collection, ok := r.Document.Index(0).Value().StringValueOK(); ok {
			name += " " + collection
		}
		c.mu.Lock()
		c.last[name] = r.Document
		if len(r.Sequences) > 0 {
			c.docs[name] = bson.Raw(r.Sequences[0].Documents)
		}
		if r.Name != "ping" && r.Name != "endSessions" {
			c.names = append(c.names, name)
		}
		c.mu.Unlock()
		return p.Answer(r, f.answer(name)) == nil
	}))
	client, err := mgx.Open(t.Context(), &mgx.Options{Hosts: []string{server.Address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	b, err := New(client.Database("d"), options)
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

func (f file) answer(name string) bson.D {
	batch := bson.A{}
	switch {
	case strings.HasPrefix(name, "find") && strings.HasSuffix(name, ".chunks"):
		batch = bson.A{bson.D{{Key: "files_id", Value: 1}, {Key: "n", Value: 0}, {Key: "data", Value: make([]byte, f.length)}}}
	case strings.HasPrefix(name, "find") && f.chunkSize > 0:
		batch = bson.A{bson.D{{Key: "_id", Value: 1}, {Key: "length", Value: f.length}, {Key: "chunkSize", Value: f.chunkSize}, {Key: "filename", Value: "f"}}}
	}
	return bson.D{
		{Key: "ok", Value: 1}, {Key: "n", Value: 1}, {Key: "nModified", Value: 1},
		{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "d.c"}, {Key: "firstBatch", Value: batch}}},
	}
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, not %q", what, got, want)
	}
}

// What a bucket is told of concerns and preferences is sent, but not with what has
// to come from the primary.
func TestBucketOptionsAreSent(t *testing.T) {
	ctx := t.Context()
	b, c := watched(t, Options{Name: "pics", ChunkSize: 7, Handle: []mgx.HandleOption{
		mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Secondary}), mgx.WithReadConcern("majority"), mgx.WithWriteConcern(mgx.Majority()),
	}}, file{})
	if _, err := b.Upload(ctx, "f", strings.NewReader("0123456789")); err != nil {
		t.Fatal(err)
	}
	expect(t, "upload", c.take(), "find pics.files, listIndexes pics.files, createIndexes pics.files, "+
		"listIndexes pics.chunks, createIndexes pics.chunks, insert pics.chunks, insert pics.files")
	expect(t, "the look whether it is empty", c.value("find pics.files", "$readPreference", "mode"), "")
	for _, name := range []string{"insert pics.files", "insert pics.chunks", "createIndexes pics.files", "createIndexes pics.chunks"} {
		expect(t, name, c.value(name, "writeConcern", "w"), "majority")
	}
	expect(t, "unique", c.value("createIndexes pics.chunks", "indexes", "0", "unique"), "true")
	expect(t, "chunk size", c.statement("insert pics.files", "chunkSize"), "7")
	expect(t, "length", c.statement("insert pics.files", "length"), "10")
	for _, field := range []string{"metadata", "md5", "contentType", "aliases"} {
		expect(t, field, c.statement("insert pics.files", field), "")
	}
	if _, err := b.Upload(ctx, "g", strings.NewReader("0123456789"), WithChunkSize(100), WithMetadata(bson.D{{Key: "a", Value: 1}}), WithID("x")); err != nil {
		t.Fatal(err)
	}
	expect(t, "the second upload", c.take(), "insert pics.chunks, insert pics.files")
	expect(t, "chunk size of the upload", c.statement("insert pics.files", "chunkSize"), "100")
	expect(t, "metadata", c.statement("insert pics.files", "metadata", "a"), "1")
	expect(t, "identifier", c.statement("insert pics.files", "_id"), "x")
	expect(t, "identifier in the chunk", c.statement("insert pics.chunks", "files_id"), "x")

	if err := b.Find(ctx, nil).All(new([]File)); err != nil {
		t.Fatal(err)
	}
	expect(t, "read preference", c.value("find pics.files", "$readPreference", "mode"), "secondary")
	expect(t, "read concern", c.value("find pics.files", "readConcern", "level"), "majority")
}

// Find takes all options of queries; the specification names these.
func TestFindOptionsAreSent(t *testing.T) {
	b, c := watched(t, Options{}, file{})
	cur := b.Find(t.Context(), bson.D{{Key: "metadata.a", Value: 1}}, mgx.AllowDiskUse(true), mgx.BatchSize(5), mgx.Limit(6),
		mgx.MaxTime(time.Minute), mgx.NoCursorTimeout(), mgx.Skip(7), mgx.Sort("-uploadDate"))
	if err := cur.All(new([]File)); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"allowDiskUse": "true", "batchSize": "5", "limit": "6", "maxTimeMS": "60000", "noCursorTimeout": "true", "skip": "7",
	} {
		expect(t, field, c.value("find fs.files", field), want)
	}
	expect(t, "sort", c.value("find fs.files", "sort", "uploadDate"), "-1")
	expect(t, "filter", c.value("find fs.files", "filter", "metadata.a"), "1")
}

// Every operation sends what the specification says, in that order, and nothing else.
func TestOperationsOnFiles(t *testing.T) {
	ctx := t.Context()
	discard := func(_ int64, err error) error { return err }
	for _, tt := range []struct {
		name string
		file file
		run  func(b *Bucket) error
		sent []string
	}{
		{"download", file{3, 10}, func(b *Bucket) error { return discard(b.Download(ctx, 1, io.Discard)) }, []string{"find fs.files", "find fs.chunks"}},
		{"download nothing", file{0, 10}, func(b *Bucket) error { return discard(b.Download(ctx, 1, io.Discard)) }, []string{"find fs.files"}},
		{"download by name", file{3, 10}, func(b *Bucket) error { return discard(b.DownloadByName(ctx, "f", -1, io.Discard)) }, []string{"find fs.files", "find fs.chunks"}},
		{"delete", file{3, 10}, func(b *Bucket) error { return b.Delete(ctx, 1) }, []string{"delete fs.files", "delete fs.chunks"}},
		{"delete by name", file{3, 10}, func(b *Bucket) error { return b.DeleteByName(ctx, "f") }, []string{"find fs.files", "delete fs.files", "delete fs.chunks"}},
		{"rename", file{3, 10}, func(b *Bucket) error { return b.Rename(ctx, 1, "g") }, []string{"update fs.files"}},
		{"rename by name", file{3, 10}, func(b *Bucket) error { return b.RenameByName(ctx, "f", "g") }, []string{"update fs.files"}},
		{"drop", file{3, 10}, func(b *Bucket) error { return b.Drop(ctx) }, []string{"drop fs.files", "drop fs.chunks"}},
	} {
		b, c := watched(t, Options{}, tt.file)
		if err := tt.run(b); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := c.take(); got != strings.Join(tt.sent, ", ") {
			t.Errorf("%s sends %s, not %v", tt.name, got, tt.sent)
		}
		switch {
		case slices.Contains(tt.sent, "update fs.files"):
			expect(t, tt.name, c.statement("update fs.files", "u", "$set", "filename"), "g")
		case tt.name == "download by name":
			expect(t, tt.name, c.value("find fs.files", "sort", "uploadDate"), "-1")
		}
	}
}
