package main

import (
	"os"
	_ "time/tzdata" // CronJobs name time zones

	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"

	_ "k8s.io/client-go/plugin/pkg/client/auth"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// runAPIServer is kube-apiserver with all of its own flags.
func runAPIServer() error {
	os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	return nil
}

// runControllers is kube-controller-manager with all of its own flags.
func runControllers() error {
	os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	return nil
}

// runKubectl is kubectl. The log level is set before the command is made,
// because making it already looks for plugins and reads the kuberc file.
func runKubectl() error {
	logs.GlogSetter(kubectl.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return nil
}
