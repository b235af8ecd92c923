//go:build !linux

package fakekubelet

import "syscall"

// dieWithParent cannot be done outside Linux: a program that waits outlives a
// killed kubelet.
func dieWithParent(*syscall.SysProcAttr) {}
