module github.com/mgxdb/mgx/bench

go 1.26

require (
	github.com/mgxdb/mgx v0.0.0
	go.mongodb.org/mongo-driver/v2 v2.10.0
)

replace github.com/mgxdb/mgx => ..
