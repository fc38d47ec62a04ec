package cli

import (
	goflags "flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

var update = goflags.Bool("update", false, "write docs/tool.md anew")

// TestDocument holds docs/tool.md to what the commands say of themselves.
func TestDocument(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "docs", "tool.md")
	a := &app{colors: string(screen.Never)}
	want := document(a.root())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the commands say; run: go test ./internal/cli -run TestDocument -update", path)
	}
}

// Every command says what it does, how it is used, and gives an example.
func TestCommandsExplainThemselves(t *testing.T) {
	a := &app{colors: string(screen.Never)}
	for _, c := range commandsOf(a.root()) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short help %q", c.Name(), c.Short)
		}
		if slices.Contains([]string{"demo", "version"}, c.Name()) {
			continue // there is nothing to give them
		}
		if c.Long == "" || c.Example == "" || !strings.Contains(c.Example, "mgx "+c.Name()) {
			t.Errorf("%s lacks help or an example", c.Name())
		}
		for line := range strings.SplitSeq(c.Long+"\n"+c.Example, "\n") {
			if n := len([]rune(line)); n > 120 {
				t.Errorf("%s: a line of %d characters: %s", c.Name(), n, line)
			}
		}
	}
}

func commandsOf(root *cobra.Command) (list []*cobra.Command) {
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			list = append(list, c)
		}
	}
	return list
}

func document(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# The command mgx\n\n" +
		"This page is what `mgx help` says, and a test holds it to that.\n\n" +
		"    go install ./cmd/mgx    # in a checkout\n\n")
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, "%s\n\n", strings.TrimSuffix(g.Title, ":"))
		for _, c := range commandsOf(root) {
			if c.GroupID == g.ID {
				fmt.Fprintf(&b, "- [mgx %s](#mgx-%s): %s\n", c.Name(), c.Name(), strings.ToLower(c.Short[:1])+c.Short[1:])
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("## URIs\n\nA URI is a MongoDB connection string, like `mongodb://localhost:27017/`. Where it is\n" +
		"left out, `$MGX_URI` is used, or else `mongodb://localhost:27017/`. Put a URI with a\n" +
		"password into `$MGX_URI`: others on the machine can see command lines.\n\n" +
		"Commands wait for the server's word on what they write, also where the URI says `w=0`.\n\n")
	b.WriteString("## Extended JSON\n\nDocuments come and go in MongoDB's Extended JSON (v2): relaxed, which is easy to\n" +
		"read, or with `-o canonical` so that all types are kept. Input may be either.\n\n" +
		"A byte that is not UTF-8, as servers may store, is the escape of a surrogate that stands\n" +
		"alone, `\\udc80` to `\\udcff` for 0x80 to 0xff, in what is printed and in what is read:\n" +
		"Python's `surrogateescape`. In lists for people, names with characters that cannot be\n" +
		"seen are in quotes; `--json` has them as they are.\n\n")
	b.WriteString("## Exit status\n\n```\n" + exitHelp + "```\n\n")
	b.WriteString("## For all commands\n\n```\n" + root.PersistentFlags().FlagUsages() + "```\n\n")
	b.WriteString("## Completion\n\n`mgx completion bash`, `zsh`, `fish` or `powershell` prints a script that completes\n" +
		"commands and flags; `mgx completion bash --help` says where to put it.\n\n")
	for _, c := range commandsOf(root) {
		fmt.Fprintf(&b, "## mgx %s\n\n%s.\n\n```\n%s\n```\n\n", c.Name(), c.Short, c.UseLine())
		if c.Long != "" && c.Long != c.Short {
			b.WriteString(c.Long + "\n\n")
		}
		if c.Example != "" {
			fmt.Fprintf(&b, "```\n%s\n```\n\n", unindented(c.Example))
		}
		if c.HasAvailableLocalFlags() {
			b.WriteString("```\n" + c.LocalNonPersistentFlags().FlagUsages() + "```\n\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func unindented(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.TrimPrefix(line, "  "))
	}
	return strings.Join(lines, "\n")
}
