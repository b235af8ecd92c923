package fakekubelet

import "syscall"

// dieWithParent leaves no program behind when the kubelet is killed.
func dieWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
