package bson

import "go.mongodb.org/mongo-driver/v2/bson"

// Marshal returns the BSON encoding of v.
func Marshal(v any) ([]byte, error) { return bson.Marshal(v) }

// Unmarshal decodes the BSON document data into the value that v points to.
func Unmarshal(data []byte, v any) error { return bson.Unmarshal(data, v) }
