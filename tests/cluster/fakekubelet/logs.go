package fakekubelet

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// logQuery is what a caller asked of a log.
type logQuery struct {
	follow     bool
	previous   bool
	timestamps bool
	tail       int64 // -1: all
	limit      int64 // bytes; -1: none
	since      time.Time
	stream     string // Stdout, Stderr or empty for both
}

func parseLogQuery(values url.Values) (logQuery, error) {
	query := logQuery{tail: -1, limit: -1, stream: values.Get("stream")}
	for name, field := range map[string]*bool{
		"follow": &query.follow, "previous": &query.previous, "timestamps": &query.timestamps,
	} {
		if text := values.Get(name); text != "" {
			value, err := strconv.ParseBool(text)
			if err != nil {
				return query, fmt.Errorf("%s: %w", name, err)
			}
			*field = value
		}
	}
	seconds := int64(-1)
	for name, field := range map[string]*int64{
		"tailLines": &query.tail, "limitBytes": &query.limit, "sinceSeconds": &seconds,
	} {
		if text := values.Get(name); text != "" {
			value, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return query, fmt.Errorf("%s: %w", name, err)
			}
			*field = value
		}
	}
	if seconds >= 0 {
		query.since = time.Now().Add(-time.Duration(seconds) * time.Second)
	}
	if text := values.Get("sinceTime"); text != "" {
		since, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return query, fmt.Errorf("sinceTime: %w", err)
		}
		query.since = since
	}
	return query, nil
}

func (k *kubelet) serveLogs(w http.ResponseWriter, r *http.Request) {
	p := k.running(r.PathValue("namespace"), r.PathValue("pod"), "")
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	name := r.PathValue("container")
	c := p.container(name)
	if c == nil {
		http.Error(w, fmt.Sprintf("container %q in pod %q is waiting to start: PodInitializing", name, p.spec.Name), http.StatusBadRequest)
		return
	}
	query, err := parseLogQuery(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	path := c.output.path
	if query.previous {
		path = c.output.previousPath()
	}
	file, err := os.Open(path)
	if err != nil {
		http.Error(w, fmt.Sprintf("previous terminated container %q in pod %q not found", name, p.spec.Name), http.StatusBadRequest)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	sender := &logSender{query: query, to: w, left: query.limit}
	sender.copy(file)
	if query.follow && !query.previous {
		defer c.output.watch()()
		sender.follow(r, c, file)
	}
}

// logSender writes log lines to one caller.
type logSender struct {
	query logQuery
	to    http.ResponseWriter
	left  int64 // bytes; -1: no limit
	rest  []byte
	over  bool
}

// copy sends what the file holds from its current position on, and applies
// `tail` the first time.
func (s *logSender) copy(file *os.File) {
	data, err := io.ReadAll(file)
	if err != nil {
		s.over = true
		return
	}
	data = append(s.rest, data...)
	end := bytes.LastIndexByte(data, '\n') + 1
	s.rest = bytes.Clone(data[end:])
	var lines [][]byte
	scanner := bufio.NewScanner(bytes.NewReader(data[:end]))
	scanner.Buffer(nil, end+1)
	for scanner.Scan() {
		if line, wanted := s.render(scanner.Bytes()); wanted {
			lines = append(lines, line)
		}
	}
	if s.query.tail >= 0 && int64(len(lines)) > s.query.tail {
		lines = lines[int64(len(lines))-s.query.tail:]
	}
	s.query.tail = -1
	for _, line := range lines {
		s.send(line)
	}
	s.to.(http.Flusher).Flush()
}

// render turns a stored line into a sent one.
func (s *logSender) render(stored []byte) ([]byte, bool) {
	parts := bytes.SplitN(stored, []byte(" "), 4)
	if len(parts) != 4 {
		return nil, false
	}
	written, err := time.Parse(time.RFC3339Nano, string(parts[0]))
	if err != nil || written.Before(s.query.since) {
		return nil, false
	}
	if s.query.stream != "" && !bytes.EqualFold([]byte(s.query.stream), parts[1]) && s.query.stream != "All" {
		return nil, false
	}
	line := append(bytes.Clone(parts[3]), '\n')
	if s.query.timestamps {
		line = append(append(bytes.Clone(parts[0]), ' '), line...)
	}
	return line, true
}

func (s *logSender) send(line []byte) {
	if s.over {
		return
	}
	if s.left >= 0 && int64(len(line)) >= s.left {
		line = line[:s.left]
		s.over = true
	}
	if s.left >= 0 {
		s.left -= int64(len(line))
	}
	if _, err := s.to.Write(line); err != nil {
		s.over = true
	}
}

// follow sends new lines until the caller leaves or the container ends.
func (s *logSender) follow(r *http.Request, c *container, file *os.File) {
	for !s.over {
		select {
		case <-r.Context().Done():
			return
		case <-c.done:
			s.copy(file)
			return
		case <-time.After(50 * time.Millisecond):
			s.copy(file)
		}
	}
}
