package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// requestLine is one question to the oracle. TargetBase64 wins over Target and
// carries targets that are not UTF-8.
type requestLine struct {
	Method       string `json:"method"`
	Target       string `json:"target"`
	TargetBase64 []byte `json:"target_base64"`
}

// requestAnswer holds the fields of request.RequestInfo under stable names.
type requestAnswer struct {
	IsResourceRequest bool     `json:"isResourceRequest"`
	Path              string   `json:"path"`
	Verb              string   `json:"verb"`
	APIPrefix         string   `json:"apiPrefix"`
	APIGroup          string   `json:"apiGroup"`
	APIVersion        string   `json:"apiVersion"`
	Namespace         string   `json:"namespace"`
	Resource          string   `json:"resource"`
	Subresource       string   `json:"subresource"`
	Name              string   `json:"name"`
	Parts             []string `json:"parts"`
	FieldSelector     string   `json:"fieldSelector"`
	LabelSelector     string   `json:"labelSelector"`
	// Lossy: a value is not UTF-8, and JSON shows a replacement character for
	// each byte that is not.
	Lossy bool `json:"lossy,omitempty"`
}

type requestFault struct {
	Error string `json:"error"`
}

var requestInfoFactory = request.RequestInfoFactory{
	APIPrefixes:          sets.NewString("api", "apis"),
	GrouplessAPIPrefixes: sets.NewString("api"),
}

// runRequestInfo answers JSON lines on stdin until EOF, each at once, so that
// a caller may keep the process and ask one question at a time.
func runRequestInfo() error {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if err := encoder.Encode(answerRequestLine(line)); err != nil {
				return err
			}
			if in.Buffered() == 0 {
				if err := out.Flush(); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			return out.Flush()
		}
		if err != nil {
			return err
		}
	}
}

// answerRequestLine parses the bytes as net/http's server does, then asks
// Kubernetes.
func answerRequestLine(line []byte) any {
	var question requestLine
	if err := json.Unmarshal(line, &question); err != nil {
		return requestFault{"question: " + err.Error()}
	}
	target := []byte(question.Target)
	if question.TargetBase64 != nil {
		target = question.TargetBase64
	}
	raw := question.Method + " " + string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n"
	parsed, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(raw))))
	if err != nil {
		return requestFault{err.Error()}
	}
	info, err := requestInfoFactory.NewRequestInfo(parsed)
	if err != nil {
		return requestFault{err.Error()}
	}
	parts := info.Parts
	if parts == nil {
		parts = []string{}
	}
	return requestAnswer{
		IsResourceRequest: info.IsResourceRequest,
		Path:              info.Path,
		Verb:              info.Verb,
		APIPrefix:         info.APIPrefix,
		APIGroup:          info.APIGroup,
		APIVersion:        info.APIVersion,
		Namespace:         info.Namespace,
		Resource:          info.Resource,
		Subresource:       info.Subresource,
		Name:              info.Name,
		Parts:             parts,
		FieldSelector:     info.FieldSelector,
		LabelSelector:     info.LabelSelector,
		Lossy:             !utf8.ValidString(info.Path + "\n" + info.FieldSelector + "\n" + info.LabelSelector),
	}
}
