package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// upOptions are the flags of `up`.
type upOptions struct {
	dir             string
	apiserverArgs   repeated
	controllersArgs repeated
	noControllers   bool
	noKubelet       bool
	keepData        bool
	stdinEOFStops   bool
	timeout         time.Duration
}

func parseUpOptions(args []string) (upOptions, error) {
	var options upOptions
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	flags.StringVar(&options.dir, "dir", "", "directory for everything the cluster writes")
	flags.Var(&options.apiserverArgs, "apiserver-arg", "an argument for kube-apiserver, replaces ours of the same name; repeatable")
	flags.Var(&options.controllersArgs, "controllers-arg", "an argument for kube-controller-manager, likewise")
	flags.BoolVar(&options.noControllers, "no-controllers", false, "run no controllers")
	flags.BoolVar(&options.noKubelet, "no-kubelet", false, "run no kubelet, register no node")
	flags.BoolVar(&options.keepData, "keep-data", false, "keep what etcd holds from the last run")
	flags.BoolVar(&options.stdinEOFStops, "stdin-eof-stops", false, "stop when stdin ends")
	flags.DurationVar(&options.timeout, "timeout", 2*time.Minute, "give up when not ready by then")
	flags.Parse(args)
	if options.dir == "" {
		return options, errors.New("--dir is missing")
	}
	if flags.NArg() > 0 {
		return options, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	dir, err := filepath.Abs(options.dir)
	options.dir = dir
	return options, err
}

// runUp starts a cluster, says so, and ends it when told to.
func runUp() error {
	runtime.LockOSThread() // see part.start
	options, err := parseUpOptions(os.Args[1:])
	if err != nil {
		return err
	}
	stopAsked := make(chan os.Signal, 1)
	signal.Notify(stopAsked, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	restartAsked := make(chan os.Signal, 1)
	signal.Notify(restartAsked, syscall.SIGUSR1)
	if options.stdinEOFStops {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stopAsked <- syscall.SIGTERM
		}()
	}

	unlock, err := lockDir(options.dir)
	if err != nil {
		return err
	}
	defer unlock()
	cluster, err := newCluster(options)
	if err != nil {
		return err
	}
	defer cluster.stop()
	if err := cluster.start(stopAsked); err != nil {
		return err
	}
	fmt.Printf("ready %s\n", cluster.server())
	for {
		select {
		case <-stopAsked:
			return nil
		case <-restartAsked:
			if err := cluster.restartDead(stopAsked); err != nil {
				fmt.Fprintf(os.Stderr, "restart: %v\n", err)
			}
		}
	}
}

// lockDir keeps a second `up` out of the same directory.
func lockDir(dir string) (func(), error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("another cluster runs in %s", dir)
	}
	return func() { file.Close() }, nil
}
