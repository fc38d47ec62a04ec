package mgx

import (
	"testing"

	"github.com/mgxdb/mgx/internal/scripted"
)

func TestCopyStageString(t *testing.T) {
	for s, want := range map[CopyStage]string{CopyDocuments: "documents", CopyIndexes: "indexes", 9: "CopyStage(9)"} {
		if got := s.String(); got != want {
			t.Errorf("%d: %s", uint8(s), got)
		}
	}
}

// A copy within the deployment, by another user, has the client's options as they were
// given: none is taken for a default.
func TestCopySourceHasTheClientsOptions(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	c := openClient(t, s, func(o *Options) { o.ConnectTimeout, o.LocalThreshold, o.MaxPoolSize = -1, -1, new(0) })
	source, err := c.sourceOptions(&CopyOptions{Username: "ann", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	ready, err := source.prepare()
	if err != nil || ready.ConnectTimeout != 0 || ready.LocalThreshold != 0 || *ready.MaxPoolSize != 0 || ready.Credential.Source != "admin" {
		t.Errorf("%v, %v", ready.Options, err)
	}
}
