package fakekubelet

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// lifetime says what becomes of a container that was started.
type lifetime int

const (
	// staysUp: it runs nothing and never ends; the image is not there.
	staysUp lifetime = iota
	// runsCommand: its command is run if it is an allowed program, and its end
	// is the container's end. Any other command is taken to run for ever.
	runsCommand
	// endsAtOnce: like runsCommand, but any other command has already
	// succeeded.
	endsAtOnce
)

// ending is how a container ended.
type ending struct {
	code int
	at   time.Time
}

func (e *ending) reason() string {
	if e.code == 0 {
		return "Completed"
	}
	return "Error"
}

// container is one container of a pod.
type container struct {
	pod     *pod
	spec    *corev1.Container
	id      string
	root    string // its directory, and the "/" of mapped arguments
	output  *output
	started time.Time
	done    chan struct{}

	mu     sync.Mutex
	ended  *ending
	main   *process // the container's own command, if it is run
	stdin  *io.PipeWriter
	active map[*process]bool
}

func newContainer(p *pod, spec *corev1.Container) *container {
	dir := filepath.Join(p.dir, spec.Name)
	return &container{
		pod:     p,
		spec:    spec,
		id:      "fake://" + digest(string(p.spec.UID)+"/"+spec.Name),
		root:    filepath.Join(dir, "root"),
		output:  newOutput(filepath.Join(dir, "log"), spec.Name),
		started: time.Now(),
		done:    make(chan struct{}),
		active:  map[*process]bool{},
	}
}

func (c *container) start(way lifetime) {
	if err := c.furnish(); err != nil {
		c.output.line(streamStderr, "cannot start: "+err.Error())
		c.finish(128)
		return
	}
	command := append(append([]string{}, c.spec.Command...), c.spec.Args...)
	_, allowed := c.pod.kubelet.programs.lookup(command)
	switch {
	case way != staysUp && allowed:
		go c.runCommand(command)
	case way == endsAtOnce:
		c.finish(0)
	default:
		c.greet()
	}
}

// furnish makes the few files that programs expect to find.
func (c *container) furnish() error {
	for _, dir := range []string{"tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(c.root, dir), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		"etc/hostname":   c.hostname() + "\n",
		"etc/hosts":      "127.0.0.1\tlocalhost\n" + c.pod.ip + "\t" + c.hostname() + "\n",
		"etc/os-release": "NAME=\"countersign test container\"\nID=test\n",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(c.root, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := c.output.open(); err != nil {
		return err
	}
	return c.mountVolumes()
}

func (c *container) hostname() string {
	if c.pod.spec.Spec.Hostname != "" {
		return c.pod.spec.Spec.Hostname
	}
	return c.pod.spec.Name
}

// greet writes the log of a container that only pretends to run.
func (c *container) greet() {
	for n := range c.pod.restarts() {
		c.output.line(streamStdout, fmt.Sprintf("run %d of %s ended with an error", n+1, c.spec.Name))
		c.output.keepAsPrevious()
	}
	c.output.line(streamStdout, fmt.Sprintf("starting %s of pod %s/%s", c.spec.Name, c.pod.spec.Namespace, c.pod.spec.Name))
	c.output.line(streamStdout, "image "+c.spec.Image)
	for _, port := range c.spec.Ports {
		c.output.line(streamStdout, fmt.Sprintf("listening on port %d", port.ContainerPort))
	}
	if text := c.pod.spec.Annotations[logAnnotation]; text != "" {
		for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			c.output.line(streamStdout, line)
		}
	}
	c.output.line(streamStdout, "ready")
	c.output.talk()
}

// runCommand runs the container's own command to its end.
func (c *container) runCommand(command []string) {
	run := invocation{
		command: command,
		tty:     c.spec.TTY,
		stdout:  c.output.writer(streamStdout),
		stderr:  c.output.writer(streamStderr),
	}
	if c.spec.Stdin {
		read, write := io.Pipe()
		run.stdin = read
		c.mu.Lock()
		c.stdin = write
		c.mu.Unlock()
	}
	started, err := c.launch(run)
	if err != nil {
		c.output.line(streamStderr, err.Error())
		c.finish(127)
		return
	}
	c.mu.Lock()
	c.main = started
	c.mu.Unlock()
	code := started.wait()
	c.output.flush()
	c.finish(code)
}

func (c *container) finish(code int) {
	c.mu.Lock()
	if c.ended == nil {
		c.ended = &ending{code, time.Now()}
		close(c.done)
	}
	c.mu.Unlock()
	c.output.close()
	c.pod.changed()
}

func (c *container) end() *ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// wait returns the exit code.
func (c *container) wait() int {
	<-c.done
	return c.end().code
}

// stop kills what runs in the container.
func (c *container) stop() {
	c.mu.Lock()
	for p := range c.active {
		p.kill()
	}
	stdin := c.stdin
	c.mu.Unlock()
	if stdin != nil {
		stdin.Close()
	}
	c.finish(137)
}

// launch starts a program in the container and keeps track of it.
func (c *container) launch(run invocation) (*process, error) {
	run.dir = c.root
	run.environment = c.environment(run.tty)
	started, err := c.pod.kubelet.programs.start(run)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.active[started] = true
	gone := c.ended != nil
	c.mu.Unlock()
	if gone {
		started.kill()
	}
	go func() {
		started.wait()
		c.mu.Lock()
		delete(c.active, started)
		c.mu.Unlock()
	}()
	return started, nil
}
