// Command bench measures mgx beside the official driver.
package main

func main() {}
