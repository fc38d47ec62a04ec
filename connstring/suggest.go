package connstring

// suggestion returns the option that a name which no option has was likely meant
// to be, "" if none is near enough.
func suggestion(name string) string {
	name = lower(name)
	best, distance := "", len(name)/4+1
	for i := range table {
		if d := editDistance(name, lower(table[i].Name), distance); d < distance {
			best, distance = table[i].Name, d
		}
	}
	return best
}

// editDistance is how many bytes to insert, remove or replace make b of a; at
// least limit where it is not less.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
