module github.com/mgxdb/mgx/release

go 1.26

require golang.org/x/mod v0.30.0
