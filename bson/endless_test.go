package bson_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// endlessDocument has a binary whose length leads back to where its element begins.
var endlessDocument = []byte("\x12\x00\x00\x00\x05a\x00\xf8\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00")

// TestEndlessDocument pins that a struct without a field for a damaged value does not hang. The official package, which
// does, is tried in another process.
func TestEndlessDocument(t *testing.T) {
	const child = "MGX_ENDLESS_CHILD"
	if os.Getenv(child) != "" {
		_ = official.Unmarshal(endlessDocument, new(struct{ B int }))
		return
	}
	for _, target := range []any{new(struct{ B int }), new(struct{}), new(bson.D), new(any)} {
		if err := bson.Unmarshal(endlessDocument, target); !errors.Is(err, bson.ErrInvalid) {
			t.Errorf("into %T: error is %v", target, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestEndlessDocument$")
	cmd.Env = append(os.Environ(), child+"=1", "GOMEMLIMIT=100MiB")
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("the official package returns by now: take the row out of docs/bson.md\n%s", out)
	}
}
