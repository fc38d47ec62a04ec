package mgx

import "testing"

func TestCopyStageString(t *testing.T) {
	for s, want := range map[CopyStage]string{CopyDocuments: "documents", CopyIndexes: "indexes", 9: "CopyStage(9)"} {
		if got := s.String(); got != want {
			t.Errorf("%d: %s", uint8(s), got)
		}
	}
}
