package scramtest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/scramtest"
)

func TestRefuses(t *testing.T) {
	server, err := scramtest.New(sha256.New, "us=er", "pencil", "salt", 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, messages := range map[string][]string{
		"channel binding": {"y,,n=us=3Der,r=abc"},
		"another user":    {"n,,n=user,r=abc"},
		"no nonce":        {"n,,n=us=3Der,r="},
		"no proof":        {"n,,n=us=3Der,r=abc", "c=biws,r=abc"},
		"another nonce":   {"n,,n=us=3Der,r=abc", "c=biws,r=abd,p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))},
	} {
		c := server.Begin()
		var err error
		for _, m := range messages {
			_, err = c.Step(m)
		}
		if err == nil || !c.Done() {
			t.Errorf("%s: error %v, done %v", name, err, c.Done())
		}
	}
	c := server.Begin()
	first, err := c.Step("n,,n=us=3Der,r=abc")
	if err != nil {
		t.Fatal(err)
	}
	nonce, _, _ := strings.Cut(first, ",")
	if _, err := c.Step("c=biws," + nonce + ",p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))); err == nil {
		t.Error("a wrong proof passes")
	}
	if _, err := c.Step("again"); err == nil {
		t.Error("the conversation goes on after its end")
	}
}
