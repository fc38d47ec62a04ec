module github.com/mgxdb/mgx

go 1.26

require go.mongodb.org/mongo-driver/v2 v2.10.0
