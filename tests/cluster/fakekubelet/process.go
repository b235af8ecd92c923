package fakekubelet

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/creack/pty"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// invocation is one program to run. With a terminal all output goes to stdout.
type invocation struct {
	command     []string
	dir         string
	environment []string
	tty         bool
	stdin       io.Reader // nil: end of file
	stdout      io.Writer // nil: nowhere
	stderr      io.Writer
	resize      <-chan remotecommand.TerminalSize
}

// process is a running program with all its descendants.
type process struct {
	command *exec.Cmd
	done    chan struct{}
	code    int
	tty     *os.File
}

func (p programs) start(run invocation) (*process, error) {
	argv, err := p.argv(run.command)
	if err != nil {
		return nil, err
	}
	command := exec.Command(argv[0], argv[1:]...)
	command.Args[0] = filepath.Base(argv[0])
	command.Dir = run.dir
	command.Env = run.environment
	command.SysProcAttr = &syscall.SysProcAttr{}
	dieWithParent(command.SysProcAttr)
	started := &process{command: command, done: make(chan struct{})}
	if run.tty {
		return started, started.startOnTerminal(run)
	}
	return started, started.startOnPipes(run)
}

func (p *process) startOnPipes(run invocation) error {
	p.command.SysProcAttr.Setpgid = true
	p.command.Stdout = run.stdout
	p.command.Stderr = run.stderr
	// BOUND: a descendant that outlives the program keeps the output open no
	// longer than this; a slow reader of a large output gets as long.
	p.command.WaitDelay = 30 * time.Second
	var stdin io.WriteCloser
	if run.stdin != nil {
		// Not command.Stdin: Wait would wait for the client to end it.
		pipe, err := p.command.StdinPipe()
		if err != nil {
			return err
		}
		stdin = pipe
	}
	if err := p.command.Start(); err != nil {
		return err
	}
	if stdin != nil {
		go func() {
			io.Copy(stdin, run.stdin)
			stdin.Close()
		}()
	}
	go func() {
		p.code = exitCode(p.command.Wait())
		close(p.done)
	}()
	return nil
}

func (p *process) startOnTerminal(run invocation) error {
	terminal, err := pty.Start(p.command)
	if err != nil {
		return err
	}
	p.tty = terminal
	go p.followSize(run.resize)
	if run.stdin != nil {
		go func() {
			io.Copy(terminal, run.stdin)
			terminal.Write([]byte{4}) // end of file, as typed
		}()
	}
	copied := make(chan struct{})
	go func() {
		if run.stdout != nil {
			io.Copy(run.stdout, terminal)
		} else {
			io.Copy(io.Discard, terminal)
		}
		close(copied)
	}()
	go func() {
		p.code = exitCode(p.command.Wait())
		select {
		case <-copied:
		case <-time.After(2 * time.Second): // a descendant holds the terminal
		}
		terminal.Close()
		close(p.done)
	}()
	return nil
}

// followSize ends with the channel or the process.
func (p *process) followSize(sizes <-chan remotecommand.TerminalSize) {
	for {
		select {
		case <-p.done:
			return
		case size, open := <-sizes:
			if !open {
				return
			}
			pty.Setsize(p.tty, &pty.Winsize{Rows: size.Height, Cols: size.Width})
		}
	}
}

// wait returns the exit code once all output is delivered.
func (p *process) wait() int {
	<-p.done
	return p.code
}

// kill ends the program and its descendants. Both ways of starting make the
// program the leader of its process group.
func (p *process) kill() {
	select {
	case <-p.done:
	default:
		syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return 0
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return exit.ExitCode()
	default:
		// Copying the output failed: the client is gone.
		return 1
	}
}
