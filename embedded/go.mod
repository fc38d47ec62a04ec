module github.com/mgxdb/mgx/embedded

go 1.26

require github.com/mgxdb/mgx v0.0.0

replace github.com/mgxdb/mgx => ..
