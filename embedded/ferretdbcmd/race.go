//go:build race

package ferretdbcmd

const raceEnabled = true
