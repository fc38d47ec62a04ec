package engine

import (
	"testing"

	"go.mongodb.org/mongo-driver/bson"
)

// pipelineOver runs stages over documents, both in Extended JSON.
func pipelineOver(t *testing.T, env *Environment, stages, docs string) ([]string, error) {
	t.Helper()
	list := func(s string) [][]byte {
		d, err := decode(fromJSON(t, `{"l":`+s+`}`))
		if err != nil {
			t.Fatal(err)
		}
		var out [][]byte
		for _, v := range d[0].Value.(bson.A) {
			raw, err := encode(v.(bson.D))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, raw)
		}
		return out
	}
	out, err := Aggregate(env, list(stages), list(docs))
	var got []string
	for _, raw := range out {
		js, jerr := bson.MarshalExtJSON(bson.Raw(raw), false, false)
		if jerr != nil {
			t.Fatal(jerr)
		}
		got = append(got, string(js))
	}
	return got, err
}

// The examples are those of the manual's pages on the operators, shortened.
func TestExpressions(t *testing.T) {
	const doc = `{"d":{"$date":"2017-06-19T15:13:25.713Z"},"e":{"$date":"2014-01-01T08:15:39.736Z"},"a":[5,3,8],"s":"cafétéria","n":null,
		"id":{"$oid":"507c7f79bcf86cd7994f6c0e"},"w":"  ggoodbyeeeee","x":-5.5,"ts":{"$timestamp":{"t":1622731060,"i":7}}}`
	for expr, want := range map[string]string{
		`{"$year":"$e"}`: `2014`, `{"$month":"$e"}`: `1`, `{"$dayOfMonth":"$e"}`: `1`, `{"$hour":"$e"}`: `8`, `{"$minute":"$e"}`: `15`,
		`{"$second":"$e"}`: `39`, `{"$millisecond":"$e"}`: `736`, `{"$dayOfYear":"$e"}`: `1`, `{"$dayOfWeek":"$e"}`: `4`, `{"$week":"$e"}`: `0`,
		`{"$isoWeek":"$e"}`: `1`, `{"$isoWeekYear":"$e"}`: `2014`, `{"$isoDayOfWeek":"$e"}`: `3`, `{"$year":"$n"}`: `null`,
		`{"$hour":{"date":"$d","timezone":"America/New_York"}}`: `11`, `{"$hour":{"date":"$d","timezone":"+0530"}}`: `20`,
		`{"$year":"$id"}`: `2012`,
		`{"$dateToString":{"format":"%Y-%m-%d","date":"$e"}}`:                                                                                          `"2014-01-01"`,
		`{"$dateToString":{"format":"%H:%M:%S:%L%z","date":"$e","timezone":"America/New_York"}}`:                                                       `"03:15:39:736-0500"`,
		`{"$dateToString":{"format":"%G-W%V-%u %j %Z","date":"$e","timezone":"+04:30"}}`:                                                               `"2014-W01-3 001 +270"`,
		`{"$dateToString":{"date":"$d"}}`:                                                                                                              `"2017-06-19T15:13:25.713Z"`,
		`{"$dateToString":{"date":"$n","onNull":"none"}}`:                                                                                              `"none"`,
		`{"$dateFromString":{"dateString":"2017-02-08T12:10:40.787"}}`:                                                                                 `{"$date":"2017-02-08T12:10:40.787Z"}`,
		`{"$dateFromString":{"dateString":"2017-02-08T12:10:40.787","timezone":"America/New_York"}}`:                                                   `{"$date":"2017-02-08T17:10:40.787Z"}`,
		`{"$dateFromString":{"dateString":"06-15-2018","format":"%m-%d-%Y"}}`:                                                                          `{"$date":"2018-06-15T00:00:00Z"}`,
		`{"$dateFromString":{"dateString":"20177-02-09","onError":"bad"}}`:                                                                             `"bad"`,
		`{"$dateToParts":{"date":"$d"}}`:                                                                                                               `{"year":2017,"month":6,"day":19,"hour":15,"minute":13,"second":25,"millisecond":713}`,
		`{"$dateToParts":{"date":"$d","iso8601":true}}`:                                                                                                `{"isoWeekYear":2017,"isoWeek":25,"isoDayOfWeek":1,"hour":15,"minute":13,"second":25,"millisecond":713}`,
		`{"$dateFromParts":{"year":2017,"month":2,"day":8,"hour":12}}`:                                                                                 `{"$date":"2017-02-08T12:00:00Z"}`,
		`{"$dateFromParts":{"isoWeekYear":2017,"isoWeek":6,"isoDayOfWeek":3,"hour":12}}`:                                                               `{"$date":"2017-02-08T12:00:00Z"}`,
		`{"$dateFromParts":{"year":2016,"month":14,"day":1}}`:                                                                                          `{"$date":"2017-02-01T00:00:00Z"}`,
		`{"$dateAdd":{"startDate":{"$date":"2020-10-31T12:10:05Z"},"unit":"month","amount":1}}`:                                                        `{"$date":"2020-11-30T12:10:05Z"}`,
		`{"$dateSubtract":{"startDate":{"$date":"2021-03-31T00:00:00Z"},"unit":"month","amount":1}}`:                                                   `{"$date":"2021-02-28T00:00:00Z"}`,
		`{"$dateAdd":{"startDate":"$d","unit":"hour","amount":-2}}`:                                                                                    `{"$date":"2017-06-19T13:13:25.713Z"}`,
		`{"$dateDiff":{"startDate":{"$date":"2020-12-31T00:00:00Z"},"endDate":{"$date":"2021-01-01T00:00:00Z"},"unit":"year"}}`:                        `1`,
		`{"$dateDiff":{"startDate":{"$date":"2021-01-01T00:00:00Z"},"endDate":{"$date":"2021-01-04T00:00:00Z"},"unit":"week","startOfWeek":"monday"}}`: `1`,
		`{"$dateDiff":{"startDate":{"$date":"2021-01-01T23:59:00Z"},"endDate":{"$date":"2021-01-02T00:01:00Z"},"unit":"day"}}`:                         `1`,
		`{"$dateTrunc":{"date":{"$date":"2021-03-20T11:30:05Z"},"unit":"hour"}}`:                                                                       `{"$date":"2021-03-20T11:00:00Z"}`,
		`{"$dateTrunc":{"date":{"$date":"2021-03-20T11:30:05Z"},"unit":"week","binSize":2,"timezone":"America/Los_Angeles","startOfWeek":"Monday"}}`:   `{"$date":"2021-03-15T07:00:00Z"}`,
		`{"$dateTrunc":{"date":{"$date":"2021-03-20T11:30:05Z"},"unit":"quarter"}}`:                                                                    `{"$date":"2021-01-01T00:00:00Z"}`,
		`{"$tsSecond":"$ts"}`: `1622731060`, `{"$tsIncrement":"$ts"}`: `7`,

		`{"$toDate":{"$numberLong":"1522535825000"}}`: `{"$date":"2018-03-31T22:37:05Z"}`, `{"$toDate":"2018-03-20"}`: `{"$date":"2018-03-20T00:00:00Z"}`,
		`{"$toDate":"$id"}`: `{"$date":"2012-10-15T21:26:17Z"}`, `{"$toObjectId":"5ab9cbfa31c2ab715d42129e"}`: `{"$oid":"5ab9cbfa31c2ab715d42129e"}`,
		`{"$toDecimal":"-5.5"}`: `{"$numberDecimal":"-5.5"}`, `{"$toInt":1.99}`: `1`, `{"$toInt":"-2"}`: `-2`, `{"$toLong":"$e"}`: `1388564139736`,
		`{"$toDouble":true}`: `1.0`, `{"$toBool":"false"}`: `true`, `{"$toBool":0}`: `false`, `{"$toString":2.5}`: `"2.5"`,
		`{"$convert":{"input":"1.5","to":"int","onError":"bad"}}`: `"bad"`, `{"$convert":{"input":"$n","to":"int","onNull":0}}`: `0`,
		`{"$convert":{"input":"100","to":16}}`: `100`,

		`{"$round":[10.5]}`: `10.0`, `{"$round":[11.5,0]}`: `12.0`, `{"$round":[19.25,1]}`: `19.2`, `{"$round":[1234,-2]}`: `1200`, `{"$trunc":[-5.75,1]}`: `-5.7`,
		`{"$sqrt":25}`: `5.0`, `{"$pow":[5,2]}`: `25`, `{"$pow":[5,-2]}`: `0.04`, `{"$exp":0}`: `1.0`, `{"$ln":1}`: `0.0`, `{"$log10":1000}`: `3.0`, `{"$log":[100,10]}`: `2.0`,
		`{"$degreesToRadians":0}`: `0.0`, `{"$bitAnd":[5,3]}`: `1`, `{"$bitOr":[5,3]}`: `7`, `{"$bitXor":[5,3]}`: `6`, `{"$bitNot":5}`: `-6`, `{"$sqrt":"$n"}`: `null`,

		`{"$trim":{"input":"$w","chars":" ge"}}`: `"oodby"`, `{"$ltrim":{"input":"  a "}}`: `"a "`, `{"$rtrim":{"input":" a \t"}}`: `" a"`,
		`{"$replaceOne":{"input":"a-b-c","find":"-","replacement":"+"}}`: `"a+b-c"`, `{"$replaceAll":{"input":"a-b-c","find":"-","replacement":"+"}}`: `"a+b+c"`,
		`{"$replaceAll":{"input":"$n","find":"-","replacement":"+"}}`: `null`, `{"$strcasecmp":["ABC","abd"]}`: `-1`,
		`{"$indexOfBytes":["$s","é"]}`: `3`, `{"$indexOfCP":["$s","é",4]}`: `5`, `{"$indexOfCP":["vanilla","ll",0,4]}`: `-1`,
		`{"$regexMatch":{"input":"First line","regex":"LINE","options":"i"}}`: `true`, `{"$regexMatch":{"input":"$n","regex":"x"}}`: `false`,
		`{"$regexFind":{"input":"Café (Caffè)","regex":"\\((C)"}}`: `{"match":"(C","idx":5,"captures":["C"]}`, `{"$regexFindAll":{"input":"aXbX","regex":"Y"}}`: `[]`,
		`{"$size":{"$regexFindAll":{"input":"aXbX","regex":"X"}}}`: `2`,

		`{"$setUnion":[["b","a"],["c","a"]]}`: `["a","b","c"]`, `{"$setIntersection":[["a","b"],["b","c"]]}`: `["b"]`, `{"$setDifference":[["a","b","a"],["b"]]}`: `["a"]`,
		`{"$setEquals":[["a","b","a"],["b","a"]]}`: `true`, `{"$setIsSubset":[["a"],["b","a"]]}`: `true`, `{"$setUnion":["$n",["a"]]}`: `null`,
		`{"$anyElementTrue":[[0,false,1]]}`: `true`, `{"$allElementsTrue":[[]]}`: `true`, `{"$allElementsTrue":[[1,null]]}`: `false`,
		`{"$indexOfArray":["$a",8]}`: `2`, `{"$indexOfArray":["$a",8,0,2]}`: `-1`, `{"$zip":{"inputs":[["a","b"],[1]],"useLongestLength":true,"defaults":["x",0]}}`: `[["a",1],["b",0]]`,
		`{"$sortArray":{"input":"$a","sortBy":-1}}`: `[8,5,3]`, `{"$sortArray":{"input":[{"n":2},{"n":1}],"sortBy":{"n":1}}}`: `[{"n":1},{"n":2}]`,
		`{"$firstN":{"input":"$a","n":2}}`: `[5,3]`, `{"$lastN":{"input":"$a","n":2}}`: `[3,8]`, `{"$maxN":{"input":"$a","n":2}}`: `[8,5]`, `{"$minN":{"input":"$a","n":1}}`: `[3]`,
		`{"$stdDevPop":[2,4,4,4,5,5,7,9]}`: `2.0`, `{"$stdDevSamp":[1]}`: `null`, `{"$bsonSize":{"$literal":{"a":1}}}`: `12`, `{"$binarySize":"cafeteria"}`: `9`,
		`{"$and":[{"$gte":[{"$rand":{}},0]},{"$lt":[{"$rand":{}},1]}]}`: `true`,
	} {
		got, err := pipelineOver(t, &Environment{}, `[{"$project":{"_id":0,"v":`+expr+`}}]`, `[`+doc+`]`)
		if err != nil || len(got) != 1 || got[0] != `{"v":`+want+`}` {
			t.Errorf("%s: %v %v, want %s", expr, got, err, want)
		}
	}
	for expr, code := range map[string]int32{
		`{"$sqrt":-1}`: 28714, `{"$ln":0}`: 28766, `{"$toInt":"x"}`: 241, `{"$toObjectId":"x"}`: 241, `{"$year":"x"}`: 16006, `{"$toDate":true}`: 241,
		`{"$hour":{"date":"$d","timezone":"Mars"}}`: 40485, `{"$nothing":1}`: 168, `{"$setUnion":["a"]}`: 17044, `{"$dateToString":{"date":"$d","format":"%q"}}`: 18536,
		`{"$firstN":{"input":[1],"n":0}}`: 5787908, `{"$anyElementTrue":"$x"}`: 17041, `{"$toInt":{"$numberLong":"4294967296"}}`: 241,
	} {
		_, err := pipelineOver(t, &Environment{}, `[{"$project":{"v":`+expr+`}}]`, `[`+doc+`]`)
		if e, ok := err.(*Error); !ok || e.Code != code {
			t.Errorf("%s: %v, want code %d", expr, err, code)
		}
	}
}

func TestStages(t *testing.T) {
	const artists = `[{"_id":1,"last":"Bernard","born":1868},{"_id":2,"last":"Munch","born":1863},{"_id":3,"last":"Redon","born":1840},{"_id":4,"last":"Diefenbach","born":1950}]`
	for name, c := range map[string]struct {
		stages, docs string
		want         []string
	}{
		"bucket": {`[{"$bucket":{"groupBy":"$born","boundaries":[1840,1850,1860,1870],"default":"Other","output":{"count":{"$sum":1},"names":{"$push":"$last"}}}}]`, artists,
			[]string{`{"_id":1840,"count":1,"names":["Redon"]}`, `{"_id":1860,"count":2,"names":["Bernard","Munch"]}`, `{"_id":"Other","count":1,"names":["Diefenbach"]}`}},
		"bucketAuto": {`[{"$bucketAuto":{"groupBy":"$born","buckets":2}}]`, artists,
			[]string{`{"_id":{"min":1840,"max":1868},"count":2}`, `{"_id":{"min":1868,"max":1950},"count":2}`}},
		"redact": {`[{"$redact":{"$cond":{"if":{"$gt":[{"$size":{"$setIntersection":["$tags",["STLW","G"]]}},0]},"then":"$$DESCEND","else":"$$PRUNE"}}}]`,
			`[{"_id":1,"title":"123","tags":["G","STLW"],"sub":[{"sub":"1","tags":["SI","G"]},{"sub":"2","tags":["TK"]}]},{"_id":2,"tags":["X"]}]`,
			[]string{`{"_id":1,"title":"123","tags":["G","STLW"],"sub":[{"sub":"1","tags":["SI","G"]}]}`}},
		"densify": {`[{"$densify":{"field":"alt","partitionByFields":["v"],"range":{"bounds":"full","step":200}}}]`,
			`[{"v":"A","alt":600},{"v":"A","alt":800},{"v":"B","alt":1000}]`,
			[]string{`{"v":"A","alt":600}`, `{"v":"A","alt":800}`, `{"v":"A","alt":1000}`, `{"v":"B","alt":600}`, `{"v":"B","alt":800}`, `{"v":"B","alt":1000}`}},
		"densify dates": {`[{"$densify":{"field":"t","range":{"step":1,"unit":"hour","bounds":[{"$date":"2021-05-18T00:00:00Z"},{"$date":"2021-05-18T02:00:00Z"}]}}}]`,
			`[{"t":{"$date":"2021-05-18T00:00:00Z"},"x":1},{"t":{"$date":"2021-05-18T04:00:00Z"},"x":2}]`,
			[]string{`{"t":{"$date":"2021-05-18T00:00:00Z"},"x":1}`, `{"t":{"$date":"2021-05-18T01:00:00Z"}}`, `{"t":{"$date":"2021-05-18T04:00:00Z"},"x":2}`}},
		"fill": {`[{"$fill":{"sortBy":{"t":1},"output":{"p":{"method":"linear"},"q":{"method":"locf"},"r":{"value":0}}}}]`,
			`[{"t":0,"p":500,"q":1},{"t":2,"p":null},{"t":8,"p":580,"r":3}]`,
			[]string{`{"t":0,"p":500,"q":1,"r":0}`, `{"t":2,"p":520.0,"q":1,"r":0}`, `{"t":8,"p":580,"r":3,"q":1}`}},
		"top": {`[{"$group":{"_id":null,"best":{"$top":{"output":"$last","sortBy":{"born":-1}}},"old":{"$bottomN":{"n":2,"output":"$last","sortBy":{"born":-1}}},"two":{"$firstN":{"input":"$born","n":2}},"dev":{"$stdDevPop":"$_id"}}}]`, artists,
			[]string{`{"_id":null,"best":"Diefenbach","old":["Munch","Redon"],"two":[1868,1863],"dev":1.118033988749895}`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pipelineOver(t, &Environment{}, c.stages, c.docs)
			if err != nil || len(got) != len(c.want) {
				t.Fatalf("%v %v", got, err)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%s, want %s", got[i], c.want[i])
				}
			}
		})
	}
}

func TestGraphLookup(t *testing.T) {
	s := NewStore()
	if _, err := s.Create(&Definition{NS: "db.employees"}); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{`{"_id":1,"name":"Dev"}`, `{"_id":2,"name":"Eliot","reportsTo":"Dev"}`, `{"_id":3,"name":"Ron","reportsTo":"Eliot"}`} {
		if _, err := s.Insert("db.employees", fromJSON(t, d), false); err != nil {
			t.Fatal(err)
		}
	}
	for depth, want := range map[string]string{
		``:              `[{"_id":2,"name":"Eliot","reportsTo":"Dev","d":0},{"_id":1,"name":"Dev","d":1}]`,
		`"maxDepth":0,`: `[{"_id":2,"name":"Eliot","reportsTo":"Dev","d":0}]`,
	} {
		got, err := pipelineOver(t, &Environment{Store: s, DB: "db"}, `[{"$graphLookup":{"from":"employees","startWith":"$reportsTo","connectFromField":"reportsTo",
			"connectToField":"name",`+depth+`"depthField":"d","as":"up"}},{"$project":{"_id":0,"up":1}}]`, `[{"name":"Ron","reportsTo":"Eliot"}]`)
		if err != nil || len(got) != 1 || got[0] != `{"up":`+want+`}` {
			t.Errorf("%v %v", got, err)
		}
	}
}
