//go:build unix

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary builds the tool once for all tests here.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mgx")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func TestBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the tool")
	}
	mgx := binary(t)
	t.Run("demo", func(t *testing.T) { testDemo(t, mgx) })
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run("serve until "+s.String(), func(t *testing.T) { testServe(t, mgx, s) })
	}
	if signal.Ignored(os.Interrupt) {
		t.Skip("whoever runs this test has it, and what it starts, ignore interrupts")
	}
	t.Run("serve until the second signal", func(t *testing.T) { testForced(t, mgx) })
	t.Run("pipe into head", func(t *testing.T) { testHead(t, mgx) })
}

func testDemo(t *testing.T, mgx string) {
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), mgx, "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 || bytes.ContainsRune(out, '\x1b') {
		t.Errorf("%v\n%s\n%s", err, out, &errs)
	}
	for _, text := range []string{
		"418 documents", "country.code_1_name_1", "Kolkata, India", "Ushuaia", "Kathmandu", "Africa, America,",
		"117 matched, 117 modified", "Tokyo has 1 visit", "▇ 29\n", "418 documents in a find and 16 getMores",
		"E11000", "11 documents deleted, 407 left", "it speaks MongoDB", "nothing is left behind", "done in",
	} {
		if !bytes.Contains(out, []byte(text)) {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// serve starts "mgx serve" and waits for its URI.
func serve(t *testing.T, mgx string) (cmd *exec.Cmd, uri, temp string) {
	t.Helper()
	temp = t.TempDir()
	cmd = exec.CommandContext(t.Context(), mgx, "serve", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	uri, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no URI: %v; %v", err, cmd.Wait())
	}
	return cmd, strings.TrimSpace(uri), temp
}

func testServe(t *testing.T, mgx string, s os.Signal) {
	if signal.Ignored(s) {
		t.Skipf("whoever runs this test has it, and what it starts, ignore the signal %v", s)
	}
	cmd, uri, temp := serve(t, mgx)
	if out, err := exec.CommandContext(t.Context(), mgx, "ping", uri).CombinedOutput(); err != nil {
		t.Errorf("ping: %v\n%s", err, out)
	}
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// A client that stays keeps the server for three seconds; a second signal does not
// wait for them.
func testForced(t *testing.T, mgx string) {
	cmd, uri, _ := serve(t, mgx)
	client := exec.CommandContext(t.Context(), mgx, "insert", uri, "shop.orders", "--batch", "1") // and waits for more
	stdin, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = client.Wait() // its server is gone
	}()
	if _, err := stdin.Write([]byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	waitForDocument(t, mgx, uri)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for { // signals that come too close to each other are one
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		select {
		case err := <-ended:
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
				t.Errorf("it was not the signal that ended it: %v", err)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// waitForDocument waits until somebody has inserted something.
func waitForDocument(t *testing.T, mgx, uri string) {
	t.Helper()
	for t.Context().Err() == nil {
		out, err := exec.CommandContext(t.Context(), mgx, "find", uri, "shop.orders").CombinedOutput()
		if err != nil {
			t.Fatalf("find: %v\n%s", err, out)
		}
		if len(out) > 0 {
			return
		}
	}
}

func testHead(t *testing.T, mgx string) {
	cmd, uri, _ := serve(t, mgx)
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	insert := exec.CommandContext(t.Context(), mgx, "insert", uri, "shop.orders")
	insert.Stdin = strings.NewReader(strings.Repeat(`{"text":"`+strings.Repeat("x", 200)+"\"}\n", 2000))
	if out, err := insert.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	find := exec.CommandContext(t.Context(), mgx, "find", uri, "shop.orders")
	out, err := find.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := find.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReaderSize(out, 16).ReadSlice(':'); err != nil {
		t.Error(err)
	}
	_ = out.Close()
	if err := find.Wait(); err != nil {
		t.Errorf("find ends with %v", err)
	}
}
