package fakekubelet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// Ports with a meaning of their own; every other port is a web server.
const (
	refusedPort = 1
	echoPort    = 7
)

// portForwarder connects a stream to a port of one pod.
type portForwarder struct{ pod *pod }

func (f portForwarder) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	address, err := f.pod.listen(port)
	if err != nil {
		return err
	}
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	return join(stream, connection.(*net.TCPConn))
}

// join copies both ways. The end of the caller's side is passed on, the end of
// the pod's side ends the connection.
func join(stream io.ReadWriter, connection *net.TCPConn) error {
	go func() {
		io.Copy(connection, stream)
		connection.CloseWrite()
	}()
	_, err := io.Copy(stream, connection)
	return err
}

// listen returns the address of what serves the port, started when first
// asked for.
func (p *pod) listen(port int32) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || port == refusedPort {
		return "", fmt.Errorf("dial tcp4 %s:%d: connect: connection refused", p.ip, port)
	}
	if listener := p.ports[port]; listener != nil {
		return listener.Addr().String(), nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	p.ports[port] = listener
	if port == echoPort {
		go serveEcho(listener)
	} else {
		go p.serveHello(listener, port)
	}
	return listener.Addr().String(), nil
}

func (p *pod) serveHello(listener net.Listener, port int32) {
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "hello from %s:%d\n", p.spec.Name, port)
	}))
}

func serveEcho(listener net.Listener) {
	var open sync.WaitGroup
	defer open.Wait()
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		open.Go(func() {
			defer connection.Close()
			io.Copy(connection, connection)
		})
	}
}
