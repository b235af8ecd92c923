package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// part is one child process of `up`: this program with another subcommand.
type part struct {
	name    string
	args    []string
	log     string
	process *os.Process
	exited  chan struct{}
	// failure is how it ended; read it only after `exited` is closed.
	failure error
}

func newPart(name, logDir string, args []string) *part {
	return &part{name: name, args: args, log: filepath.Join(logDir, name+".log")}
}

// start must be called from a goroutine that is locked to its thread, because
// the kernel takes the end of that thread for the end of the parent.
func (p *part) start() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(program, append([]string{p.name}, p.args...)...)
	command.Stdout = log
	command.Stderr = log
	attributes, environment := tieToParent()
	command.SysProcAttr = attributes
	command.Env = append(os.Environ(), environment...)
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.process = command.Process
	exited := make(chan struct{})
	p.exited = exited
	go func() {
		p.failure = command.Wait()
		close(exited)
	}()
	return nil
}

func (p *part) running() bool {
	if p.process == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// died says why the part ended, with the end of its log.
func (p *part) died() error {
	return fmt.Errorf("%s ended (%v), log %s ends with:\n%s", p.name, p.failure, p.log, tail(p.log, 2000))
}

// stop ends the given parts together and returns when none is left.
func stop(patience time.Duration, parts ...*part) {
	for _, p := range parts {
		if p.running() {
			p.process.Signal(syscall.SIGTERM)
		}
	}
	deadline := time.After(patience)
	for _, p := range parts {
		if !p.running() {
			continue
		}
		select {
		case <-p.exited:
		case <-deadline:
			p.process.Kill()
			<-p.exited
			deadline = time.After(0)
		}
	}
}

func tail(path string, bytes int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-bytes):])
}
