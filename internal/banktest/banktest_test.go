package banktest

import (
	"slices"
	"testing"
)

// Books that do not agree are found.
func TestAudit(t *testing.T) {
	var b Book
	b.Done("transfer 0-0")
	b.GivenUp()
	if done, given := b.Counts(); done != 1 || given != 1 {
		t.Errorf("%d done, %d given up", done, given)
	}
	balances := func() map[int]int64 {
		m := map[int]int64{}
		for i := range Accounts {
			m[i] = Opening
		}
		m[1], m[2] = Opening-5, Opening+5
		return m
	}
	ledger := []Entry{{"transfer 0-0", 1, 2, 5}, {ID: "note 0-1"}}
	if wrong := b.Audit(ledger, balances()); wrong != nil {
		t.Errorf("wrong: %v", wrong)
	}
	short := balances()
	short[3]--
	for text, wrong := range map[string][]string{
		"transfer 0-0 was acknowledged and is gone":               b.Audit(nil, balances()),
		"transfer 0-0 is in the ledger twice":                     b.Audit(append(ledger, ledger[0]), balances()),
		"account 3 has 999, by the ledger 1000":                   b.Audit(ledger, short),
		"all accounts have 23999":                                 b.Audit(ledger, short),
		"note 0-1 was not seen":                                   Once([]string{"transfer 0-0"}, ledger),
		"transfer 0-0 was seen twice":                             Once([]string{"transfer 0-0", "transfer 0-0", "note 0-1"}, ledger),
		"transfer 0-9 was seen, and is not in the ledger":         Once([]string{"transfer 0-0", "note 0-1", "transfer 0-9"}, ledger),
		"transfer 0-0 was seen after number 1 of the same writer": Once([]string{"note 0-1", "transfer 0-0"}, ledger),
	} {
		if !slices.Contains(wrong, text) {
			t.Errorf("%s: %v", text, wrong)
		}
	}
	if wrong := Once([]string{"transfer 0-0", "note 0-1"}, ledger); wrong != nil {
		t.Errorf("wrong: %v", wrong)
	}
}
