// Command mgx is a MongoDB client for the command line.
package main

func main() {}
