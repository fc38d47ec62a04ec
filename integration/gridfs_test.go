package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/gridfs"
	"github.com/mgxdb/mgx/mgxtest"
)

func gridfsBucket(t *testing.T, options gridfs.Options) (*mgx.Database, *gridfs.Bucket) {
	t.Helper()
	db := database(t)
	return db, must[*gridfs.Bucket](t)(gridfs.New(db, options))
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func TestGridFS(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{ChunkSize: 1000})
	ctx := t.Context()
	for _, size := range []int{0, 1, 999, 1000, 1001, 5000, 12_345} {
		data := noise(size)
		id, err := b.Upload(ctx, "f", iotest.HalfReader(bytes.NewReader(data)), gridfs.WithMetadata(bson.D{{Key: "size", Value: size}}))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		n, err := b.Download(ctx, id, &out)
		if err != nil || n != int64(size) || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%d bytes: got %d, %v", size, n, err)
		}
		chunks, err := b.Chunks().CountDocuments(ctx, bson.D{{Key: "files_id", Value: id}})
		if want := int64(size+999) / 1000; err != nil || chunks != want {
			t.Errorf("%d bytes: %d chunks, want %d (%v)", size, chunks, want, err)
		}
		down, err := b.OpenDownload(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(down, data); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if v, _ := down.File().Metadata.Lookup("size").AsInt64OK(); v != int64(size) {
			t.Errorf("metadata %v", down.File().Metadata)
		}
		if err := down.Close(); err != nil {
			t.Error(err)
		}
		if _, err := down.Read(make([]byte, 1)); !errors.Is(err, gridfs.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
		if err := b.Delete(ctx, id); err != nil {
			t.Error(err)
		}
		if err := b.Delete(ctx, id); !errors.Is(err, gridfs.ErrFileNotFound) {
			t.Errorf("second delete: %v", err)
		}
	}
	if n, err := b.Chunks().CountDocuments(ctx, nil); n != 0 || err != nil {
		t.Errorf("%d chunks are left (%v)", n, err)
	}
}

func TestGridFSLargeUpload(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	data := noise(20<<20 + 17) // several batches of chunks
	id, err := b.Upload(t.Context(), "large", bytes.NewReader(data), gridfs.WithID("mine"))
	if err != nil || id != "mine" {
		t.Fatal(id, err)
	}
	var out bytes.Buffer
	if _, err := b.Download(t.Context(), id, &out); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("%d bytes came back (%v)", out.Len(), err)
	}
}

// However a file's bytes come, and whatever buffers they go through, they are stored
// as they are. Two uploads at a time share the pool of buffers.
func TestGridFSUploadPieces(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	ctx := t.Context()
	data := noise(5<<20 + 3)
	for _, test := range []struct {
		size, chunkSize, piece int
	}{
		{4<<10 + 1, 0, 1000}, {256 << 10, 0, 1 << 15}, {256<<10 + 1, 0, 256 << 10}, {4 << 20, 0, 300_000},
		{4<<20 + 1, 0, 4<<20 + 1}, {len(data), 0, 1 << 20}, {len(data), 5 << 20, 3 << 20}, {len(data), 3_000_000, len(data)},
	} {
		want := data[len(data)-test.size:]
		var options []gridfs.UploadOption
		if test.chunkSize > 0 {
			options = append(options, gridfs.WithChunkSize(test.chunkSize))
		}
		written, err := b.OpenUpload(ctx, "written", options...)
		if err != nil {
			t.Fatal(err)
		}
		read, err := b.OpenUpload(ctx, "read", options...)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(want); at += test.piece {
			piece := bytes.Clone(want[at:min(at+test.piece, len(want))])
			if n, err := written.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
			if n, err := read.ReadFrom(iotest.HalfReader(bytes.NewReader(piece))); n != int64(len(piece)) || err != nil {
				t.Fatal(n, err)
			}
			clear(piece)
		}
		for _, up := range []*gridfs.UploadStream{written, read} {
			if err := up.Close(); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if _, err := b.Download(ctx, up.ID(), &out); err != nil || !bytes.Equal(out.Bytes(), want) {
				t.Errorf("%+v: %d bytes came back (%v)", test, out.Len(), err)
			}
		}
	}
}

// A reader's error ends the copying, not the upload.
func TestGridFSReadFromFailingReader(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	up, err := b.OpenUpload(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if n, err := up.ReadFrom(io.MultiReader(bytes.NewReader(noise(100)), iotest.ErrReader(broken))); n != 100 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := up.ReadFrom(stuck{}); n != 0 || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%d, %v", n, err)
	}
	if err := up.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := up.ReadFrom(bytes.NewReader(nil)); !errors.Is(err, gridfs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
}

// stuck is a reader that never comes to an end.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestGridFSRevisions(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	ctx := t.Context()
	for _, s := range []string{"a", "b", "c"} {
		id, err := b.Upload(ctx, "name", bytes.NewReader([]byte(s)))
		if err != nil {
			t.Fatal(err)
		}
		// Upload dates have milliseconds: make them differ for sure.
		if _, err := b.Files().UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: bson.D{{Key: "uploadDate", Value: bson.DateTime(s[0])}}}}); err != nil {
			t.Fatal(err)
		}
	}
	for revision, want := range map[int]string{0: "a", 1: "b", 2: "c", -1: "c", -2: "b", -3: "a"} {
		var out bytes.Buffer
		if _, err := b.DownloadByName(ctx, "name", revision, &out); err != nil || out.String() != want {
			t.Errorf("revision %d: %q, %v", revision, out.String(), err)
		}
	}
	for _, revision := range []int{3, -4} {
		if _, err := b.DownloadByName(ctx, "name", revision, io.Discard); !errors.Is(err, gridfs.ErrFileNotFound) {
			t.Errorf("revision %d: %v", revision, err)
		}
	}
	if err := b.RenameByName(ctx, "name", "other"); err != nil {
		t.Error(err)
	}
	if err := b.RenameByName(ctx, "name", "other"); !errors.Is(err, gridfs.ErrFileNotFound) {
		t.Error(err)
	}
	if err := b.DeleteByName(ctx, "other"); err != nil {
		t.Error(err)
	}
	if err := b.DeleteByName(ctx, "other"); !errors.Is(err, gridfs.ErrFileNotFound) {
		t.Error(err)
	}
}

func TestGridFSAbort(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{ChunkSize: 100_000})
	ctx, cancel := context.WithCancel(t.Context())
	up, err := b.OpenUpload(ctx, "f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.Write(noise(9 << 20)); err != nil {
		t.Fatal(err)
	}
	if n, _ := b.Chunks().CountDocuments(t.Context(), nil); n == 0 {
		t.Error("nothing was sent before the end")
	}
	cancel()
	if err := up.Abort(); err != nil {
		t.Error(err)
	}
	if n, err := b.Chunks().CountDocuments(t.Context(), nil); n != 0 || err != nil {
		t.Errorf("%d chunks are left (%v)", n, err)
	}
	if _, err := up.Write([]byte{1}); !errors.Is(err, gridfs.ErrClosed) {
		t.Error(err)
	}
	// A reader that fails leaves nothing either.
	why := errors.New("disk full")
	if _, err := b.Upload(t.Context(), "f", iotest.ErrReader(why)); !errors.Is(err, why) {
		t.Error(err)
	}
	if n, _ := b.Files().CountDocuments(t.Context(), nil); n != 0 {
		t.Errorf("%d files", n)
	}
}

// Whatever happens to an upload under an identifier that a file has already, or that
// another upload uses, that one's chunks are left alone.
func TestGridFSAbortLeavesOthersAlone(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	ctx := t.Context()
	data := noise(5 << 20)
	if _, err := b.Upload(ctx, "f", bytes.NewReader(data), gridfs.WithID("mine")); err != nil {
		t.Fatal(err)
	}
	why := errors.New("disk full")
	for name, r := range map[string]io.Reader{
		"failing at once":  iotest.ErrReader(why),
		"failing later":    io.MultiReader(bytes.NewReader(data), iotest.ErrReader(why)),
		"small":            bytes.NewReader(data[:10]),
		"as large":         bytes.NewReader(data),
		"empty":            bytes.NewReader(nil),
		"larger than that": bytes.NewReader(noise(9 << 20)),
	} {
		if _, err := b.Upload(ctx, "f", r, gridfs.WithID("mine")); err == nil {
			t.Errorf("%s: a second file with the same _id", name)
		}
		var out bytes.Buffer
		if _, err := b.Download(ctx, "mine", &out); err != nil || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%s: of the first file %d bytes are left (%v)", name, out.Len(), err)
		}
	}

	first, err := b.OpenUpload(ctx, "g", gridfs.WithID("other"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Upload(ctx, "g", bytes.NewReader(data), gridfs.WithID("other")); !errors.Is(err, mgx.ErrDuplicateKey) {
		t.Errorf("two uploads at a time: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := b.Download(ctx, "other", &out); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("of the one that was first %d bytes are left (%v)", out.Len(), err)
	}
}

// The deprecated fields are there for programs that read them.
func TestGridFSContentTypeAndAliases(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	id, err := b.Upload(t.Context(), "f", strings.NewReader("x"), gridfs.WithContentType("text/plain"), gridfs.WithAliases("g", "h"))
	if err != nil {
		t.Fatal(err)
	}
	down, err := b.OpenDownload(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	if f := down.File(); f.ContentType != "text/plain" || !slices.Equal(f.Aliases, []string{"g", "h"}) {
		t.Errorf("%+v", f)
	}
}

// An upload that fails at its end, under an identifier that nobody gets to know,
// leaves no chunks.
func TestGridFSUploadFailsAtItsEnd(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	ctx := t.Context()
	if _, err := b.Upload(ctx, "f", bytes.NewReader(noise(5<<20)), gridfs.WithMetadata(make(chan int))); err == nil {
		t.Error("a channel as metadata")
	}
	if n, err := b.Chunks().CountDocuments(ctx, nil); n != 0 || err != nil {
		t.Errorf("%d chunks are left (%v)", n, err)
	}
}

func TestGridFSCorrupt(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{ChunkSize: 10})
	ctx := t.Context()
	chunk := func(id any, n int) bson.D { return bson.D{{Key: "files_id", Value: id}, {Key: "n", Value: n}} }
	for name, damage := range map[string]func(id any) error{
		"chunk missing": func(id any) error { _, err := b.Chunks().DeleteOne(ctx, chunk(id, 1)); return err },
		"last missing":  func(id any) error { _, err := b.Chunks().DeleteOne(ctx, chunk(id, 2)); return err },
		"too short": func(id any) error {
			_, err := b.Chunks().UpdateOne(ctx, chunk(id, 1), bson.D{{Key: "$set", Value: bson.D{{Key: "data", Value: []byte("x")}}}})
			return err
		},
		"one too many": func(id any) error {
			_, err := b.Chunks().InsertOne(ctx, append(chunk(id, 3), bson.E{Key: "data", Value: []byte("x")}))
			return err
		},
	} {
		id, err := b.Upload(ctx, name, bytes.NewReader(noise(25)))
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(id); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Download(ctx, id, io.Discard); !errors.Is(err, gridfs.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGridFSFileSystem(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	ctx := t.Context()
	for _, name := range []string{"a.txt", "dir/b.txt", "dir/sub/c.txt", "/not/a/path", "dir0"} {
		if _, err := b.Upload(ctx, name, bytes.NewReader([]byte("contents of "+name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := fstest.TestFS(b.FS(ctx), "a.txt", "dir/b.txt", "dir/sub/c.txt", "dir0"); err != nil {
		t.Error(err)
	}
}

func TestGridFSIndexes(t *testing.T) {
	db, b := gridfsBucket(t, gridfs.Options{Name: "photos"})
	ctx := t.Context()
	for range 2 {
		if _, err := b.Upload(ctx, "x", bytes.NewReader(noise(10))); err != nil {
			t.Fatal(err)
		}
	}
	for coll, want := range map[string]string{"photos.files": "filename_1_uploadDate_1", "photos.chunks": "files_id_1_n_1"} {
		list, err := mgx.Collect[struct{ Name string }](db.Collection(coll).ListIndexes(ctx))
		if err != nil || len(list) != 2 || list[1].Name != want {
			t.Errorf("%s: %v %v", coll, list, err)
		}
	}
	if err := b.Drop(ctx); err != nil {
		t.Error(err)
	}
	if _, err := gridfs.New(db, gridfs.Options{ChunkSize: -1}); err == nil {
		t.Error("a negative chunk size")
	}
}

// An identifier is a value, whatever it looks like: no condition that matches other
// files.
func TestGridFSIdentifiersAreNoConditions(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	ctx := t.Context()
	ids := []any{"text", bson.D{{Key: "a", Value: int32(1)}}}
	for _, id := range ids {
		if _, err := b.Upload(ctx, "f", bytes.NewReader(noise(10)), gridfs.WithID(id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, condition := range []any{
		bson.D{{Key: "$exists", Value: true}}, bson.M{"$ne": 1}, bson.Regex{Pattern: "."}, bson.RawValue{Type: bson.TypeRegex, Value: []byte(".\x00\x00")},
	} {
		_, err := b.Download(ctx, condition, io.Discard)
		for _, err := range []error{err, b.Delete(ctx, condition), b.Rename(ctx, condition, "g")} {
			if !errors.Is(err, gridfs.ErrFileNotFound) {
				t.Errorf("%v: %v", condition, err)
			}
		}
		up, err := b.OpenUpload(ctx, "f", gridfs.WithID(condition))
		if err != nil {
			t.Fatal(err)
		}
		if err := up.Abort(); err != nil {
			t.Errorf("%v: %v", condition, err)
		}
	}
	for _, id := range ids {
		var out bytes.Buffer
		if _, err := b.Download(ctx, id, &out); err != nil || out.Len() != 10 {
			t.Errorf("%v: %d bytes: %v", id, out.Len(), err)
		}
		if err := errors.Join(b.Rename(ctx, id, "g"), b.Delete(ctx, id)); err != nil {
			t.Errorf("%v: %v", id, err)
		}
	}
	if n, err := b.Chunks().CountDocuments(ctx, nil); err != nil || n != 0 {
		t.Errorf("%d chunks are left: %v", n, err)
	}
}

// A revision that is not there is told from a name that is not.
func TestGridFSMissingRevisions(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	if _, err := b.Upload(t.Context(), "f", bytes.NewReader(noise(10))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		revision int
		says     string
	}{
		{"f", 1, `"f" has no revision 1`}, {"f", -2, `"f" has no revision -2`}, {"f", math.MinInt, "has no revision"},
		{"g", 0, `none named "g"`}, {"g", 3, `none named "g"`}, {"g", -1, `none named "g"`},
	} {
		_, err := b.DownloadByName(t.Context(), tt.name, tt.revision, io.Discard)
		if !errors.Is(err, gridfs.ErrFileNotFound) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s, revision %d: %v", tt.name, tt.revision, err)
		}
	}
}

// Files of other drivers may have their numbers in other types.
func TestGridFSNumbersOfAnyType(t *testing.T) {
	_, b := gridfsBucket(t, gridfs.Options{})
	ctx := t.Context()
	insert(t, b.Files(), bson.D{{"_id", 1}, {"length", 6.0}, {"chunkSize", int64(4)}, {"uploadDate", bson.DateTime(1)}, {"filename", "f"}, {"md5", "old"}})
	insert(t, b.Chunks(),
		bson.D{{"_id", 1}, {"files_id", 1}, {"n", 0.0}, {"data", []byte("abcd")}},
		bson.D{{"_id", 2}, {"files_id", 1}, {"n", int64(1)}, {"data", []byte("ef")}})
	var out bytes.Buffer
	if _, err := b.DownloadByName(ctx, "f", -1, &out); err != nil || out.String() != "abcdef" {
		t.Errorf("%q: %v", out.String(), err)
	}
}

// Names that are not UTF-8 are names like others: they are found by their own bytes
// alone, and are only hidden where a file system cannot have them.
func TestGridFSNamesOfAnyBytes(t *testing.T) {
	dep := mgxtest.Standalone(t) // which stores text as it comes, as servers do
	b := must[*gridfs.Bucket](t)(gridfs.New(connectTo(t, dep.URI()).Database("files"), gridfs.Options{}))
	ctx := t.Context()
	names := []string{"tea.txt", "tea\xff.txt", "tea\xfe.txt", "tea\ufffd.txt", "dir/\xc3(", "dir/a", "\xed\xa0\x80", ""}
	for _, name := range names {
		if _, err := b.Upload(ctx, name, strings.NewReader("of "+name)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	for _, name := range names {
		var out bytes.Buffer
		if _, err := b.DownloadByName(ctx, name, -1, &out); err != nil || out.String() != "of "+name {
			t.Errorf("%q: %q, %v", name, out.String(), err)
		}
		down := must[*gridfs.DownloadStream](t)(b.OpenDownloadByName(ctx, name, 0))
		if got := down.File().Filename; got != name {
			t.Errorf("%q is called %q", name, got)
		}
		check := errors.Join(down.Close(), b.RenameByName(ctx, name, name+"\x80"), b.RenameByName(ctx, name+"\x80", name))
		if check != nil {
			t.Errorf("%q: %v", name, check)
		}
	}
	if err := fstest.TestFS(b.FS(ctx), "tea.txt", "tea\ufffd.txt", "dir/a"); err != nil {
		t.Error(err)
	}
	entries, err := fs.ReadDir(b.FS(ctx), ".")
	if err != nil || len(entries) != 3 { // dir, and the two that are UTF-8
		t.Errorf("%v, %v", entries, err)
	}
	for _, name := range names {
		if err := b.DeleteByName(ctx, name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if n, err := b.Files().CountDocuments(ctx, nil); n != 0 || err != nil {
		t.Errorf("%d files are left: %v", n, err)
	}
}
