package main

import (
	"os"
	"strconv"
	"syscall"
)

const parentVariable = "COUNTERSIGN_CLUSTER_PARENT"

// tieToParent makes the kernel kill the child when the parent is gone.
func tieToParent() (*syscall.SysProcAttr, []string) {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
		[]string{parentVariable + "=" + strconv.Itoa(os.Getpid())}
}

// stopIfParentIsGone covers the moment before the death signal was armed.
func stopIfParentIsGone() {
	parent := os.Getenv(parentVariable)
	os.Unsetenv(parentVariable)
	if parent != "" && parent != strconv.Itoa(os.Getppid()) {
		os.Exit(1)
	}
}
