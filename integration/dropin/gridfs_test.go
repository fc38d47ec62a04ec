package dropin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// TestGridFSAlike has both drivers do the same with files, each in a database of its own.
func TestGridFSAlike(t *testing.T) {
	theirs, ours := drivers(t, server.URI(), nil)
	ctx := t.Context()
	_, _ = theirs.Database("gtheirs"), theirs.Database("gtheirs").Drop(ctx)
	_ = ours.Database("gours").Drop(ctx)
	bucket := options.GridFSBucket().SetName("b").SetChunkSizeBytes(1000)
	a, b := theirs.Database("gtheirs").GridFSBucket(bucket), ours.Database("gours").GridFSBucket(bucket)
	data := bytes.Repeat([]byte("0123456789"), 350)
	upload := options.GridFSUpload().SetChunkSizeBytes(700).SetMetadata(bson.D{{"owner", "ann"}})
	for i, c := range []struct {
		method string
		args   func() []any
	}{
		{"UploadFromStreamWithID", func() []any { return []any{1, "f", bytes.NewReader(data), upload} }},
		{"UploadFromStreamWithID", func() []any { return []any{2, "f", bytes.NewReader(data[:10])} }},
		{"UploadFromStreamWithID", func() []any { return []any{3, "empty", strings.NewReader("")} }},
		{"UploadFromStreamWithID", func() []any { return []any{4, "broken", iotest.ErrReader(errors.New("no"))} }},
		{"DownloadToStream", func() []any { return []any{1, &bytes.Buffer{}} }},
		{"DownloadToStream", func() []any { return []any{3, &bytes.Buffer{}} }},
		{"DownloadToStream", func() []any { return []any{99, &bytes.Buffer{}} }},
		{"DownloadToStreamByName", func() []any { return []any{"f", &bytes.Buffer{}} }},
		{"DownloadToStreamByName", func() []any { return []any{"f", &bytes.Buffer{}, options.GridFSName().SetRevision(0)} }},
		{"DownloadToStreamByName", func() []any { return []any{"f", &bytes.Buffer{}, options.GridFSName().SetRevision(5)} }},
		{"DownloadToStreamByName", func() []any { return []any{"none", &bytes.Buffer{}} }},
		{"Rename", func() []any { return []any{1, "g"} }},
		{"Rename", func() []any { return []any{99, "g"} }},
		{"Delete", func() []any { return []any{2} }},
		{"Delete", func() []any { return []any{2} }},
	} {
		x, y := append([]any{ctx}, c.args()...), append([]any{ctx}, c.args()...)
		want, got := outcome(ctx, invoke(a, c.method, x...)), outcome(ctx, invoke(b, c.method, y...))
		if got != want {
			t.Errorf("step %d, %s: ours %s, theirs %s", i, c.method, got, want)
		}
		for k := range x {
			if w, ok := x[k].(*bytes.Buffer); ok && !bytes.Equal(w.Bytes(), y[k].(*bytes.Buffer).Bytes()) {
				t.Errorf("step %d, %s: not the same bytes", i, c.method)
			}
		}
	}
	var files [2][]mongo.GridFSFile
	for i, on := range []any{a, b} {
		r := invoke(on, "Find", ctx, bson.D{}, options.GridFSFind().SetSort(bson.D{{"_id", 1}}))
		invoke(r[0], "All", ctx, &files[i])
		for k := range files[i] {
			files[i][k].UploadDate = files[i][k].UploadDate.Truncate(1 << 62)
		}
	}
	if !reflect.DeepEqual(files[0], files[1]) || len(files[0]) == 0 {
		t.Errorf("ours %+v, theirs %+v", files[1], files[0])
	}
	for _, on := range []any{a, b} {
		opened := invoke(on, "OpenDownloadStream", ctx, 1)
		stream := opened[0].(interface {
			io.ReadCloser
			Skip(int64) (int64, error)
			GetFile() *mongo.GridFSFile
		})
		skipped, err := stream.Skip(3400)
		rest, readErr := io.ReadAll(stream)
		over, overErr := stream.Skip(10)
		text := fmt.Sprint(skipped, err, len(rest), readErr, over, overErr, stream.GetFile().Name, stream.Close(), stream.Close())
		if want := fmt.Sprint(3400, nil, 100, nil, 0, nil, "g", nil, mongo.ErrStreamClosed); text != want {
			t.Errorf("%T: %s, want %s", on, text, want)
		}
		up := invoke(on, "OpenUploadStream", ctx, "new")[0].(io.WriteCloser)
		_, writeErr := up.Write(data)
		abortErr, _ := invoke(up, "Abort")[0].(error)
		if text := fmt.Sprint(writeErr, abortErr, up.Close()); text != fmt.Sprint(nil, nil, mongo.ErrStreamClosed) {
			t.Errorf("%T: %s", on, text)
		}
	}
	chunks := ours.Database("gours").Collection("b.chunks")
	if n, err := chunks.CountDocuments(ctx, bson.D{}); err != nil || n != 5 {
		t.Error(n, err)
	}
	if _, err := chunks.DeleteOne(ctx, bson.D{{"files_id", 1}, {"n", 2}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.DownloadToStream(ctx, 1, io.Discard); !errors.Is(err, mongo.ErrMissingChunk) {
		t.Errorf("a missing chunk is %v", err)
	}
	if _, err := chunks.UpdateOne(ctx, bson.D{{"files_id", 1}, {"n", 0}}, bson.D{{"$set", bson.D{{"data", []byte("x")}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.DownloadToStream(ctx, 1, io.Discard); !errors.Is(err, mongo.ErrWrongSize) {
		t.Errorf("a chunk of another size is %v", err)
	}
}

// TestBucketOptions looks for the concerns of a bucket in the commands.
func TestBucketOptions(t *testing.T) {
	theirs, ours, sent := recorded(t, replicaSet(t), nil)
	values := map[string]any{
		"Name": pointer("n"), "ChunkSizeBytes": pointer(int32(5)), "WriteConcern": &writeconcern.WriteConcern{W: 1, Journal: pointer(true)},
		"ReadConcern": readconcern.Majority(), "ReadPreference": readpref.SecondaryPreferred(),
	}
	eachField(t, values, func(name string, l *lister[options.BucketOptions]) {
		ctx := t.Context()
		use := func(b any) {
			_ = invoke(b, "UploadFromStreamWithID", ctx, 1, "f", strings.NewReader("1234567890"))
			_ = invoke(b, "DownloadToStream", ctx, 1, io.Discard)
			_ = invoke(b, "Delete", ctx, 1)
		}
		use(theirs.Database("d").GridFSBucket())
		plain := sent["theirs"].take()
		use(ours.Database("d").GridFSBucket())
		sent["ours"].take()
		use(ours.Database("d").GridFSBucket(l))
		got := sent["ours"].take()
		use(theirs.Database("d").GridFSBucket(l))
		want := sent["theirs"].take()
		if plain == want {
			t.Fatalf("%s changes nothing for the official driver", name)
		}
		for _, field := range []string{`n.files`, "j: true", `level: "majority"`, "secondaryPreferred", "chunkSize: 5"} {
			if strings.Contains(got, field) != strings.Contains(want, field) {
				t.Errorf("%s: %s is in one alone:\n ours   %s\n theirs %s", name, field, got, want)
			}
		}
	})
}
