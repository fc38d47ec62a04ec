package top

import (
	"testing"

	"github.com/mgxdb/mgx/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
