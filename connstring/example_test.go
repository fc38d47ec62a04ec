package connstring_test

import (
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/connstring"
)

func ExampleParse() {
	c, err := connstring.Parse("mongodb://alice:p%40ss@db1,db2:27018/shop?replicaSet=rs0&wtimeout=500")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Hosts, c.Database, c.ReplicaSet, *c.WTimeout)
	fmt.Println(c.Warnings)
	fmt.Println(c)
	// Output:
	// [db1:27017 db2:27018] shop rs0 500ms
	// [wtimeout: an old name; write wTimeoutMS]
	// mongodb://alice:xxxxx@db1:27017,db2:27018/shop?replicaSet=rs0&wTimeoutMS=500
}

func ExampleParseError_Pointer() {
	_, err := connstring.Parse("mongodb://alice:p:ss@db1/shop")
	var parse *connstring.ParseError
	if errors.As(err, &parse) {
		fmt.Println(parse.Message)
		fmt.Println(parse.Pointer())
	}
	// Output:
	// : in a user name or password must be written %3A
	// mongodb://alice:xxxxx@db1/shop
	//                 ^
}

func ExampleAllOptions() {
	for _, info := range connstring.AllOptions() {
		if info.Classic == "secondary_acceptable_latency_ms" {
			fmt.Println(info.Name, info.Type, info.Unit, info.Default, "→", info.ReplacedBy)
		}
	}
	// Output:
	// secondaryAcceptableLatencyMS duration ms 15 → localThresholdMS
}
