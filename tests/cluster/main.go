// Program cluster is a real, small Kubernetes cluster in one binary: etcd,
// kube-apiserver, kube-controller-manager and kubectl as released, and a
// kubelet that has the real wire protocols but no container runtime.
//
// Every part is a subcommand and runs as a process of its own, so that a test
// can kill one of them.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// subcommands maps a word on the command line to the function that serves it.
// The function finds its own arguments in os.Args[1:], because the Kubernetes
// programs linked in read os.Args themselves.
var subcommands = map[string]func() error{
	"etcd":        runEtcd,
	"apiserver":   runAPIServer,
	"controllers": runControllers,
	"kubelet":     runKubelet,
	"kubectl":     runKubectl,
	"up":          runUp,
	"requestinfo": runRequestInfo,
	"informer":    runInformer,
	"churn":       runChurn,
}

func main() {
	stopIfParentIsGone()
	name := filepath.Base(os.Args[0])
	if name != "kubectl" {
		if len(os.Args) < 2 {
			usage()
		}
		name = os.Args[1]
		os.Args = append([]string{name}, os.Args[2:]...)
	}
	run, known := subcommands[name]
	if !known {
		usage()
	}
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

func usage() {
	names := make([]string, 0, len(subcommands))
	for name := range subcommands {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(os.Stderr, "usage: cluster SUBCOMMAND [flags], with one of %v\n", names)
	os.Exit(2)
}
