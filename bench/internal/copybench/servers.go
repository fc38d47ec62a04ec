// Package copybench copies a database between two servers: with mgx copy, and with
// the loop that one writes with the official driver when there is no tool.
package copybench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tool is the package of the command mgx.
const tool = "github.com/mgxdb/mgx/cmd/mgx"

// BuildTool builds mgx into a folder.
func BuildTool(ctx context.Context, dir string) (path string, err error) {
	path = filepath.Join(dir, "mgx")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, tool).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build mgx: %w\n%s", err, out)
	}
	return path, nil
}

// Server is an embedded server in a process of its own: "mgx serve".
type Server struct {
	URI string
	cmd *exec.Cmd
}

// StartServer starts a server with its data in a new folder inside of dir.
func StartServer(ctx context.Context, mgx, dir string) (*Server, error) {
	data, err := os.MkdirTemp(dir, "server-")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, mgx, "serve", "--listen", "127.0.0.1:0", "--dir", data)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("mgx serve gives no URI: %w", errors.Join(err, cmd.Process.Kill(), cmd.Wait()))
	}
	return &Server{URI: strings.TrimSpace(line), cmd: cmd}, nil
}

// Stop ends the server, and returns what it has spent on the processors.
func (s *Server) Stop() (cpu time.Duration, err error) {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return 0, err
	}
	err = s.cmd.Wait()
	return used(s.cmd), err
}

func used(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
