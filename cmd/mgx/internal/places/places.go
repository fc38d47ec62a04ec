// Package places holds the data set of the demonstration: the 418 places that
// name the world's time zones, with their countries, coordinates and clocks.
//
// It is made from the IANA time zone database (zone.tab and iso3166.tab, release
// 2025b), which is in the public domain; see generate.go.
package places

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
)

//go:generate go run generate.go

//go:embed places.jsonl
var data []byte

// Place is a place that gives a time zone its name.
type Place struct {
	ID       string  `bson:"_id" json:"_id"` // the zone, "Europe/Berlin"
	Name     string  `bson:"name" json:"name"`
	Region   string  `bson:"region" json:"region"`
	Country  Country `bson:"country" json:"country"`
	Location Point   `bson:"location" json:"location"`
	Clocks   Clocks  `bson:"utcMinutes" json:"utcMinutes"`
	Note     string  `bson:"note,omitempty" json:"note"`
}

// Country is a country of ISO 3166.
type Country struct {
	Code string `bson:"code" json:"code"`
	Name string `bson:"name" json:"name"`
}

// Point is a GeoJSON point: longitude and latitude in degrees.
type Point struct {
	Type        string     `bson:"type" json:"type"`
	Coordinates [2]float64 `bson:"coordinates" json:"coordinates"`
}

// Clocks are the minutes that clocks were ahead of UTC in two months of 2025.
type Clocks struct {
	January int32 `bson:"january" json:"january"`
	July    int32 `bson:"july" json:"july"`
}

// JSON returns the data set as it is shipped: one document a line.
func JSON() []byte { return bytes.Clone(data) }

// All returns the data set.
func All() ([]Place, error) {
	var list []Place
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var p Place
		err := d.Decode(&p)
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("places: document %d: %w", len(list)+1, err)
		}
		list = append(list, p)
	}
}
