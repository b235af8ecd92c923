package fakekubelet

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

type stream string

const (
	streamStdout stream = "stdout"
	streamStderr stream = "stderr"
)

// output is what a container has printed: a log file in the format container
// runtimes write (`time stream F line`), and whoever is attached.
type output struct {
	path string
	name string

	mu       sync.Mutex
	ticks    bool // a line is added every second while somebody looks
	ticking  bool // and this is going on
	file     *os.File
	partial  map[stream][]byte
	attached map[*subscription]bool
	watchers int
	closed   bool
}

// subscription receives the raw output from its start on.
type subscription struct {
	stdout, stderr io.Writer
}

func newOutput(path, name string) *output {
	return &output{path: path, name: name, partial: map[stream][]byte{}, attached: map[*subscription]bool{}}
}

func (o *output) previousPath() string { return o.path + ".previous" }

func (o *output) open() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.openLocked()
}

func (o *output) openLocked() error {
	if o.closed {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(o.path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(o.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	o.file = file
	return err
}

// keepAsPrevious makes what was written so far the log of the previous run.
func (o *output) keepAsPrevious() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil || o.closed {
		return
	}
	o.file.Close()
	os.Rename(o.path, o.previousPath())
	o.openLocked()
}

// talk makes the container add lines while somebody looks.
func (o *output) talk() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ticks = true
	o.tickIfWatched()
}

func (o *output) line(s stream, text string) { o.write(s, []byte(text+"\n")) }

func (o *output) writer(s stream) io.Writer { return streamWriter{o, s} }

type streamWriter struct {
	output *output
	stream stream
}

func (w streamWriter) Write(data []byte) (int, error) {
	w.output.write(w.stream, data)
	return len(data), nil
}

func (o *output) write(s stream, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.file == nil {
		return
	}
	for subscriber := range o.attached {
		to := subscriber.stdout
		if s == streamStderr {
			to = subscriber.stderr
		}
		if to == nil {
			continue
		}
		if _, err := to.Write(data); err != nil {
			delete(o.attached, subscriber)
		}
	}
	pending := append(o.partial[s], data...)
	for {
		end := bytes.IndexByte(pending, '\n')
		if end < 0 {
			break
		}
		o.record(s, pending[:end])
		pending = pending[end+1:]
	}
	o.partial[s] = bytes.Clone(pending)
}

func (o *output) record(s stream, line []byte) {
	fmt.Fprintf(o.file, "%s %s F %s\n", time.Now().UTC().Format(time.RFC3339Nano), s, line)
}

// flush records lines that had no end.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for s, rest := range o.partial {
		if len(rest) > 0 {
			o.record(s, rest)
		}
		delete(o.partial, s)
	}
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		if o.file != nil {
			o.file.Close()
		}
	}
}

func (o *output) attach(subscriber *subscription) (detach func()) {
	o.mu.Lock()
	o.attached[subscriber] = true
	o.mu.Unlock()
	unwatch := o.watch()
	return func() {
		unwatch()
		o.mu.Lock()
		delete(o.attached, subscriber)
		o.mu.Unlock()
	}
}

// watch counts a follower; the first one makes the container talk.
func (o *output) watch() (unwatch func()) {
	o.mu.Lock()
	o.watchers++
	o.tickIfWatched()
	o.mu.Unlock()
	return func() {
		o.mu.Lock()
		o.watchers--
		o.mu.Unlock()
	}
}

// tickIfWatched is called with the lock held.
func (o *output) tickIfWatched() {
	if o.ticks && o.watchers > 0 && !o.ticking {
		o.ticking = true
		go o.tick()
	}
}

func (o *output) tick() {
	for n := 1; ; n++ {
		time.Sleep(time.Second)
		o.mu.Lock()
		o.ticking = o.watchers > 0 && !o.closed
		over := !o.ticking
		o.mu.Unlock()
		if over {
			return
		}
		o.line(streamStdout, fmt.Sprintf("%s is alive, line %d since somebody looks", o.name, n))
	}
}
