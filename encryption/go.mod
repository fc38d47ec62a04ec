module github.com/mgxdb/mgx/encryption

go 1.26

require github.com/mgxdb/mgx v0.0.0

require (
	go.mongodb.org/mongo-driver/v2 v2.10.0 // indirect
	golang.org/x/text v0.41.0
)
