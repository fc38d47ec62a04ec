module github.com/mgxdb/mgx/unified

go 1.26

require github.com/mgxdb/mgx v0.0.0

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/xdg-go/stringprep v1.0.4 // indirect
	go.mongodb.org/mongo-driver/v2 v2.10.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)

replace (
	github.com/mgxdb/mgx => ../
	github.com/mgxdb/mgx/embedded => ../embedded
)
