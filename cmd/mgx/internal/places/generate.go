//go:build ignore

// This program writes places.jsonl from the time zone database of the machine it
// runs on, whose tables are in the public domain.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"
)

const zoneinfo = "/usr/share/zoneinfo/"

type place struct {
	ID       string  `json:"_id"`
	Name     string  `json:"name"`
	Region   string  `json:"region"`
	Country  country `json:"country"`
	Location point   `json:"location"`
	Offsets  offsets `json:"utcMinutes"`
	Note     string  `json:"note,omitempty"`
}

type country struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

type point struct {
	Type        string     `json:"type"`
	Coordinates [2]float64 `json:"coordinates"`
}

// offsets are the minutes that clocks are ahead of UTC.
type offsets struct {
	January int `json:"january"`
	July    int `json:"july"`
}

func main() {
	countries := map[string]string{}
	for _, f := range table("iso3166.tab") {
		countries[f[0]] = f[1]
	}
	var out bytes.Buffer
	for _, f := range table("zone.tab") {
		p := place{ID: f[2], Country: country{f[0], countries[f[0]]}}
		path := strings.Split(f[2], "/")
		p.Region = path[0]
		p.Name = strings.ReplaceAll(path[len(path)-1], "_", " ")
		p.Location = point{"Point", coordinates(f[1])}
		p.Offsets = clocks(f[2])
		if len(f) > 3 {
			p.Note = f[3]
		}
		b, err := json.Marshal(p)
		check(err)
		fmt.Fprintf(&out, "%s\n", b)
	}
	check(os.WriteFile("places.jsonl", out.Bytes(), 0o644))
}

// table reads a file of fields separated by tabs, without its comments.
func table(name string) (rows [][]string) {
	b, err := os.ReadFile(zoneinfo + name)
	check(err)
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if line := s.Text(); line != "" && line[0] != '#' {
			rows = append(rows, strings.Split(line, "\t"))
		}
	}
	return rows
}

// coordinates reads ISO 6709: ±DDMM±DDDMM or ±DDMMSS±DDDMMSS, latitude first.
// GeoJSON has the longitude first.
func coordinates(s string) [2]float64 {
	i := strings.LastIndexAny(s, "+-")
	return [2]float64{degrees(s[i:], 3), degrees(s[:i], 2)}
}

func degrees(s string, digits int) float64 {
	sign, s := 1.0, s
	if s[0] == '-' {
		sign = -1
	}
	s = s[1:] + "00" // seconds may be missing
	part := func(s string) float64 {
		n, err := strconv.Atoi(s)
		check(err)
		return float64(n)
	}
	d := part(s[:digits]) + part(s[digits:digits+2])/60 + part(s[digits+2:digits+4])/3600
	d, err := strconv.ParseFloat(strconv.FormatFloat(sign*d, 'f', 4, 64), 64)
	check(err)
	return d
}

func clocks(zone string) offsets {
	l, err := time.LoadLocation(zone)
	check(err)
	minutes := func(m time.Month) int {
		_, seconds := time.Date(2025, m, 15, 12, 0, 0, 0, l).Zone()
		return seconds / 60
	}
	return offsets{minutes(time.January), minutes(time.July)}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
