package classic

import (
	"strconv"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/mgxtest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// replicaSetName returns the set's name from its connection string.
func replicaSetName(t *testing.T, dep *mgxtest.Deployment) string {
	t.Helper()
	_, name, ok := strings.Cut(dep.URI(), "replicaSet=")
	if !ok {
		t.Fatalf("%s has no replicaSet", dep.URI())
	}
	name, _, _ = strings.Cut(name, "&")
	return name
}
