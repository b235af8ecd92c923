//go:build !linux

package main

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

const parentVariable = "COUNTERSIGN_CLUSTER_PARENT"

func tieToParent() (*syscall.SysProcAttr, []string) {
	return &syscall.SysProcAttr{Setpgid: true},
		[]string{parentVariable + "=" + strconv.Itoa(os.Getpid())}
}

// stopIfParentIsGone polls, because there is no death signal outside Linux.
func stopIfParentIsGone() {
	parent := os.Getenv(parentVariable)
	os.Unsetenv(parentVariable)
	if parent == "" {
		return
	}
	go func() {
		for parent == strconv.Itoa(os.Getppid()) {
			time.Sleep(200 * time.Millisecond)
		}
		os.Exit(1)
	}()
}
