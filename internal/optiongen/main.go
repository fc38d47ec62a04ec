// Command optiongen writes what package mgx has by its table of operations and
// options: the types that keep an operation from getting another one's option, with
// the lists in their comments, and the page docs/operations.md. It is run by go
// generate in the module's root.
//
// A new option is a line in table.go and a function in calloptions.go that returns
// the option's type.
package main

import (
	"fmt"
	"os"
)

func main() {
	files, err := generate()
	if err == nil {
		for name, content := range files {
			if err = os.WriteFile(name, content, 0o644); err != nil {
				break
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "optiongen:", err)
		os.Exit(1)
	}
}

// generate returns the files by their names in the module's root.
func generate() (map[string][]byte, error) {
	code, err := optionTypes()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"calloptions_gen.go": code, "docs/operations.md": []byte(operationsPage())}, nil
}
