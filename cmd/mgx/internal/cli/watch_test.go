package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/mgxtest"
)

// watching runs watch until it has printed its events.
func watching(t *testing.T, args ...string) <-chan outcome {
	t.Helper()
	ended := make(chan outcome, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	go func() {
		defer cancel()
		ended <- toolIn(t, ctx, strings.NewReader(""), append([]string{"watch"}, args...)...)
	}()
	return ended
}

// What happens between two watches with one file is printed by the second.
func TestWatch(t *testing.T) {
	uri := mgxtest.ReplicaSet(t, 1).URI()
	tool(t, `{"_id":0}`, "insert", uri, "shop.orders").want(t, exitOK, "1 document", "")
	file := filepath.Join(t.TempDir(), "token")
	first := watching(t, uri, "shop.orders", "--resume-file", file, "--limit", "1")
	for i := 1; ; i++ { // until the stream is open
		tool(t, `{"n":1}`, "insert", uri, "shop.orders").want(t, exitOK, "1 document", "")
		select {
		case o := <-first:
			o.want(t, exitOK, `"operationType":"insert"`, "")
			if strings.Count(o.out, "\n") != 1 || !strings.Contains(o.out, `"ns":{"db":"shop","coll":"orders"}`) {
				t.Errorf("printed %s", o.out)
			}
		case <-time.After(50 * time.Millisecond):
			continue
		}
		break
	}
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		t.Fatalf("the file: %v", err)
	}
	tool(t, `{"_id":"later"}`, "insert", uri, "shop.orders").want(t, exitOK, "1 document", "")
	o := <-watching(t, uri, "shop", `[{"$match":{"fullDocument._id":"later"}}]`, "--resume-file", file, "--limit", "1")
	o.want(t, exitOK, `"fullDocument":{"_id":"later"}`, "")
}

func TestWatchRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	uri := mgxtest.Standalone(t).URI()
	tool(t, "", "watch", uri, "shop.orders", "--resume-file", file).want(t, exitFailure, "", "holds no resume token")
	tool(t, "", "watch", uri, "shop.orders", "[", "--limit", "1").want(t, exitUsage, "", "the pipeline")
	tool(t, "", "watch", uri, "shop.orders", "--limit", "-1").want(t, exitUsage, "", "negative")
	tool(t, "", "watch", uri, "shop.orders").want(t, exitFailure, "", "replica set")
}

// A place is kept whole, and none is written where there is no token.
func TestTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if token, err := readToken(file); token != nil || err != nil {
		t.Errorf("a file that is not there: %v, %v", token, err)
	}
	if err := writeToken(file, nil); err != nil {
		t.Error(err)
	}
	token := readTokenText(t, `{"_data":"82"}`)
	for range 2 {
		if err := writeToken(file, token); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := readToken(file); err != nil || string(got) != string(token) {
		t.Errorf("%v, %v", got, err)
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func readTokenText(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := parseDocument("the token", text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
