package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"countersign/tests/cluster/fakekubelet"
)

// runKubelet serves one fake node.
func runKubelet() error {
	var options fakekubelet.Options
	flags := flag.NewFlagSet("kubelet", flag.ExitOnError)
	flags.StringVar(&options.Kubeconfig, "kubeconfig", "", "how to reach the API server")
	flags.StringVar(&options.Dir, "dir", "", "directory for the pods")
	flags.StringVar(&options.NodeName, "node-name", "node-1", "name of the node")
	flags.StringVar(&options.ClientCA, "client-ca-file", "", "who signs the API server's client certificate")
	flags.StringVar(&options.ServingCRT, "tls-cert-file", "", "serving certificate")
	flags.StringVar(&options.ServingKey, "tls-private-key-file", "", "its key")
	flags.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return fakekubelet.Run(ctx, options)
}
