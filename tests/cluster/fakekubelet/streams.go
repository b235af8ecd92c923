package fakekubelet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// idleTimeout is the kubelet's own default.
const idleTimeout = 4 * time.Hour

func (k *kubelet) serveExec(w http.ResponseWriter, r *http.Request) {
	c, options, ok := k.streamTarget(w, r)
	if !ok {
		return
	}
	remotecommand.ServeExec(w, r, sessions{c}, r.PathValue("pod"), r.PathValue("uid"), c.spec.Name,
		r.URL.Query()["command"], options, idleTimeout, remotecommand.DefaultStreamCreationTimeout,
		remotecommand.SupportedStreamingProtocols)
}

func (k *kubelet) serveAttach(w http.ResponseWriter, r *http.Request) {
	c, options, ok := k.streamTarget(w, r)
	if !ok {
		return
	}
	remotecommand.ServeAttach(w, r, sessions{c}, r.PathValue("pod"), r.PathValue("uid"), c.spec.Name,
		options, idleTimeout, remotecommand.DefaultStreamCreationTimeout,
		remotecommand.SupportedStreamingProtocols)
}

// streamTarget finds the container and the wanted streams, or answers why not.
func (k *kubelet) streamTarget(w http.ResponseWriter, r *http.Request) (*container, *remotecommand.Options, bool) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, nil, false
	}
	p := k.running(r.PathValue("namespace"), r.PathValue("pod"), types.UID(r.PathValue("uid")))
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return nil, nil, false
	}
	c := p.container(r.PathValue("container"))
	if c == nil || c.end() != nil {
		http.Error(w, fmt.Sprintf("container not found (%q)", r.PathValue("container")), http.StatusInternalServerError)
		return nil, nil, false
	}
	return c, options, true
}

func (k *kubelet) servePortForward(w http.ResponseWriter, r *http.Request) {
	p := k.running(r.PathValue("namespace"), r.PathValue("pod"), types.UID(r.PathValue("uid")))
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, portForwarder{p}, p.spec.Name, string(p.spec.UID), options,
		idleTimeout, remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
}

// sessions serves exec and attach of one container.
type sessions struct{ container *container }

// ExecInContainer runs a program and returns its exit code as the error type
// that becomes an exit code at the client.
func (s sessions) ExecInContainer(_ context.Context, _, _, _ string, command []string,
	in io.Reader, out, errOut io.WriteCloser, tty bool,
	resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	if len(command) == 0 {
		return errors.New("no command")
	}
	run := invocation{command: command, tty: tty, resize: resize}
	if in != nil {
		run.stdin = in
	}
	if out != nil {
		run.stdout = out
	}
	if errOut != nil {
		run.stderr = errOut
	}
	started, err := s.container.launch(run)
	if err != nil {
		return notStarted(err, out, errOut)
	}
	if code := started.wait(); code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", code), Code: code}
	}
	return nil
}

// notStarted answers like a shell that does not find a command.
func notStarted(cause error, out, errOut io.Writer) error {
	if errOut == nil {
		errOut = out
	}
	if errOut != nil {
		fmt.Fprintln(errOut, cause)
	}
	return utilexec.CodeExitError{Err: cause, Code: 127}
}

// AttachContainer joins a caller to the container's own command, or to an echo
// of its input where the container only pretends to run.
func (s sessions) AttachContainer(ctx context.Context, _, _, _ string,
	in io.Reader, out, errOut io.WriteCloser, tty bool,
	resize <-chan remotecommand.TerminalSize) error {
	c := s.container
	subscriber := &subscription{}
	if out != nil {
		subscriber.stdout = out
	}
	if errOut != nil {
		subscriber.stderr = errOut
	}
	defer c.output.attach(subscriber)()
	c.mu.Lock()
	main, stdin := c.main, c.stdin
	c.mu.Unlock()
	if main != nil && main.tty != nil {
		go main.followSize(resize)
	}
	inputEnded := make(chan struct{})
	switch {
	case in == nil:
	case stdin != nil:
		go func() {
			io.Copy(stdin, in)
			if c.spec.StdinOnce {
				stdin.Close()
			}
		}()
	default:
		go func() {
			c.echo(in)
			close(inputEnded)
		}()
	}
	select {
	case <-c.done:
	case <-inputEnded:
	case <-ctx.Done():
	}
	return nil
}

// echo answers each line of the input with the same line.
func (c *container) echo(in io.Reader) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			c.output.write(streamStdout, line)
		}
		if err != nil {
			return
		}
	}
}
