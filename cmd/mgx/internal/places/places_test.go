package places

import (
	"math"
	"strings"
	"testing"
)

func TestAll(t *testing.T) {
	list, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 418 {
		t.Errorf("there are %d places", len(list))
	}
	seen := map[string]Place{}
	for _, p := range list {
		if _, twice := seen[p.ID]; twice {
			t.Errorf("%s is there twice", p.ID)
		}
		seen[p.ID] = p
		lon, lat := p.Location.Coordinates[0], p.Location.Coordinates[1]
		if math.Abs(lon) > 180 || math.Abs(lat) > 90 || lon == 0 && lat == 0 {
			t.Errorf("%s lies at %v", p.ID, p.Location.Coordinates)
		}
		if p.Name == "" || len(p.Country.Code) != 2 || p.Country.Name == "" || !strings.HasPrefix(p.ID, p.Region+"/") {
			t.Errorf("%+v lacks something", p)
		}
		if min(p.Clocks.January, p.Clocks.July) < -12*60 || max(p.Clocks.January, p.Clocks.July) > 14*60 {
			t.Errorf("%s: clocks %+v", p.ID, p.Clocks)
		}
	}
	kolkata := seen["Asia/Kolkata"]
	if kolkata.Country.Name != "India" || kolkata.Clocks != (Clocks{330, 330}) || kolkata.Location.Coordinates != [2]float64{88.3667, 22.5333} {
		t.Errorf("Kolkata is %+v", kolkata)
	}
	if c := seen["Australia/Lord_Howe"].Clocks; c != (Clocks{660, 630}) {
		t.Errorf("Lord Howe's clocks are %+v", c)
	}
}
